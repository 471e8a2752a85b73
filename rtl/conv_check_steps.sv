// SPDX-License-Identifier: Apache-2.0

/// The steps of conv_check: for each, the condition that it puts on a descriptor. Combinational.
///
/// All values are unsigned and wide enough for every descriptor, so that no overflow can hide a
/// bad one. A step may rely on the conditions of the steps before it.
module conv_check_steps
  import conv_pkg::align_t;
  import conv_regs_pkg::*;
  import conv_check_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384
) (
  input step_e step_i,
  input descriptor_t descriptor_i,
  input logic [63:0] window_base_i,
  input logic [63:0] window_last_i,
  input conv_pkg::count_t groups_i,
  output condition_t condition_o,
  // Sums of the steps before; some are for layer_t alone.
  // verilator lint_off UNUSEDSIGNAL
  input derived_t derived_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic [6:0] segments_o  // as in layer_t
);

  localparam int unsigned WordBytes = InputLanes * OutputLanes;
  localparam int unsigned ParameterBytes = $bits(conv_pkg::parameter_t) / 8;
  localparam int unsigned TableBytes = 256;
  // Byte positions in a padded row stay below this, so that offset_t holds them and their sums.
  localparam int unsigned WalkBytes = 1 << 22;

  if (InputLanes == 0 || WordBytes >= 1 << 16) begin : gen_bad_input_lanes
    $fatal(1, "InputLanes must be positive and InputLanes x OutputLanes below 65536");
  end
  if (LineBufferBeats == 0 || LineBufferBeats > WalkBytes) begin : gen_bad_line_buffer_beats
    $fatal(1, "LineBufferBeats must be 1 to %0d", WalkBytes);
  end

  legal_t legal;
  conv_check_fields #(
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords)
  ) u_fields (
    .descriptor_i,
    .legal_o(legal)
  );

  // Bytes above the last field are for software, and some fields matter to conv_check_fields alone.
  // verilator lint_off UNUSEDSIGNAL
  descriptor_t d;
  // verilator lint_on UNUSEDSIGNAL
  logic is_conv, is_add;
  assign d = descriptor_i;
  assign is_conv = d.kind == KindConv;
  assign is_add = d.kind == KindAdd;

  // A kernel row of a pixel is one run of bytes if the columns that it covers are neighbours.
  logic flattened;
  assign flattened = d.kernel_width == 8'd1 ||
      (is_conv && d.dilation_width == 16'd1 && d.input_pixel_stride == 32'(d.group_channels));
  assign segments_o = flattened ? 7'd1 : d.kernel_width[6:0];

  // Rows of one tensor but one: those of ADD are of two in turn.
  conv_pkg::count_t last_row;
  assign last_row = (is_add ? d.input_height >> 1 : d.input_height) - 16'd1;

  // First byte beyond both the window and what AXI reaches.
  part_t window_end;
  assign window_end = window_last_i[63:32] == '0 ? part_t'(window_last_i[31:0]) + 33'd1
                                                 : part_t'(33'h1_0000_0000);

  function automatic logic starts_in_window(logic [63:0] first, logic [63:0] window_base);
    return {first[63:32], window_base[63:32]} == '0 && first[31:0] >= window_base[31:0];
  endfunction

  always_comb begin
    condition_o = '{legal: 1'b1, code: ErrorOk, a: '0, b: '0, c: '0, low: '0, limited: 1'b0,
                    high: '0};

    unique case (step_i)
      Kind: begin
        condition_o.code = ErrorBadKind;
        condition_o.legal = legal.kind;
      end
      Format: begin
        condition_o.code = ErrorBadFormat;
        condition_o.legal = legal.format;
      end

      // Shape. A kernel spans dilation x (kernel - 1) + 1 pixels; the dilation stands on the other
      // side of the comparison, so that a kernel of 0, refused later, is no special case.
      Shape: begin
        condition_o.code = ErrorBadShape;
        condition_o.legal = legal.shape;
      end
      GroupStep: begin
        condition_o.code = ErrorBadShape;
        condition_o.a = 32'(d.group_step);
        condition_o.b = 18'(groups_i - 16'd1);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(d.input_channels) - 33'd1;
      end
      KernelRows: begin
        condition_o.a = 32'(d.dilation_height);
        condition_o.b = 18'(d.kernel_height);
      end
      FitHeight: begin
        condition_o.code = ErrorBadShape;
        condition_o.a = 32'(d.output_height - 16'd1);
        condition_o.b = 18'(d.stride_height);
        condition_o.c = part_t'(derived_i.kernel_rows) + 33'd1;
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(d.input_height) + part_t'(d.pad_top) +
                           part_t'(d.pad_bottom) + part_t'(d.dilation_height);
      end
      KernelColumns: begin
        condition_o.a = 32'(d.dilation_width);
        condition_o.b = 18'(d.kernel_width);
      end
      FitWidth: begin
        condition_o.code = ErrorBadShape;
        condition_o.a = 32'(d.output_width - 16'd1);
        condition_o.b = 18'(d.stride_width);
        condition_o.c = part_t'(derived_i.kernel_columns) + 33'd1;
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(d.input_width) + part_t'(d.pad_left) +
                           part_t'(d.pad_right) + part_t'(d.dilation_width);
      end

      Kernel: begin
        condition_o.code = ErrorBadKernel;
        condition_o.legal = legal.kernel;
        condition_o.c = part_t'(d.pad_top) + part_t'(d.dilation_height);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(derived_i.kernel_rows);
      end

      Stride: begin
        condition_o.code = ErrorBadStride;
        condition_o.legal = legal.stride;
      end

      // Tiling. Distances that the layer walks fit 24 bits, as they lie inside a padded row or the
      // line buffer; what is cut off from others (of a kernel of one row, ...) is never used.
      Walk: begin
        condition_o.code = ErrorBadTiling;
        condition_o.a = d.input_pixel_stride;
        condition_o.b = 18'(d.input_width) + 18'(d.pad_left) + 18'(d.pad_right);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(WalkBytes) - 33'd1;
      end
      PadLeft: begin
        condition_o.a = d.input_pixel_stride;
        condition_o.b = 18'(d.pad_left);
      end
      PixelStep: begin
        condition_o.a = d.input_pixel_stride;
        condition_o.b = 18'(d.stride_width);
      end
      SegmentStep: begin
        condition_o.a = d.input_pixel_stride;
        condition_o.b = 18'(d.dilation_width);
      end
      RowBytes: begin
        condition_o.a = d.input_pixel_stride;
        condition_o.b = 18'(d.input_width - 16'd1);
        condition_o.c = part_t'(d.input_channels);
      end
      RowBeats: begin
        condition_o.a = 32'(derived_i.row_bytes);
        condition_o.b = 18'd1;
        condition_o.c = part_t'(align_t'(d.input_address)) + part_t'(conv_pkg::BeatBytes - 1);
      end
      // A word of the vector unit is a segment: as if it had a byte, the number of words is 1.
      SegmentBytes: begin
        condition_o.a = is_conv ? 32'(d.group_channels) : 32'd1;
        condition_o.b = flattened ? 18'(d.kernel_width) : 18'd1;
      end
      SegmentWords: begin
        condition_o.code = ErrorBadTiling;
        condition_o.a = 32'(InputLanes);
        condition_o.b = 18'(d.segment_words);
        condition_o.low = derived_i.segment_bytes;
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(derived_i.segment_bytes) + part_t'(InputLanes) - 33'd1;
      end
      RingBeats: begin
        condition_o.code = ErrorBadTiling;
        condition_o.legal =
            24'(d.row_slots) + 24'(d.dilation_height) > derived_i.kernel_rows &&
            d.row_slots >= 16'(d.stride_height);
        condition_o.a = 32'(derived_i.row_beats);
        condition_o.b = 18'(d.row_slots);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(LineBufferBeats);
      end
      KernelRowStep: begin
        condition_o.a = 32'(derived_i.row_beats);
        condition_o.b = 18'(d.dilation_height);
      end
      OutputRowStep: begin
        condition_o.a = 32'(derived_i.row_beats);
        condition_o.b = 18'(d.stride_height);
      end
      PadTopStep: begin
        condition_o.a = 32'(derived_i.row_beats);
        condition_o.b = 18'(d.pad_top);
      end
      RowWords: begin
        condition_o.a = 32'(d.segment_words);
        condition_o.b = 18'(segments_o);
      end
      GroupWords: begin
        condition_o.a = 32'(derived_i.row_words);
        condition_o.b = 18'(d.kernel_height);
      end
      PassWords: begin
        condition_o.code = ErrorBadTiling;
        condition_o.legal = legal.tiling;
        condition_o.a = has(d.flags, FlagWeightsByRow) ? 32'(derived_i.row_words)
                                                       : 32'(derived_i.group_words);
        condition_o.b = 18'(d.groups_per_pass);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(WeightWords);
      end

      InputEnd: begin
        condition_o.code = ErrorBadAddress;
        condition_o.legal = legal.address && starts_in_window(d.input_address, window_base_i);
        condition_o.a = d.input_row_stride;
        condition_o.b = 18'(last_row);
        condition_o.c = part_t'(d.input_address[31:0]) + part_t'(derived_i.row_bytes);
        condition_o.limited = 1'b1;
        condition_o.high = window_end;
      end
      SecondEnd: begin
        condition_o.code = ErrorBadAddress;
        condition_o.legal = !is_add || starts_in_window(d.second_address, window_base_i);
        condition_o.a = d.input_row_stride;
        condition_o.b = 18'(last_row);
        condition_o.c = part_t'(d.second_address[31:0]) + part_t'(derived_i.row_bytes);
        condition_o.limited = is_add;
        condition_o.high = window_end;
      end
      GroupBytes: begin
        condition_o.code = ErrorBadAddress;
        condition_o.a = 32'(derived_i.group_words);
        condition_o.b = is_conv ? 18'(WordBytes) : 18'(VectorLanes);
        condition_o.c = is_conv ? part_t'(OutputLanes * ParameterBytes)
                                : part_t'(VectorLanes * ParameterBytes);
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(32'hffff_ffff);
      end
      WeightsEnd: begin
        condition_o.code = ErrorBadAddress;
        condition_o.legal = starts_in_window(d.weights_address, window_base_i);
        condition_o.a = derived_i.group_bytes;
        condition_o.b = 18'(groups_i);
        condition_o.c = part_t'(d.weights_address[31:0]) +
                        (has(d.flags, FlagTable) ? part_t'(TableBytes) : '0);
        condition_o.limited = 1'b1;
        condition_o.high = window_end;
      end
      OutputRow: begin
        condition_o.code = ErrorBadAddress;
        condition_o.a = d.output_pixel_stride;
        condition_o.b = 18'(d.output_width - 16'd1);
        condition_o.c = part_t'(pixel_bytes(d.output_type, d.output_channels));
        condition_o.limited = 1'b1;
        condition_o.high = part_t'(32'hffff_ffff);
      end
      OutputEnd: begin
        condition_o.code = ErrorBadAddress;
        condition_o.legal = starts_in_window(d.output_address, window_base_i);
        condition_o.a = d.output_row_stride;
        condition_o.b = 18'(d.output_height - 16'd1);
        condition_o.c = part_t'(d.output_address[31:0]) + part_t'(derived_i.output_row);
        condition_o.limited = 1'b1;
        condition_o.high = window_end;
      end
      default: condition_o.legal = 1'b0;
    endcase
  end

endmodule
