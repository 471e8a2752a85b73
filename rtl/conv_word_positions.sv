// SPDX-License-Identifier: Apache-2.0

/// Addresses of the words that the sequencer issues: byte in the line buffer, byte in the input row
/// for the padding, word in the weight ring.
///
/// A pipeline with a stage per loop, outermost first: each keeps the position of its loop, and
/// begins anew from the stage before when that loop begins. So a stage is one addition, and a word
/// can be issued in every cycle; it leaves five cycles later. `tag_i` travels with it. Groups are
/// counted over all passes from `start_i` on. The weight words of a layer follow those of the layer
/// before in the ring; reset goes to its start.
module conv_word_positions
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter int unsigned TagWidth = 1,
  localparam int unsigned ByteBits = $clog2(LineBufferBeats * BeatBytes),
  localparam int unsigned PositionBits = $clog2(LineBufferBeats),
  localparam int unsigned WordBits = $clog2(WeightWords)
) (
  input logic clk_i,
  input logic rst_ni,

  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  input logic start_i,

  // A word, which loops are at their first iteration with it, and its output row.
  input logic issue_i,
  input loops_t first_i,
  input logic pass_first_i,
  input logic [PositionBits-1:0] row_beat_i,
  input row_t row_i,
  input logic [TagWidth-1:0] tag_i,

  output logic op_valid_o,
  output logic [ByteBits-1:0] op_address_o,
  output offset_t op_offset_o,
  output logic op_row_valid_o,
  output logic [WordBits-1:0] op_weight_word_o,
  output logic [TagWidth-1:0] tag_o
);

  localparam int unsigned Latency = 5;

  logic [Latency-1:0] valid_q;  // of the stages
  assign op_valid_o = valid_q[Latency-1];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Latency-2:0], issue_i};
  end

  conv_delay #(
    .Width(TagWidth),
    .Cycles(Latency)
  ) u_tag (
    .clk_i,
    .data_i(tag_i),
    .data_o(tag_o)
  );

  // Stage 1: what begins with this word.
  logic segment_new_q, segment_new_q2, segment_new_q3;
  logic segment_first_q, segment_first_q2;
  logic kernel_row_new_q, kernel_row_first_q;
  logic output_new_q, pixel_new_q, column_first_q, pass_new_q;
  logic [PositionBits-1:0] row_beat_q;
  row_t row_q;

  always_ff @(posedge clk_i) begin
    segment_new_q <= first_i.word;
    segment_first_q <= first_i.segment;
    kernel_row_new_q <= first_i.word && first_i.segment;
    kernel_row_first_q <= first_i.kernel_row;
    output_new_q <= first_i.word && first_i.segment && first_i.kernel_row;
    pixel_new_q <= first_i.word && first_i.segment && first_i.kernel_row && first_i.group;
    column_first_q <= first_i.column;
    pass_new_q <= pass_first_i && first_i.column;
    row_beat_q <= row_beat_i;
    row_q <= row_i;
  end

  // Stage 2: column, group, kernel row, weight word.
  offset_t pixel_q2, group_q2, group_next, pass_group_q2;
  logic [PositionBits-1:0] beat_q2, beat_next;
  row_t row_q2;
  logic [WordBits-1:0] word_q2, word_next, pass_word_q2;

  conv_ring_add #(
    .Width(PositionBits)
  ) u_kernel_row_step (
    .clk_i,
    .position_i(beat_q2),
    .step_i(layer_i.kernel_row_step[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(beat_next)
  );
  assign group_next = group_q2 + layer_i.group_step;
  assign word_next = word_q2 == WordBits'(WeightWords - 1) ? '0 : word_q2 + WordBits'(1);

  always_ff @(posedge clk_i) begin
    if (valid_q[0]) begin
      if (pixel_new_q) begin
        pixel_q2 <= column_first_q ? -layer_i.pad_left_bytes : pixel_q2 + layer_i.pixel_step;
      end
      if (output_new_q) begin
        group_q2 <= pixel_new_q && !pass_new_q ? pass_group_q2 : group_next;
      end
      if (kernel_row_new_q) begin
        beat_q2 <= kernel_row_first_q ? row_beat_q : beat_next;
        row_q2 <= kernel_row_first_q ? row_q
                                     : row_q2 + row_t'({2'b0, layer_i.dilation_height});
      end
      // All pixels of a pass use the same groups, thus words; those of the next pass, and the words
      // of the next layer in the ring, follow.
      word_q2 <= pixel_new_q && !pass_new_q ? pass_word_q2 : word_next;
      if (pixel_new_q && pass_new_q) begin
        pass_group_q2 <= group_next;
        pass_word_q2 <= word_next;
      end
    end
    if (start_i) group_q2 <= -layer_i.group_step;
    if (!rst_ni) word_q2 <= WordBits'(WeightWords - 1);
  end

  // Stage 3: segment.
  offset_t segment_q3;
  logic [ByteBits-1:0] row_byte_q3, row_byte_q4;
  logic row_valid_q3, row_valid_q4, row_valid_q5;
  logic [WordBits-1:0] word_q3, word_q4, word_q5;

  always_ff @(posedge clk_i) begin
    segment_new_q2 <= segment_new_q;
    segment_first_q2 <= segment_first_q;
    if (valid_q[1] && segment_new_q2) begin
      segment_q3 <= (segment_first_q2 ? pixel_q2 : segment_q3) +
                    (segment_first_q2 ? group_q2 : layer_i.segment_step);
    end
    row_byte_q3 <= {beat_q2, layer_i.input_align};
    row_valid_q3 <= row_q2 >= 0 && row_q2 < row_t'({2'b0, layer_i.input_height});
    word_q3 <= word_q2;
  end

  // Stages 4 and 5: word, address.
  offset_t offset_q4, offset_q5;
  logic [ByteBits-1:0] address_q5;

  always_ff @(posedge clk_i) begin
    segment_new_q3 <= segment_new_q2;
    if (valid_q[2]) offset_q4 <= segment_new_q3 ? segment_q3 : offset_q4 + offset_t'(InputLanes);
    row_byte_q4 <= row_byte_q3;
    row_valid_q4 <= row_valid_q3;
    word_q4 <= word_q3;

    address_q5 <= row_byte_q4 + ByteBits'(offset_q4);
    offset_q5 <= offset_q4;
    row_valid_q5 <= row_valid_q4;
    word_q5 <= word_q4;
  end

  assign op_address_o = address_q5;
  assign op_offset_o = offset_q5;
  assign op_row_valid_o = row_valid_q5;
  assign op_weight_word_o = word_q5;

endmodule
