// SPDX-License-Identifier: Apache-2.0

/// Checks a descriptor and derives from it what the stages need.
///
/// The steps of conv_check_steps run one after the other on one small multiplier, in the order of
/// the error codes; the first that fails names the error.
///
/// `start_i` begins a check at any time; the descriptor and the window must then stay for as long
/// as `layer_o`, which passes many fields on, is used. `done_o` is high for one cycle; `error_o`
/// and `layer_o` are valid from then until the next start. A step takes 3 cycles plus one per
/// significant bit of its b, the count of groups one cycle per group: about 250 to 300 in all.
module conv_check
  import conv_regs_pkg::*;
  import conv_check_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input descriptor_t descriptor_i,
  input logic [63:0] window_base_i,
  input logic [63:0] window_last_i,

  output logic done_o,
  output error_e error_o,
  output conv_pkg::layer_t layer_o
);

  localparam int unsigned NumSlices = OutputLanes / conv_pkg::SliceLanes;
  localparam int unsigned Columns = NumSlices * InputLanes;

  // Bytes above the last field are for software, and some fields matter to the checks alone.
  // verilator lint_off UNUSEDSIGNAL
  descriptor_t d;
  // verilator lint_on UNUSEDSIGNAL
  assign d = descriptor_i;

  logic is_vector;
  assign is_vector = d.kind != KindConv;

  typedef enum logic [2:0] {
    Idle,
    Load,
    Wait,
    Judge,
    Done
  } state_e;

  state_e state_d, state_q;
  step_e step_d, step_q;
  error_e error_d, error_q;
  derived_t derived;
  logic [6:0] segments;
  condition_t condition;
  wide_t sum;
  logic sum_done, count_done;
  conv_pkg::count_t groups, passes;

  conv_check_steps #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats)
  ) u_steps (
    .step_i(step_q),
    .descriptor_i,
    .window_base_i,
    .window_last_i,
    .groups_i(groups),
    .condition_o(condition),
    .derived_i(derived),
    .segments_o(segments)
  );

  conv_check_sums u_sums (
    .clk_i,
    .step_i(step_q),
    .keep_i(state_q == Judge),
    .sum_i(sum),
    .derived_o(derived)
  );

  conv_multiply_add #(
    .AWidth($bits(condition.a)),
    .BWidth($bits(condition.b)),
    .SumWidth($bits(wide_t))
  ) u_multiply_add (
    .clk_i,
    .rst_ni,
    .start_i(state_q == Load),
    .a_i(condition.a),
    .b_i(condition.b),
    .c_i(wide_t'(condition.c)),
    .done_o(sum_done),
    .sum_o(sum)
  );

  conv_group_count #(
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes)
  ) u_group_count (
    .clk_i,
    .rst_ni,
    .start_i,
    .is_vector_i(is_vector),
    .channels_i(descriptor_i.output_channels),
    .groups_per_pass_i(descriptor_i.groups_per_pass),
    .done_o(count_done),
    .groups_o(groups),
    .passes_o(passes)
  );

  always_comb begin
    state_d = state_q;
    step_d = step_q;
    error_d = error_q;
    unique case (state_q)
      Load: state_d = Wait;
      Wait: if (sum_done && count_done) state_d = Judge;
      Judge: begin
        step_d = step_e'(step_q + 5'd1);
        state_d = step_q == OutputEnd ? Done : Load;
        if (!condition.legal || sum < wide_t'(condition.low) ||
            (condition.limited && sum > wide_t'(condition.high))) begin
          error_d = condition.code;
          state_d = Done;
        end
      end
      default: state_d = Idle;
    endcase
    if (start_i) begin
      state_d = Load;
      step_d = Kind;
      error_d = ErrorOk;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      state_q <= state_d;
    end
    step_q <= step_d;
    error_q <= error_d;
  end

  assign done_o = state_q == Done;
  assign error_o = error_q;

  assign layer_o = '{
    kind: kind_e'(d.kind),
    input_address: {d.input_address[31:conv_pkg::AlignBits], conv_pkg::AlignBits'(0)},
    second_address: {d.second_address[31:conv_pkg::AlignBits], conv_pkg::AlignBits'(0)},
    input_row_stride: d.input_row_stride,
    input_align: d.input_address[conv_pkg::AlignBits-1:0],
    input_unsigned: has(d.flags, FlagInputUnsigned),
    input_zero_point: d.input_zero_point[7:0],
    input_height: d.input_height,
    row_bytes: 24'(derived.row_bytes),
    row_beats: 24'(derived.row_beats),
    row_slots: d.row_slots,
    ring_beats: derived.ring_beats,
    resident: d.row_slots >= d.input_height,
    kernel_height: d.kernel_height[4:0],
    segments: segments,
    segment_words: d.segment_words,
    dilation_height: d.dilation_height,
    kernel_row_step: derived.kernel_row_step,
    segment_step: derived.segment_step,
    group_step: 24'(d.group_step),
    output_height: d.output_height,
    output_width: d.output_width,
    output_channels: d.output_channels,
    stride_height: d.stride_height[3:0],
    output_row_step: derived.output_row_step,
    pixel_step: derived.pixel_step,
    pad_left_bytes: derived.pad_left_bytes,
    pad_top: d.pad_top,
    pad_top_step: derived.pad_top_step,
    weights_address: d.weights_address[31:0],
    has_table: has(d.flags, FlagTable),
    weights_by_row: has(d.flags, FlagWeightsByRow),
    word_beats: is_vector ? 13'(VectorLanes / conv_pkg::BeatBytes) : 13'(Columns),
    slices_per_group: is_vector ? 8'(VectorLanes / conv_pkg::SliceLanes) : 8'(NumSlices),
    row_words: derived.row_words[15:0],
    group_words: derived.group_words[15:0],
    groups: groups,
    groups_per_pass: d.groups_per_pass,
    passes: passes,
    output_address: d.output_address[31:0],
    output_row_stride: d.output_row_stride,
    output_pixel_stride: d.output_pixel_stride,
    output_row_bytes: derived.output_row,
    output_type: output_type_e'(d.output_type),
    rounding: rounding_e'(d.rounding),
    overflow: overflow_e'(d.overflow),
    output_zero_point: d.output_zero_point,
    clamp_min: d.clamp_min,
    clamp_max: d.clamp_max
  };

endmodule
