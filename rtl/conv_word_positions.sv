// SPDX-License-Identifier: Apache-2.0

/// Addresses of the words that the sequencer issues: byte in the line buffer, position in the input
/// row for the padding, word in the weight ring.
///
/// Every loop keeps the position of its current iteration; when it steps, the inner ones start
/// from there. Only additions, one per loop. Three cycles from `issue_i` to op_*.
module conv_word_positions
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
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
  input logic layer_start_i,

  // An output row starts: its top kernel row.
  input logic move_i,
  input logic [PositionBits-1:0] row_beat_i,
  input row_t row_i,

  // A word is issued; the other strobes tell which loops step with it.
  input logic issue_i,
  input logic step_segment_i,
  input logic step_kernel_row_i,
  input logic step_output_i,
  input logic step_column_i,
  input logic step_pass_i,
  input logic first_i,

  output logic op_valid_o,
  output logic [ByteBits-1:0] op_address_o,
  output offset_t op_offset_o,
  output logic op_row_valid_o,
  output logic [WordBits-1:0] op_weight_word_o,
  output logic op_first_o,
  output logic op_last_o
);

  // Vertical: kernel row within the ring.
  logic [PositionBits-1:0] top_beat_d, top_beat_q, beat_d, beat_q, beat_next;
  row_t top_row_d, top_row_q, row_d, row_q;
  // Horizontal: bytes from the start of the input row.
  offset_t pixel_d, pixel_q, segment_d, segment_q, offset_d, offset_q;
  offset_t pixel_next, segment_next;
  // Weights.
  logic [WordBits-1:0] pass_word_d, pass_word_q, word_d, word_q, word_next;

  conv_ring_add #(
    .Width(PositionBits)
  ) u_kernel_row_step (
    .position_i(beat_q),
    .step_i(layer_i.kernel_row_step[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(beat_next)
  );
  assign pixel_next = pixel_q + layer_i.pixel_step;
  assign segment_next = segment_q + layer_i.segment_step;
  assign word_next = word_q == WordBits'(WeightWords - 1) ? '0 : word_q + WordBits'(1);

  always_comb begin
    top_beat_d = top_beat_q;
    top_row_d = top_row_q;
    beat_d = beat_q;
    row_d = row_q;
    if (step_kernel_row_i) begin
      beat_d = beat_next;
      row_d = row_q + row_t'({2'b00, layer_i.dilation_height});
    end
    if (step_output_i) begin
      beat_d = top_beat_q;
      row_d = top_row_q;
    end
    if (move_i) begin
      top_beat_d = row_beat_i;
      top_row_d = row_i;
      beat_d = row_beat_i;
      row_d = row_i;
    end

    pixel_d = pixel_q;
    segment_d = segment_q;
    offset_d = offset_q;
    if (issue_i) offset_d = offset_q + offset_t'(InputLanes);
    if (step_segment_i) begin
      segment_d = segment_next;
      offset_d = segment_next;
    end
    if (step_kernel_row_i) begin
      segment_d = pixel_q;
      offset_d = pixel_q;
    end
    if (step_column_i) begin
      pixel_d = pixel_next;
      segment_d = pixel_next;
      offset_d = pixel_next;
    end
    if (move_i) begin
      pixel_d = -layer_i.pad_left_bytes;
      segment_d = -layer_i.pad_left_bytes;
      offset_d = -layer_i.pad_left_bytes;
    end

    pass_word_d = pass_word_q;
    word_d = word_q;
    if (issue_i) word_d = word_next;
    if (step_column_i) word_d = pass_word_q;
    if (step_pass_i) begin
      pass_word_d = word_next;
      word_d = word_next;
    end
    if (layer_start_i) begin
      pass_word_d = '0;
      word_d = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    top_beat_q <= top_beat_d;
    top_row_q <= top_row_d;
    beat_q <= beat_d;
    row_q <= row_d;
    pixel_q <= pixel_d;
    segment_q <= segment_d;
    offset_q <= offset_d;
    pass_word_q <= pass_word_d;
    word_q <= word_d;
  end

  // Issued word, then its place in the row, then its address.
  typedef struct packed {
    offset_t offset;
    logic [WordBits-1:0] weight_word;
    logic first;
    logic last;
  } op_t;
  logic valid_q, valid_q2, valid_q3;
  op_t op_q, op_q2, op_q3;
  logic [PositionBits-1:0] op_beat_q;
  row_t op_row_q;
  logic row_valid_q2, row_valid_q3;
  logic [ByteBits-1:0] row_byte_q2, address_q3;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      valid_q2 <= 1'b0;
      valid_q3 <= 1'b0;
    end else begin
      valid_q <= issue_i;
      valid_q2 <= valid_q;
      valid_q3 <= valid_q2;
    end
  end

  always_ff @(posedge clk_i) begin
    op_q <= '{
        offset: offset_q,
        weight_word: word_q,
        first: issue_i && first_i,
        last: step_output_i
    };
    op_beat_q <= beat_q;
    op_row_q <= row_q;

    op_q2 <= op_q;
    row_byte_q2 <= {op_beat_q, layer_i.input_align};
    row_valid_q2 <= op_row_q >= 0 && op_row_q < row_t'({2'b00, layer_i.input_height});

    op_q3 <= op_q2;
    row_valid_q3 <= row_valid_q2;
    address_q3 <= row_byte_q2 + ByteBits'(op_q2.offset);
  end

  assign op_valid_o = valid_q3;
  assign op_address_o = address_q3;
  assign op_offset_o = op_q3.offset;
  assign op_row_valid_o = row_valid_q3;
  assign op_weight_word_o = op_q3.weight_word;
  assign op_first_o = op_q3.first;
  assign op_last_o = op_q3.last;

endmodule
