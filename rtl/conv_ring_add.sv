// SPDX-License-Identifier: Apache-2.0

/// Moves a position forward in a ring of `ring_i` places; combinational from `position_i`.
///
/// Needs position_i < ring_i and step_i <= ring_i. Step and ring must hold their values from one
/// cycle before the result is used: their difference is a register, so that both candidates are
/// found at once.
module conv_ring_add #(
  parameter int unsigned Width = 14
) (
  input logic clk_i,
  input logic [Width-1:0] position_i,
  input logic [Width:0] step_i,
  input logic [Width:0] ring_i,
  output logic [Width-1:0] position_o
);

  logic [Width:0] step_back_q;  // step - ring, in -ring .. 0
  logic [Width-1:0] straight;
  logic [Width+1:0] wrapped;

  always_ff @(posedge clk_i) step_back_q <= step_i - ring_i;

  assign straight = position_i + step_i[Width-1:0];
  assign wrapped = (Width + 2)'(position_i) + {step_back_q[Width], step_back_q};
  // Negative: the end of the ring was not reached.
  assign position_o = wrapped[Width+1] ? straight : wrapped[Width-1:0];

endmodule
