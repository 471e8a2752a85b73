// SPDX-License-Identifier: Apache-2.0

/// int32 to float32, rounded half to even: |value| = mantissa x 2^exponent for a value other than 0.
///
/// Latency 4 cycles, one value per cycle, no enable. The top bit of the mantissa is always set;
/// for value 0 the mantissa means nothing and `zero_o` is set.
module conv_to_float (
  input logic clk_i,
  input logic signed [31:0] value_i,

  output logic sign_o,
  output logic zero_o,
  output logic [23:0] mantissa_o,
  output logic signed [5:0] exponent_o  // -23..9
);

  // 1: magnitude; 2^31 fits, as it is unsigned.
  logic sign_q, sign_q2, sign_q3, sign_q4;
  logic [31:0] magnitude_q, magnitude_q2;

  // 2: leading zeros in nibbles, so that the shifters of the next step see few levels.
  logic zero_q2, zero_q3, zero_q4;
  logic [2:0] zero_nibbles_d, zero_nibbles_q2;
  always_comb begin
    zero_nibbles_d = 3'd7;
    for (int unsigned i = 1; i < 8; i++) begin
      if (magnitude_q[4*i+:4] != '0) zero_nibbles_d = 3'(7 - i);
    end
  end

  // 3: normalised: the top bit is 1.
  logic [31:0] coarse, normal_d, normal_q3;
  logic [1:0] zero_bits;
  logic [4:0] shift_q3;
  always_comb begin
    coarse = magnitude_q2 << {zero_nibbles_q2, 2'b00};
    zero_bits = 2'd3;
    for (int unsigned i = 1; i < 4; i++) begin
      if (coarse[28+i]) zero_bits = 2'(3 - i);
    end
    normal_d = coarse << zero_bits;
  end

  // 4: 24 bits. Rounding up all ones gives 2^24: the low bits become 0, the top bit stays.
  logic round_up, carry;
  logic [22:0] fraction_q4;
  logic signed [5:0] exponent_q4;
  assign round_up = normal_q3[7] && (normal_q3[8] || normal_q3[6:0] != '0);
  assign carry = &normal_q3[31:7];

  always_ff @(posedge clk_i) begin
    sign_q <= value_i[31];
    magnitude_q <= value_i[31] ? -value_i : value_i;

    sign_q2 <= sign_q;
    zero_q2 <= magnitude_q == '0;
    magnitude_q2 <= magnitude_q;
    zero_nibbles_q2 <= zero_nibbles_d;

    sign_q3 <= sign_q2;
    zero_q3 <= zero_q2;
    normal_q3 <= normal_d;
    shift_q3 <= {zero_nibbles_q2, zero_bits};

    sign_q4 <= sign_q3;
    zero_q4 <= zero_q3;
    fraction_q4 <= normal_q3[30:8] + 23'(round_up);
    exponent_q4 <= 6'sd8 - 6'(shift_q3) + 6'(carry);
  end

  assign sign_o = sign_q4;
  assign zero_o = zero_q4;
  assign mantissa_o = {1'b1, fraction_q4};
  assign exponent_o = exponent_q4;

endmodule
