// SPDX-License-Identifier: Apache-2.0

/// Last part of the requantisation: exact product to float32 to integer, zero point, output range.
///
/// The value is product x 2^exponent. Latency 7 cycles, one value per cycle, no enable. `format_i`
/// is a setting: it must not change while values are inside.
///
/// Neither subnormals nor infinity of float32 need care. The accumulator is an integer, so a
/// product that is not 0 is at least the smallest subnormal and rounds to an integer as any other
/// tiny value does. From 2^31 on all values are beyond every range and multiples of 256.
module conv_to_byte
  import conv_pkg::*;
(
  input logic clk_i,
  input byte_format_t format_i,

  input logic sign_i,
  input logic zero_i,
  input logic [47:0] product_i,  // 2^46..2^48-1; anything if zero_i
  input logic signed [8:0] exponent_i,  // -173..114

  output logic [7:0] byte_o
);

  logic sign_q2, sign_q3, sign_q4, sign_q5;
  logic zero_q2, zero_q3;

  conv_delay #(
    .Width(2),
    .Cycles(2)
  ) u_flags (
    .clk_i,
    .data_i({sign_i, zero_i}),
    .data_o({sign_q2, zero_q2})
  );

  // 1: the upper 24 bits of the product, and whether they are to be rounded up.
  logic top, top_q, guard, sticky, round_up_q, carry_q;
  logic [22:0] fraction_d, fraction_q;  // below the top bit, which is 1
  logic signed [8:0] exponent_q;
  always_comb begin
    top = product_i[47];
    fraction_d = top ? product_i[46:24] : product_i[45:23];
    guard = top ? product_i[23] : product_i[22];
    sticky = product_i[21:0] != '0 || (top && product_i[22]);
  end
  always_ff @(posedge clk_i) begin
    top_q <= top;
    fraction_q <= fraction_d;
    round_up_q <= guard && (sticky || fraction_d[0]);
    carry_q <= &{fraction_d, guard};
    exponent_q <= exponent_i;
  end

  // 2: the float32 product as {1, fraction} x 2^(7 - right). If rounding carries into 2^24, the
  // fraction becomes 0 and the exponent takes the carry.
  logic [22:0] fraction_q2;
  logic signed [8:0] right_q2;
  always_ff @(posedge clk_i) begin
    fraction_q2 <= fraction_q + 23'(round_up_q);
    right_q2 <= -9'sd16 - exponent_q - 9'(top_q) - 9'(carry_q);
  end

  // 3: shift right by bytes. One bit stands below the integer, the largest one that was shifted
  // out; `sticky` tells of the others. From 512 on (`large`) a value is beyond every range whatever
  // the zero point, and only the low 8 bits of the integer are right: wrapping needs no more.
  logic [15:0] window_q3;
  logic [2:0] right_q3;
  logic sticky_d3, sticky_q3, large_q3, tiny_q3, huge_q3;
  always_comb begin
    unique case (right_q2[4:3])
      2'd3: sticky_d3 = fraction_q2[15:0] != '0;
      2'd2: sticky_d3 = fraction_q2[7:0] != '0;
      default: sticky_d3 = 1'b0;
    endcase
  end
  always_ff @(posedge clk_i) begin
    sign_q3 <= sign_q2;
    zero_q3 <= zero_q2;
    window_q3 <= 16'({1'b1, fraction_q2, 8'b0} >> {right_q2[4:3], 3'b000});
    sticky_q3 <= sticky_d3;
    right_q3 <= right_q2[2:0];
    huge_q3 <= right_q2 < 0;
    tiny_q3 <= right_q2 > 31;
    large_q3 <= right_q2 < 22;
  end

  // 4: shift right by bits.
  logic [9:0] window_d4;
  logic [8:0] integer_q4;
  logic guard_q4, sticky_d4, sticky_q4, large_q4;
  always_comb begin
    window_d4 = 10'(window_q3 >> right_q3);
    sticky_d4 = sticky_q3;
    for (int unsigned i = 0; i < 7; i++) begin
      if (right_q3 > 3'(i) && window_q3[i]) sticky_d4 = 1'b1;
    end
    if (huge_q3 || tiny_q3 || zero_q3) begin
      window_d4 = '0;
      sticky_d4 = tiny_q3 && !zero_q3;
    end
  end
  always_ff @(posedge clk_i) begin
    sign_q4 <= sign_q3;
    {integer_q4, guard_q4} <= window_d4;
    sticky_q4 <= sticky_d4;
    large_q4 <= large_q3 && !zero_q3;
  end

  // 5: round, negate, add the zero point. -(integer + 1) is ~integer, so a negative integer takes
  // the carry if it is not rounded away from zero.
  logic away, large_q5;
  logic signed [10:0] sum_q5;
  always_comb begin
    away = guard_q4 && (sticky_q4 || integer_q4[0]);
    if (format_i.half_up) away = guard_q4 && (sticky_q4 || !sign_q4);
    if (format_i.floor) away = sign_q4 && (guard_q4 || sticky_q4);
  end
  always_ff @(posedge clk_i) begin
    sign_q5 <= sign_q4;
    large_q5 <= large_q4 && !format_i.wrap;
    // One bit longer, so that the carry needs no adder of its own.
    sum_q5 <= 11'(({{2'b00, integer_q4} ^ {11{sign_q4}}, 1'b1} +
                   {11'(format_i.zero_point), sign_q4 ^ away}) >> 1);
  end

  // 6, 7: the output range.
  logic signed [10:0] fitted;
  logic above_q6, below_q6;
  logic [7:0] low_bits_q6, byte_q7;
  always_comb begin
    fitted = sum_q5;
    if (format_i.wrap) fitted[10:8] = {3{sum_q5[7] && !format_i.is_unsigned}};
  end
  always_ff @(posedge clk_i) begin
    above_q6 <= large_q5 ? !sign_q5 : fitted > 11'(format_i.high);
    below_q6 <= large_q5 ? sign_q5 : fitted < 11'(format_i.low);
    low_bits_q6 <= sum_q5[7:0];

    byte_q7 <= low_bits_q6;
    if (below_q6) byte_q7 <= format_i.low[7:0];
    if (above_q6) byte_q7 <= format_i.high[7:0];
  end

  assign byte_o = byte_q7;

endmodule
