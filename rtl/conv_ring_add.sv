// SPDX-License-Identifier: Apache-2.0

/// Moves a position forward in a ring of `ring_i` places; combinational.
///
/// Needs position_i < ring_i and step_i <= ring_i.
module conv_ring_add #(
  parameter int unsigned Width = 14
) (
  input logic [Width-1:0] position_i,
  input logic [Width:0] step_i,
  input logic [Width:0] ring_i,
  output logic [Width-1:0] position_o
);

  logic [Width+1:0] straight, wrapped;
  assign straight = (Width + 2)'(position_i) + (Width + 2)'(step_i);
  assign wrapped = straight - (Width + 2)'(ring_i);
  // Negative: the end of the ring was not reached.
  assign position_o = wrapped[Width+1] ? straight[Width-1:0] : wrapped[Width-1:0];

endmodule
