// SPDX-License-Identifier: Apache-2.0

/// Product of two 24-bit mantissas whose top bits are set, on one DSP slice (25 x 18 bits).
///
/// Latency 4 cycles, one product per cycle, no enable. The DSP multiplies by the low 18 bits of b,
/// read as a signed number. The rest of b, 32..64, is split into radix-4 Booth digits -2..2, which
/// cost one adder each: a bit of digit x a and a bit of the sum so far are the six inputs of one
/// LUT. That sum enters the DSP on its C port.
module conv_multiply_24 (
  input logic clk_i,
  input logic [23:0] a_i,
  input logic [22:0] b_i,  // the top bit is implied
  output logic [47:0] product_o
);

  /// digit x a for digit = -2 d[2] + d[1] + d[0]; 1 too small where d[2] is set.
  function automatic logic signed [25:0] digit_times(logic [2:0] d, logic [23:0] a);
    logic [25:0] multiple;
    unique case (d)
      3'b001, 3'b010, 3'b101, 3'b110: multiple = {2'b00, a};
      3'b011, 3'b100: multiple = {1'b0, a, 1'b0};
      default: multiple = '0;
    endcase
    return multiple ^ {26{d[2]}};
  endfunction

  logic [23:0] a_q, a_q2;
  logic [21:0] b_q;
  logic [19:0] b_q2;

  logic [25:0] high_q;
  logic [27:0] high_q2;
  logic [29:0] high_q3;
  logic signed [41:0] low_q3;
  logic [47:0] product_q4;

  always_ff @(posedge clk_i) begin
    // The two topmost digits, 1 and -2 + b[22] + b[21], are 2 + b[22] + b[21] at 2^22.
    a_q <= a_i;
    b_q <= b_i[21:0];
    high_q <= {1'b0, a_i, 1'b0} + digit_times({1'b0, b_i[22:21]}, a_i);

    a_q2 <= a_q;
    b_q2 <= b_q[19:0];
    high_q2 <= {high_q, 2'b00} + 28'(digit_times(b_q[21:19], a_q)) + 28'(b_q[21]);

    low_q3 <= $signed({1'b0, a_q2}) * $signed(b_q2[17:0]);
    high_q3 <= {high_q2, 2'b00} + 30'(digit_times(b_q2[19:17], a_q2)) + 30'(b_q2[19]);

    product_q4 <= 48'(low_q3) + {high_q3, 18'b0};
  end

  assign product_o = product_q4;

endmodule
