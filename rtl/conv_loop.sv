// SPDX-License-Identifier: Apache-2.0

/// One level of a loop nest: counts steps and knows in the cycle itself whether it is at its last.
///
/// `restart_i` goes back to the first iteration; one cycle before it and ever after, `limit_i` (at
/// least 1) must hold its value. After the last iteration comes the first again.
module conv_loop #(
  parameter int unsigned Width = 16
) (
  input logic clk_i,
  input logic restart_i,
  input logic step_i,
  input logic [Width-1:0] limit_i,
  output logic last_o
);

  logic [Width-1:0] count_d, count_q;
  logic last_d, last_q;
  // Both are registered, so that `last` is a comparison of flops for the next step.
  logic single_q;
  logic [Width-1:0] before_last_q;

  assign last_o = last_q;

  always_comb begin
    count_d = count_q;
    last_d = last_q;
    if (restart_i || (step_i && last_q)) begin
      count_d = '0;
      last_d = single_q;
    end else if (step_i) begin
      count_d = count_q + Width'(1);
      last_d = count_q == before_last_q;
    end
  end

  always_ff @(posedge clk_i) begin
    count_q <= count_d;
    last_q <= last_d;
    single_q <= limit_i == Width'(1);
    before_last_q <= limit_i - Width'(2);
  end

endmodule
