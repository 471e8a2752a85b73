// SPDX-License-Identifier: Apache-2.0

/// Accumulators to output elements, one slice of SliceLanes channels per cycle.
///
/// Holds the biases and multipliers of ParameterSlices slices (a ring over all layers since the
/// reset) and walks along with the slices to find theirs.
/// Slices follow each other through a pipeline without stall; one is taken in only when its place in
/// the output FIFO is free. A slice is at the output 20 cycles after it was taken, an int32 slice
/// after 4.
///
/// An entry may be written while others are in use; `parameter_free_o` pulses when the last pixel of
/// a pass has used an entry, which may then be written again.
module conv_requantize
  import conv_pkg::*;
#(
  parameter int unsigned ParameterSlices = 512,
  parameter string RamStyle = "block",
  localparam int unsigned EntryBits = $clog2(ParameterSlices)
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,  // a stage uses its part of the layer
  // verilator lint_on UNUSEDSIGNAL

  input logic param_wr_valid_i,
  input logic [EntryBits-1:0] param_wr_entry_i,
  input logic [$clog2(SliceParameterBeats)-1:0] param_wr_beat_i,
  input parameter_t [BeatParameters-1:0] param_wr_data_i,
  output logic parameter_free_o,

  input logic acc_valid_i,
  output logic acc_ready_o,
  input logic [SliceLanes-1:0][31:0] acc_i,  // int32

  // The output type of the layer tells which of the two is meant.
  output logic out_valid_o,
  input logic out_ready_i,
  output logic [SliceLanes-1:0][7:0] out_bytes_o,
  output logic [SliceLanes-1:0][31:0] out_words_o  // int32
);

  localparam int unsigned ReadLatency = 2;  // of conv_parameter_buffer
  localparam int unsigned Latency = ReadLatency + ByteLatency;
  localparam int unsigned OutputDepth = 32;  // more than Latency + 2, so that nothing waits

  logic accept, unused_busy;
  logic last_slice, last_group, last_pixel, last_row;
  assign accept = acc_valid_i && acc_ready_o;

  conv_output_walk u_walk (
    .clk_i,
    .rst_ni,
    .start_i,
    .output_height_i(layer_i.output_height),
    .output_width_i(layer_i.output_width),
    .groups_i(layer_i.groups),
    .groups_per_pass_i(layer_i.groups_per_pass),
    .slices_per_group_i(layer_i.slices_per_group),
    .step_i(accept),
    .busy_o(unused_busy),
    .last_slice_o(last_slice),
    .last_group_o(last_group),
    .last_pixel_o(last_pixel),
    .last_row_o(last_row)
  );

  // The entry of the slice, and the one with which the pass begins.
  logic [EntryBits-1:0] entry_d, entry_q, next_entry, pass_entry_d, pass_entry_q;
  assign next_entry = entry_q == EntryBits'(ParameterSlices - 1) ? '0 : entry_q + 1'b1;
  always_comb begin
    entry_d = entry_q;
    pass_entry_d = pass_entry_q;
    if (accept) begin
      entry_d = next_entry;
      if (last_slice && last_group) begin
        if (last_pixel && last_row) pass_entry_d = next_entry;
        else entry_d = pass_entry_q;
      end
    end
  end

  // A multiplier is read when it is needed; then its entry is free.
  logic [EntryBits-1:0] multiplier_entry;
  conv_delay #(
    .Width(EntryBits),
    .Cycles(MultiplierDelay)
  ) u_entry_delay (
    .clk_i,
    .data_i(entry_q),
    .data_o(multiplier_entry)
  );

  logic [MultiplierDelay:0] free_d, free_q;
  assign free_d = {free_q[MultiplierDelay-1:0], accept && last_pixel && last_row};
  assign parameter_free_o = free_q[MultiplierDelay];

  logic [SliceLanes-1:0][31:0] bias, multiplier;

  conv_parameter_buffer #(
    .Entries(ParameterSlices),
    .RamStyle(RamStyle)
  ) u_parameters (
    .clk_i,
    .wr_valid_i(param_wr_valid_i),
    .wr_entry_i(param_wr_entry_i),
    .wr_beat_i(param_wr_beat_i),
    .wr_data_i(param_wr_data_i),
    .bias_entry_i(entry_q),
    .bias_o(bias),
    .multiplier_entry_i(multiplier_entry),
    .multiplier_o(multiplier)
  );

  byte_format_t format_d, format_q;
  logic int32_d, int32_q;
  assign int32_d = layer_i.output_type == conv_regs_pkg::OutputTypeInt32;
  always_comb begin
    format_d = '{
        half_up: layer_i.rounding == conv_regs_pkg::RoundingHalfUp,
        floor: layer_i.rounding == conv_regs_pkg::RoundingFloor,
        wrap: layer_i.overflow == conv_regs_pkg::OverflowWrap,
        is_unsigned: layer_i.output_type == conv_regs_pkg::OutputTypeUint8,
        zero_point: layer_i.output_zero_point[8:0],
        low: layer_i.clamp_min[8:0],
        high: layer_i.clamp_max[8:0]
    };
    // Saturation comes before the clamp, which may allow -128 only.
    if (layer_i.overflow == conv_regs_pkg::OverflowSaturateSymmetric &&
        layer_i.clamp_min == -16'sd128 && layer_i.clamp_max != -16'sd128) begin
      format_d.low = -9'sd127;
    end
  end

  logic [SliceLanes-1:0][31:0] acc_q, acc_q2, sums, result;
  logic [SliceLanes-1:0][7:0] bytes;
  for (genvar lane = 0; lane < SliceLanes; lane++) begin : gen_lane
    conv_requantize_lane u_lane (
      .clk_i,
      .format_i(format_q),
      .acc_i(acc_q2[lane]),
      .bias_i(bias[lane]),
      .multiplier_i(multiplier[lane]),
      .sum_o(sums[lane]),
      .byte_o(bytes[lane])
    );
  end

  // An int32 slice leaves early, and must not come out once more when the next layer has bytes.
  localparam int unsigned SumStage = ReadLatency + SumLatency;
  logic [Latency-1:0] valid_d, valid_q;
  logic push;
  always_comb begin
    valid_d = {valid_q[Latency-2:0], accept};
    if (int32_q) valid_d[SumStage] = 1'b0;
  end
  assign push = int32_q ? valid_q[SumStage-1] : valid_q[Latency-1];
  always_comb begin
    result = sums;
    if (!int32_q) result[SliceLanes/4-1:0] = bytes;
  end

  logic pop, unused_ready;
  logic [$clog2(OutputDepth+1)-1:0] room_d, room_q, unused_usage;
  assign pop = out_valid_o && out_ready_i;
  assign acc_ready_o = room_q != '0;
  always_comb begin
    room_d = room_q;
    if (accept && !pop) room_d = room_q - 1'b1;
    if (pop && !accept) room_d = room_q + 1'b1;
  end

  conv_fifo #(
    .Width($bits(result)),
    .Depth(OutputDepth)
  ) u_output (
    .clk_i,
    .rst_ni,
    .valid_i(push),
    .ready_o(unused_ready),
    .data_i(result),
    .valid_o(out_valid_o),
    .ready_i(out_ready_i),
    .data_o(out_words_o),
    .usage_o(unused_usage)
  );
  assign out_bytes_o = out_words_o[SliceLanes/4-1:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
      free_q <= '0;
      room_q <= $bits(room_q)'(OutputDepth);
      entry_q <= '0;
      pass_entry_q <= '0;
    end else begin
      valid_q <= valid_d;
      free_q <= free_d;
      room_q <= room_d;
      entry_q <= entry_d;
      pass_entry_q <= pass_entry_d;
    end
    acc_q <= acc_i;
    acc_q2 <= acc_q;
    format_q <= format_d;
    int32_q <= int32_d;
  end

endmodule
