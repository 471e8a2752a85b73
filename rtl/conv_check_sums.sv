// SPDX-License-Identifier: Apache-2.0

/// Keeps of the sums of conv_check what layer_t or later steps need: with `keep_i` that of `step_i`,
/// from the next cycle on.
module conv_check_sums
  import conv_check_pkg::*;
(
  input logic clk_i,

  input step_e step_i,
  input logic keep_i,
  // The steps put limits on what is kept, or it is cut off and never used.
  // verilator lint_off UNUSEDSIGNAL
  input wide_t sum_i,
  // verilator lint_on UNUSEDSIGNAL

  output derived_t derived_o
);

  derived_t derived_d, derived_q;
  assign derived_o = derived_q;

  always_comb begin
    derived_d = derived_q;
    if (keep_i) begin
      unique case (step_i)
        KernelRows: derived_d.kernel_rows = sum_i[23:0];
        KernelColumns: derived_d.kernel_columns = sum_i[23:0];
        PadLeft: derived_d.pad_left_bytes = sum_i[23:0];
        PixelStep: derived_d.pixel_step = sum_i[23:0];
        SegmentStep: derived_d.segment_step = sum_i[23:0];
        RowBytes: derived_d.row_bytes = sum_i[21:0];
        RowBeats: derived_d.row_beats = 20'(sum_i[22:0] >> conv_pkg::AlignBits);
        SegmentBytes: derived_d.segment_bytes = sum_i[22:0];
        RingBeats: derived_d.ring_beats = sum_i[23:0];
        KernelRowStep: derived_d.kernel_row_step = sum_i[23:0];
        OutputRowStep: derived_d.output_row_step = sum_i[23:0];
        PadTopStep: derived_d.pad_top_step = sum_i[23:0];
        RowWords: derived_d.row_words = sum_i[22:0];
        GroupWords: derived_d.group_words = sum_i[26:0];
        GroupBytes: derived_d.group_bytes = sum_i[31:0];
        OutputRow: derived_d.output_row = sum_i[31:0];
        default: ;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    derived_q <= derived_d;
  end

endmodule
