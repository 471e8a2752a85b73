// SPDX-License-Identifier: Apache-2.0

/// Requantises the results of one output channel: acc + bias as int32, and as a byte
/// overflow(round(fl32(fl32(acc + bias) x multiplier)) + zero_point), exact in every bit.
///
/// One result per cycle, no enable. `multiplier_i` (float32, finite) belongs to the `acc_i` and
/// `bias_i` of MultiplierDelay cycles before, so that it can be read from a RAM when it is needed
/// instead of waiting in registers here. `sum_o` follows acc_i by SumLatency cycles, `byte_o` by
/// ByteLatency (see conv_pkg). One DSP slice.
module conv_requantize_lane
  import conv_pkg::*;
(
  input logic clk_i,
  input byte_format_t format_i,  // must not change while results are inside

  input logic signed [31:0] acc_i,
  input logic signed [31:0] bias_i,
  input logic [31:0] multiplier_i,

  output logic signed [31:0] sum_o,
  output logic [7:0] byte_o
);

  // SumLatency = 1.
  logic signed [31:0] sum_q;
  always_ff @(posedge clk_i) sum_q <= acc_i + bias_i;
  assign sum_o = sum_q;

  // MultiplierDelay = SumLatency + 5.
  logic sum_sign, sum_zero;
  logic [23:0] mantissa;
  logic signed [5:0] exponent;

  conv_to_float u_to_float (
    .clk_i,
    .value_i(sum_q),
    .sign_o(sum_sign),
    .zero_o(sum_zero),
    .mantissa_o(mantissa),
    .exponent_o(exponent)
  );

  // ByteLatency = MultiplierDelay + 4 + 7. A subnormal multiplier is taken for a normal one with
  // the exponent 0: that is wrong by a factor, but either product is tiny.
  logic [47:0] product;

  conv_multiply_24 u_multiply (
    .clk_i,
    .a_i(mantissa),
    .b_i(multiplier_i[22:0]),
    .product_o(product)
  );

  logic sign_q, sign_q4, zero_q, zero_q4;
  logic signed [8:0] exponent_q, exponent_q4;
  always_ff @(posedge clk_i) begin
    sign_q <= sum_sign ^ multiplier_i[31];
    zero_q <= sum_zero || multiplier_i[30:0] == '0;
    exponent_q <= 9'(exponent) + 9'(multiplier_i[30:23]) - 9'd150;
  end

  conv_delay #(
    .Width(2 + 9),
    .Cycles(3)
  ) u_delay (
    .clk_i,
    .data_i({sign_q, zero_q, exponent_q}),
    .data_o({sign_q4, zero_q4, exponent_q4})
  );

  conv_to_byte u_to_byte (
    .clk_i,
    .format_i,
    .sign_i(sign_q4),
    .zero_i(zero_q4),
    .product_i(product),
    .exponent_i(exponent_q4),
    .byte_o
  );

endmodule
