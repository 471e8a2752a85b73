// SPDX-License-Identifier: Apache-2.0

/// Position in the order in which slices leave the MAC array: passes, rows, pixels, groups of the
/// pass, slices of the group.
///
/// `start_i` goes to the first slice of a layer, `step_i` to the next one; a step per cycle. The
/// outputs tell of the current slice. After the last one the walk is not busy until the next start.
/// The sizes must stay while the walk is busy.
module conv_output_walk
  import conv_pkg::*;
#(
  parameter int unsigned NumSlices = 2
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input count_t output_height_i,
  input count_t output_width_i,
  input count_t groups_i,
  input count_t groups_per_pass_i,

  input logic step_i,
  output logic busy_o,
  output logic last_slice_o,  // of its group
  output logic last_group_o,  // of its pixel in this pass
  output logic last_pixel_o,  // of its row
  output logic last_row_o  // of its pass
);

  if (NumSlices < 1) begin : gen_bad_num_slices
    $fatal(1, "NumSlices must be at least 1");
  end

  localparam int unsigned SliceWidth = $clog2(NumSlices + 1);

  // All counts are from 1, so that the last one equals the size. `group` counts over the layer,
  // `pass_group` in the pass, and the pass begins with `first_group`.
  logic busy_d, busy_q;
  logic [SliceWidth-1:0] slice_d, slice_q;
  count_t group_d, group_q, first_group_d, first_group_q;
  count_t pass_group_d, pass_group_q, pixel_d, pixel_q, row_d, row_q;
  logic layer_group;

  assign layer_group = group_q == groups_i;
  assign busy_o = busy_q;
  assign last_slice_o = slice_q == SliceWidth'(NumSlices);
  assign last_group_o = pass_group_q == groups_per_pass_i || layer_group;
  assign last_pixel_o = pixel_q == output_width_i;
  assign last_row_o = row_q == output_height_i;

  always_comb begin
    busy_d = busy_q;
    slice_d = slice_q;
    group_d = group_q;
    first_group_d = first_group_q;
    pass_group_d = pass_group_q;
    pixel_d = pixel_q;
    row_d = row_q;
    if (step_i) begin
      slice_d = slice_q + 1'b1;
      if (last_slice_o) begin
        slice_d = SliceWidth'(1);
        group_d = group_q + 16'd1;
        pass_group_d = pass_group_q + 16'd1;
        if (last_group_o) begin
          group_d = first_group_q;
          pass_group_d = 16'd1;
          pixel_d = pixel_q + 16'd1;
          if (last_pixel_o) begin
            pixel_d = 16'd1;
            row_d = row_q + 16'd1;
            if (last_row_o) begin
              row_d = 16'd1;
              group_d = group_q + 16'd1;
              first_group_d = group_q + 16'd1;
              busy_d = !layer_group;
            end
          end
        end
      end
    end
    if (start_i) begin
      busy_d = 1'b1;
      slice_d = SliceWidth'(1);
      group_d = 16'd1;
      first_group_d = 16'd1;
      pass_group_d = 16'd1;
      pixel_d = 16'd1;
      row_d = 16'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
    end else begin
      busy_q <= busy_d;
    end
    slice_q <= slice_d;
    group_q <= group_d;
    first_group_q <= first_group_d;
    pass_group_q <= pass_group_d;
    pixel_q <= pixel_d;
    row_q <= row_d;
  end

endmodule
