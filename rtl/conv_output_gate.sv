// SPDX-License-Identifier: Apache-2.0

/// What the sequencer may begin: weights that are there, room for results, pace.
///
/// The flags are up to date in every cycle. Units of weights are counted: those loaded early wait
/// here, also those of the next layer. An output (one pixel and group) takes `slices_i` places of
/// the result FIFO, which come back one by one as credit, and as many cycles for its results.
/// `slices_i` must stay from `start_i` on, until all credit of the layer is back.
module conv_output_gate
  import conv_pkg::*;
#(
  parameter int unsigned MaxSlices = 6,  // of an output
  parameter int unsigned MaxUnits = 512,  // loaded and not taken
  parameter int unsigned ResultDepth = 64  // slices that the result FIFO holds
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input slices_t slices_i,

  input logic weights_loaded_i,  // pulse: one more unit
  input logic take_weights_i,  // a unit is used for the first time
  output logic weights_ready_o,

  input logic credit_i,  // pulse: one slice left the result FIFO
  input logic take_output_i,  // an output begins
  output logic output_ready_o
);

  if (ResultDepth < MaxSlices) begin : gen_bad_depth
    $fatal(1, "ResultDepth=%0d does not hold the %0d slices of one output", ResultDepth, MaxSlices);
  end

  localparam int unsigned UnitBits = $clog2(MaxUnits + 1);
  logic [UnitBits-1:0] units_d, units_q;  // loaded and not taken
  logic any_unit_d, any_unit_q;

  always_comb begin
    units_d = units_q;
    any_unit_d = any_unit_q;
    if (weights_loaded_i && !take_weights_i) begin
      units_d = units_q + 1'b1;
      any_unit_d = 1'b1;
    end
    if (take_weights_i && !weights_loaded_i) begin
      units_d = units_q - 1'b1;
      any_unit_d = units_q != UnitBits'(1);
    end
  end

  // Room beyond that of one output: negative if an output must wait.
  localparam int unsigned RoomBits = $clog2(ResultDepth + 1) + 1;
  typedef logic signed [RoomBits-1:0] room_t;
  room_t room_d, room_q;

  always_comb begin
    room_d = room_q + room_t'({1'b0, credit_i}) - (take_output_i ? room_t'(slices_i) : '0);
    if (start_i) room_d = room_t'(ResultDepth) - room_t'(slices_i);
  end

  // A one for every cycle that the results of the last output still need.
  logic [MaxSlices-1:0] pace_d, pace_q, new_pace_q;
  assign pace_d = take_output_i ? new_pace_q : pace_q >> 1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      units_q <= '0;
      any_unit_q <= 1'b0;
      pace_q <= '0;
    end else begin
      units_q <= units_d;
      any_unit_q <= any_unit_d;
      pace_q <= pace_d;
    end
    room_q <= room_d;
    for (int unsigned s = 0; s < MaxSlices; s++) new_pace_q[s] <= slices_i > slices_t'(s + 1);
  end

  assign weights_ready_o = any_unit_q;
  assign output_ready_o = !room_q[RoomBits-1] && !pace_q[0];

endmodule
