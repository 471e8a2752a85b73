// SPDX-License-Identifier: Apache-2.0

/// May the next output (one pixel and group) begin? Weights, room for results, pace.
///
/// `take_i` is the first word of an output, allowed if both ready flags are high; the flags are up
/// to date in every cycle. An output that needs weights uses up one of the groups that were loaded;
/// groups loaded early wait here, also those of the next layer. Each output takes NumSlices places
/// of the result FIFO, which come back one by one as credit, and NumSlices cycles for its results.
module conv_output_gate #(
  parameter int unsigned NumSlices = 2,
  parameter int unsigned MaxGroups = 256,  // loaded and not begun
  parameter int unsigned ResultDepth = 64  // slices that the result FIFO holds
) (
  input logic clk_i,
  input logic rst_ni,

  input logic take_i,
  input logic weights_needed_i,  // the next output is the first to use its group
  input logic group_loaded_i,  // pulse: one more group
  input logic credit_i,  // pulse: one slice left the result FIFO

  output logic weights_ready_o,
  output logic output_ready_o
);

  if (ResultDepth < NumSlices) begin : gen_bad_depth
    $fatal(1, "ResultDepth=%0d does not hold the %0d slices of one output", ResultDepth, NumSlices);
  end

  localparam int unsigned GroupBits = $clog2(MaxGroups + 1);
  logic [GroupBits-1:0] groups_d, groups_q;  // loaded and not begun
  logic any_group_d, any_group_q;
  logic begin_group;
  assign begin_group = take_i && weights_needed_i;

  always_comb begin
    groups_d = groups_q;
    any_group_d = any_group_q;
    if (group_loaded_i && !begin_group) begin
      groups_d = groups_q + 1'b1;
      any_group_d = 1'b1;
    end
    if (begin_group && !group_loaded_i) begin
      groups_d = groups_q - 1'b1;
      any_group_d = groups_q != GroupBits'(1);
    end
  end

  // Room beyond that of one output: negative if an output must wait.
  localparam int unsigned RoomBits = $clog2(ResultDepth + 1) + 1;
  typedef logic signed [RoomBits-1:0] room_t;
  room_t room_d, room_q;
  assign room_d = room_q + room_t'({1'b0, credit_i}) - (take_i ? room_t'(NumSlices) : '0);

  // A one for every cycle that the results of the last output still need.
  logic [NumSlices-1:0] pace_d, pace_q;
  assign pace_d = take_i ? {NumSlices{1'b1}} >> 1 : pace_q >> 1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      groups_q <= '0;
      any_group_q <= 1'b0;
      room_q <= room_t'(ResultDepth - NumSlices);
      pace_q <= '0;
    end else begin
      groups_q <= groups_d;
      any_group_q <= any_group_d;
      room_q <= room_d;
      pace_q <= pace_d;
    end
  end

  assign weights_ready_o = !weights_needed_i || any_group_q;
  assign output_ready_o = !room_q[RoomBits-1] && !pace_q[0];

endmodule
