// SPDX-License-Identifier: Apache-2.0

/// Puts chunks of 1 to BeatBytes bytes one behind the other into beats with strobes.
///
/// A run of chunks begins at byte `in_align_i` of a beat and ends with the beat in which its last
/// byte lies; no beat holds bytes of two runs. A chunk per cycle, and a cycle more for a run whose
/// last chunk crosses into another beat. A beat is at the output one cycle after the chunk that
/// completes it was taken. Bytes without strobe mean nothing.
module conv_byte_aligner
  import conv_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic in_valid_i,
  output logic in_ready_o,
  input beat_t in_data_i,
  input bytes_t in_bytes_i,  // at least 1, from the lowest byte of in_data_i on
  input logic in_first_i,  // first chunk of a run
  input logic in_last_i,  // last chunk of a run
  input align_t in_align_i,  // with in_first_i: where the run begins

  output logic out_valid_o,
  input logic out_ready_i,
  output beat_t out_data_o,
  output strobe_t out_strobe_o,

  output logic idle_o  // no byte inside
);

  // Rotate the chunk to its place. Its strobes lie in this beat (low) and in the next one (high).
  align_t offset, offset_d, offset_q;
  beat_t rotated_d, rotated_q;
  strobe_t in_strobe, low_d, low_q, high_d, high_q;
  logic valid_d, valid_q, last_q;
  logic take, ready;

  assign offset = in_first_i ? in_align_i : offset_q;
  assign in_ready_o = !valid_q || ready;
  assign take = in_valid_i && in_ready_o;
  always_comb begin
    for (int unsigned i = 0; i < BeatBytes; i++) begin
      rotated_d[8*i+:8] = in_data_i[8*(align_t'(i)-offset)+:8];
      in_strobe[i] = in_bytes_i > bytes_t'(i);
    end
    {high_d, low_d} = {strobe_t'(0), in_strobe} << offset;
    offset_d = take ? align_t'(bytes_t'(offset) + in_bytes_i) : offset_q;
    valid_d = take || (valid_q && !ready);
  end

  // Join it with the bytes that are held back for their beat. `flush`: these are the end of a run.
  beat_t joined, held_d, held_q;
  strobe_t strobe, held_strobe_d, held_strobe_q;
  logic complete, flush_d, flush_q;
  always_comb begin
    for (int unsigned i = 0; i < BeatBytes; i++) begin
      joined[8*i+:8] = flush_q || held_strobe_q[i] ? held_q[8*i+:8] : rotated_q[8*i+:8];
    end
    strobe = flush_q ? held_strobe_q : held_strobe_q | low_q;
    complete = low_q[BeatBytes-1] || last_q;
    ready = !flush_q && (!complete || out_ready_i);

    held_d = held_q;
    held_strobe_d = held_strobe_q;
    flush_d = flush_q;
    if (flush_q && out_ready_i) begin
      held_strobe_d = '0;
      flush_d = 1'b0;
    end
    if (valid_q && ready) begin
      held_d = complete ? rotated_q : joined;
      held_strobe_d = complete ? high_q : strobe;
      flush_d = last_q && high_q != '0;
    end
  end

  assign out_valid_o = flush_q || (valid_q && complete);
  assign out_data_o = joined;
  assign out_strobe_o = strobe;
  assign idle_o = !valid_q && held_strobe_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      held_strobe_q <= '0;
      flush_q <= 1'b0;
    end else begin
      valid_q <= valid_d;
      held_strobe_q <= held_strobe_d;
      flush_q <= flush_d;
    end
    offset_q <= offset_d;
    if (take) begin
      rotated_q <= rotated_d;
      low_q <= low_d;
      high_q <= high_d;
      last_q <= in_last_i;
    end
    held_q <= held_d;
  end

endmodule
