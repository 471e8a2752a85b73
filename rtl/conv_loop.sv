// SPDX-License-Identifier: Apache-2.0

/// One level of a loop nest: knows from a register whether it is at its last iteration, so that a
/// nest steps on an AND of flags.
///
/// `restart_i` goes to the first iteration; after the last one comes the first again. `limit_i` (at
/// least 1) is taken whenever the first iteration begins.
module conv_loop #(
  parameter int unsigned Width = 16
) (
  input logic clk_i,
  input logic restart_i,
  input logic step_i,
  input logic [Width-1:0] limit_i,
  output logic last_o
);

  logic [Width-1:0] left_d, left_q;  // iterations that are left, this one included
  logic last_d, last_q;

  assign last_o = last_q;

  always_comb begin
    left_d = left_q;
    last_d = last_q;
    if (restart_i || (step_i && last_q)) begin
      left_d = limit_i;
      last_d = limit_i == Width'(1);
    end else if (step_i) begin
      left_d = left_q - Width'(1);
      last_d = left_q == Width'(2);
    end
  end

  always_ff @(posedge clk_i) begin
    left_q <= left_d;
    last_q <= last_d;
  end

endmodule
