// SPDX-License-Identifier: Apache-2.0

/// sum = a * b + c by shifting and adding, for arithmetic that is done once per layer.
///
/// `start_i` takes the operands and restarts the unit at any time. `done_o` is high, with `sum_o`,
/// from one cycle per significant bit of b later (0 cycles for b = 0) until the next start.
module conv_multiply_add #(
  parameter int unsigned AWidth = 32,
  parameter int unsigned BWidth = 18,
  parameter int unsigned SumWidth = 52
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input logic [AWidth-1:0] a_i,
  input logic [BWidth-1:0] b_i,
  input logic [SumWidth-1:0] c_i,

  output logic done_o,
  output logic [SumWidth-1:0] sum_o
);

  if (SumWidth < AWidth + BWidth) begin : gen_bad_sum_width
    $fatal(1, "SumWidth must be at least AWidth + BWidth");
  end

  logic [SumWidth-1:0] a_d, a_q, sum_d, sum_q;
  logic [BWidth-1:0] b_d, b_q;

  always_comb begin
    a_d = a_q << 1;
    b_d = b_q >> 1;
    sum_d = b_q[0] ? sum_q + a_q : sum_q;
    if (start_i) begin
      a_d = SumWidth'(a_i);
      b_d = b_i;
      sum_d = c_i;
    end
  end

  assign done_o = b_q == '0;
  assign sum_o = sum_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      b_q <= '0;
    end else begin
      b_q <= b_d;
    end
    a_q <= a_d;
    sum_q <= sum_d;
  end

endmodule
