// SPDX-License-Identifier: Apache-2.0

/// What conv_check asks of the fields of a descriptor without a sum: for each error code whether
/// they hold. Combinational.
module conv_check_fields
  import conv_regs_pkg::*;
  import conv_check_pkg::*;
#(
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512
) (
  input descriptor_t descriptor_i,
  output legal_t legal_o
);

  // Groups whose parameters fit on chip, slice by slice.
  localparam int unsigned OutputGroups = WeightWords / (OutputLanes / conv_pkg::SliceLanes);
  localparam int unsigned VectorGroups = WeightWords / (VectorLanes / conv_pkg::SliceLanes);
  localparam int unsigned MaxDigits = 3;  // of a coefficient of ADD

  if (OutputLanes == 0 || OutputLanes % conv_pkg::SliceLanes != 0 ||
      OutputLanes / conv_pkg::SliceLanes >= 256) begin : gen_bad_output_lanes
    $fatal(1, "OutputLanes must be a multiple of %0d, at most 255 times", conv_pkg::SliceLanes);
  end
  if (VectorLanes == 0 || VectorLanes % conv_pkg::SliceLanes != 0 ||
      VectorLanes / conv_pkg::SliceLanes >= 256) begin : gen_bad_vector_lanes
    $fatal(1, "VectorLanes must be a multiple of %0d, at most 255 times", conv_pkg::SliceLanes);
  end
  if (OutputGroups == 0 || VectorGroups == 0 || WeightWords >= 1 << 16) begin : gen_bad_words
    $fatal(1, "WeightWords must be at least the slices of a group and below 65536");
  end

  // Bytes above the last field are for software, and some fields matter to sums alone.
  // verilator lint_off UNUSEDSIGNAL
  descriptor_t d;
  // verilator lint_on UNUSEDSIGNAL
  logic is_conv, is_add, is_int32, has_table, by_row;
  assign d = descriptor_i;
  assign is_conv = d.kind == KindConv;
  assign is_add = d.kind == KindAdd;
  assign is_int32 = d.output_type == OutputTypeInt32;
  assign has_table = has(d.flags, FlagTable);
  assign by_row = has(d.flags, FlagWeightsByRow);

  logic signed [15:0] type_min, type_max;
  assign type_min = d.output_type == OutputTypeUint8 ? 16'sd0 : -16'sd128;
  assign type_max = d.output_type == OutputTypeUint8 ? 16'sd255 : 16'sd127;

  logic channels_fit, planes_fit, is_sum_kernel;
  assign channels_fit =
      is_conv ? d.group_channels inside {[16'd1 : d.input_channels]}
              : d.output_channels == d.input_channels &&
                d.group_channels == 16'(VectorLanes) && d.group_step == 16'(VectorLanes);
  assign planes_fit = d.input_height == {d.output_height[14:0], 1'b0} && !d.output_height[15] &&
                      d.input_width == d.output_width;
  // Kernel of ADD: a row per tensor, a column per digit, all digits of one pixel.
  assign is_sum_kernel = d.kernel_height == 8'd2 && d.stride_height == 8'd2 &&
                         d.dilation_height == 16'd1 && d.kernel_width <= 8'(MaxDigits) &&
                         d.stride_width == 8'd1 && d.dilation_width == '0 &&
                         {d.pad_top, d.pad_bottom, d.pad_left, d.pad_right} == '0;

  assign legal_o = '{
    kind: d.kind inside {KindConv, KindDepthwise, KindMaxPool, KindAdd},
    format:
        d.output_type inside {OutputTypeInt8, OutputTypeUint8, OutputTypeInt32} &&
        d.rounding inside {RoundingHalfEven, RoundingHalfUp, RoundingFloor} &&
        d.overflow inside {OverflowSaturate, OverflowSaturateSymmetric, OverflowWrap} &&
        d.flags[31:3] == '0 &&
        d.input_zero_point >= -16'sd128 && d.input_zero_point <= 16'sd127 &&
        (is_int32 ? !has_table :
         d.output_zero_point >= type_min && d.output_zero_point <= type_max &&
         d.clamp_min >= type_min && d.clamp_max <= type_max && d.clamp_min <= d.clamp_max),
    shape:
        d.input_height != '0 && d.input_width != '0 && d.input_channels != '0 &&
        d.output_height != '0 && d.output_width != '0 && d.output_channels != '0 &&
        channels_fit && (!is_add || planes_fit),
    kernel:
        d.kernel_height inside {[8'd1 : 8'd16]} && d.kernel_width inside {[8'd1 : 8'd64]} &&
        d.stride_height inside {[8'd1 : 8'd8]} && d.stride_width != '0 &&
        d.dilation_height != '0 && (is_add ? is_sum_kernel : d.dilation_width != '0),
    stride:
        conv_pkg::align_t'(d.input_row_stride) == '0 &&
        conv_pkg::align_t'(d.output_row_stride) == '0 &&
        d.input_pixel_stride >= 32'(d.input_channels) &&
        d.output_pixel_stride >= 32'(pixel_bytes(d.output_type, d.output_channels)),
    tiling:
        d.groups_per_pass inside {[16'd1 : is_conv ? 16'(OutputGroups) : 16'(VectorGroups)]} &&
        (!by_row || (is_conv && d.output_height == 16'd1 && d.output_width == 16'd1 &&
                     d.groups_per_pass == 16'd1)),
    address:
        conv_pkg::align_t'(d.weights_address) == '0 &&
        (!is_int32 || d.output_address[1:0] == '0) &&
        (!is_add || conv_pkg::align_t'(d.second_address) == conv_pkg::align_t'(d.input_address))
  };

endmodule
