// SPDX-License-Identifier: Apache-2.0

/// Puts the zero point where the kernel lies on padding, and zero where there is no word.
///
/// The op_* of a word come LineBufferLatency cycles before its bytes; x_o follows one cycle after
/// the bytes. A byte is data if its position in the input row is in 0 .. row_bytes - 1 and the row
/// is inside the image. One word per cycle, no stall.
module conv_window
  import conv_pkg::*;
#(
  parameter int unsigned ReadLanes = 48,
  parameter int unsigned WeightWords = 512,
  localparam int unsigned WordBits = $clog2(WeightWords)
) (
  input logic clk_i,
  input logic rst_ni,

  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL

  input logic op_valid_i,
  input offset_t op_offset_i,
  input logic op_row_valid_i,
  input logic [WordBits-1:0] op_weight_word_i,
  input digit_t op_digit_i,
  input logic op_first_i,
  input logic op_last_i,
  input logic [ReadLanes*8-1:0] bytes_i,

  output logic [ReadLanes-1:0][7:0] x_o,
  output logic [WordBits-1:0] weight_word_o,
  output digit_t digit_o,
  output logic first_o,
  output logic last_o
);

  // Two stages of the delay find which lanes are data.
  localparam int unsigned MaskDelay = LineBufferLatency - 2;
  localparam int unsigned LaneBits = $clog2(ReadLanes + 1);
  typedef logic [LaneBits-1:0] lane_t;
  typedef logic [ReadLanes-1:0] mask_t;

  // Number of lanes that a distance covers: below 0 none, from ReadLanes on all.
  function automatic lane_t lanes(offset_t distance);
    if (distance < 0) return '0;
    return distance < offset_t'(ReadLanes) ? lane_t'(distance) : lane_t'(ReadLanes);
  endfunction

  lane_t before_q, until_q;  // lanes left of the row, lanes up to its end
  logic row_valid_q;
  mask_t data_d, data_q;

  always_comb begin
    for (int unsigned i = 0; i < ReadLanes; i++) begin
      data_d[i] = row_valid_q && lane_t'(i) >= before_q && lane_t'(i) < until_q;
    end
  end

  always_ff @(posedge clk_i) begin
    before_q <= lanes(-op_offset_i);
    until_q <= lanes(layer_i.row_bytes - op_offset_i);
    row_valid_q <= op_row_valid_i;
    data_q <= data_d;
  end

  mask_t mask;
  conv_delay #(
    .Width(ReadLanes),
    .Cycles(MaskDelay)
  ) u_mask_delay (
    .clk_i,
    .data_i(data_q),
    .data_o(mask)
  );

  logic [WordBits-1:0] weight_word;
  digit_t digit;
  conv_delay #(
    .Width(WordBits + $bits(digit_t)),
    .Cycles(LineBufferLatency)
  ) u_word_delay (
    .clk_i,
    .data_i({op_weight_word_i, op_digit_i}),
    .data_o({weight_word, digit})
  );

  logic [LineBufferLatency-1:0] valid_q, first_q, last_q;
  logic [ReadLanes-1:0][7:0] x_d, x_q;
  logic [WordBits-1:0] weight_word_q;
  digit_t digit_q;
  logic out_first_q, out_last_q;

  always_comb begin
    for (int unsigned i = 0; i < ReadLanes; i++) begin
      x_d[i] = mask[i] ? bytes_i[8*i+:8] : layer_i.input_zero_point;
    end
    if (!valid_q[LineBufferLatency-1]) x_d = '0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
      first_q <= '0;
      last_q <= '0;
      out_first_q <= 1'b0;
      out_last_q <= 1'b0;
    end else begin
      valid_q <= {valid_q[LineBufferLatency-2:0], op_valid_i};
      first_q <= {first_q[LineBufferLatency-2:0], op_valid_i && op_first_i};
      last_q <= {last_q[LineBufferLatency-2:0], op_valid_i && op_last_i};
      out_first_q <= first_q[LineBufferLatency-1];
      out_last_q <= last_q[LineBufferLatency-1];
    end
  end

  always_ff @(posedge clk_i) begin
    x_q <= x_d;
    weight_word_q <= weight_word;
    digit_q <= digit;
  end

  assign x_o = x_q;
  assign weight_word_o = weight_word_q;
  assign digit_o = digit_q;
  assign first_o = out_first_q;
  assign last_o = out_last_q;

endmodule
