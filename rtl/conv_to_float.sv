// SPDX-License-Identifier: Apache-2.0

/// int32 to float32, rounded half to even: |value| = mantissa x 2^exponent for a value other than 0.
///
/// Latency 5 cycles, one value per cycle, no enable. The top bit of the mantissa is always set;
/// for value 0 the mantissa means nothing and `zero_o` is set.
module conv_to_float (
  input logic clk_i,
  input logic signed [31:0] value_i,

  output logic sign_o,
  output logic zero_o,
  output logic [23:0] mantissa_o,
  output logic signed [5:0] exponent_o  // -23..9
);

  logic sign_q5, zero_q2, zero_q5;

  // 1: magnitude; 2^31 fits, as it is unsigned.
  logic sign_q;
  logic [31:0] magnitude_q;
  always_ff @(posedge clk_i) begin
    sign_q <= value_i[31];
    magnitude_q <= value_i[31] ? -value_i : value_i;
  end

  // 2: leading zeros in nibbles, so that the shifters of the next steps are small.
  logic [31:0] magnitude_q2;
  logic [2:0] zero_nibbles_d, zero_nibbles_q2, zero_nibbles_q3;
  always_comb begin
    zero_nibbles_d = 3'd7;
    for (int unsigned i = 1; i < 8; i++) begin
      if (magnitude_q[4*i+:4] != '0) zero_nibbles_d = 3'(7 - i);
    end
  end
  always_ff @(posedge clk_i) begin
    zero_q2 <= magnitude_q == '0;
    magnitude_q2 <= magnitude_q;
    zero_nibbles_q2 <= zero_nibbles_d;
  end

  // 3, 4: normalised: the top bit is 1.
  logic [31:0] coarse_q3, normal_q4;
  logic [1:0] zero_bits;
  logic signed [5:0] exponent_q4, exponent_q5;
  always_comb begin
    zero_bits = 2'd3;
    for (int unsigned i = 1; i < 4; i++) begin
      if (coarse_q3[28+i]) zero_bits = 2'(3 - i);
    end
  end
  always_ff @(posedge clk_i) begin
    coarse_q3 <= magnitude_q2 << {zero_nibbles_q2, 2'b00};
    zero_nibbles_q3 <= zero_nibbles_q2;

    normal_q4 <= coarse_q3 << zero_bits;
    exponent_q4 <= 6'sd8 - 6'({zero_nibbles_q3, zero_bits});
  end

  // 5: 24 bits. Rounding up all ones gives 2^24: the low bits become 0, the top bit stays.
  logic round_up, carry;
  logic [22:0] fraction_q5;
  assign round_up = normal_q4[7] && (normal_q4[8] || normal_q4[6:0] != '0);
  assign carry = &normal_q4[31:7];
  always_ff @(posedge clk_i) begin
    fraction_q5 <= normal_q4[30:8] + 23'(round_up);
    exponent_q5 <= exponent_q4 + 6'(carry);
  end

  conv_delay #(
    .Width(1),
    .Cycles(4)
  ) u_sign (
    .clk_i,
    .data_i(sign_q),
    .data_o(sign_q5)
  );

  conv_delay #(
    .Width(1),
    .Cycles(3)
  ) u_zero (
    .clk_i,
    .data_i(zero_q2),
    .data_o(zero_q5)
  );

  assign sign_o = sign_q5;
  assign zero_o = zero_q5;
  assign mantissa_o = {1'b1, fraction_q5};
  assign exponent_o = exponent_q5;

endmodule
