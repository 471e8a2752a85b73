// SPDX-License-Identifier: Apache-2.0

/// One channel of the vector unit: an int8 product per cycle, shifted by bytes, added up or the
/// largest one kept.
///
/// acc = (first ? 0 : acc) + (x * weight << 8 * digit), or with `maximum_i` the larger of acc and
/// x * weight. Sums wrap like int32. One product per cycle, no enable: where nothing is to be added,
/// x_i = 0. `digit_i` comes two cycles after its `x_i` and `weight_i`, `first_i` three; `acc_o`
/// follows after four.
///
/// The product is made of LUTs, as the MAC array and the requantiser take the DSP slices: a row of
/// radix-4 Booth is an adder whose LUTs choose the multiple, too, so that all four rows take fewer
/// than 40 of them.
module conv_vector_lane
  import conv_pkg::*;
(
  input logic clk_i,
  input logic maximum_i,  // a setting: must not change while products are inside

  input logic signed [7:0] x_i,
  input logic signed [7:0] weight_i,
  input digit_t digit_i,  // 0..2, of a maximum 0
  input logic first_i,

  output logic signed [31:0] acc_o
);

  /// sum + digit * x, the digit in -2..2 from two bits of the weight and the one below them.
  function automatic logic signed [9:0] add_row(logic signed [7:0] sum, logic signed [7:0] x,
                                                logic [2:0] bits);
    logic signed [8:0] multiple;
    unique case (bits)
      3'b001, 3'b010: multiple = 9'(x);
      3'b011: multiple = {x, 1'b0};
      3'b100: multiple = ~{x, 1'b0};
      3'b101, 3'b110: multiple = ~9'(x);
      3'b111: multiple = '1;
      default: multiple = '0;
    endcase
    // A negative multiple lacks one. One bit longer, so that the carry needs no adder of its own.
    return 10'(($signed({10'(sum), bits[2]}) + $signed({10'(multiple), bits[2]})) >>> 1);
  endfunction

  // 1, 2: the product, two rows per cycle. A row leaves two bits behind.
  logic signed [9:0] row_0, row_1_q, row_2, row_3;
  logic [1:0] low_0_q;
  logic signed [7:0] x_q;
  logic [7:3] weight_q;
  logic signed [15:0] product_q;

  assign row_0 = add_row('0, x_i, {weight_i[1:0], 1'b0});
  assign row_2 = add_row(row_1_q[9:2], x_q, weight_q[5:3]);
  assign row_3 = add_row(row_2[9:2], x_q, weight_q[7:5]);

  always_ff @(posedge clk_i) begin
    row_1_q <= add_row(row_0[9:2], x_i, weight_i[3:1]);
    low_0_q <= row_0[1:0];
    x_q <= x_i;
    weight_q <= weight_i[7:3];
    product_q <= {row_3, row_2[1:0], row_1_q[1:0], low_0_q};
  end

  // 3: the shift.
  logic signed [31:0] term_d, term_q;
  always_comb begin
    unique case (digit_i)
      2'd1: term_d = {8'(product_q >>> 15), product_q, 8'b0};
      2'd2: term_d = {product_q, 16'b0};
      default: term_d = 32'(product_q);
    endcase
  end

  // 4: a product replaces the accumulator or is added to it. To replace is to add to 0.
  logic replace, keep;
  logic signed [31:0] acc_q;
  assign replace = first_i || maximum_i;
  assign keep = maximum_i && !first_i && 16'(acc_q) >= 16'(term_q);

  always_ff @(posedge clk_i) begin
    term_q <= term_d;
    if (!keep) acc_q <= term_q + (replace ? '0 : acc_q);
  end

  assign acc_o = acc_q;

endmodule
