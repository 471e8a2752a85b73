// SPDX-License-Identifier: Apache-2.0

/// Position in the order in which slices leave the arrays: passes, rows, pixels, groups of the
/// pass, slices of the group.
///
/// `start_i` goes to the first slice of a layer, `step_i` to the next one; a step per cycle. The
/// outputs tell of the current slice. After the last one the walk is not busy until the next start.
/// The sizes must stay while the walk is busy.
module conv_output_walk
  import conv_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input count_t output_height_i,
  input count_t output_width_i,
  input count_t groups_i,
  input count_t groups_per_pass_i,
  input slices_t slices_per_group_i,

  input logic step_i,
  output logic busy_o,
  output logic last_slice_o,  // of its group
  output logic last_group_o,  // of its pixel in this pass
  output logic last_pixel_o,  // of its row
  output logic last_row_o  // of its pass
);

  // A counter holds the number, from 1, of the next item of its kind, to be compared before the
  // walk is there: the `last` flags are registers, so that a step through all loops is fast.
  logic busy_d, busy_q;
  slices_t next_slice_d, next_slice_q;
  logic last_slice_d, last_slice_q;
  count_t next_group_d, next_group_q;  // of the layer
  count_t second_group_d, second_group_q;  // next_group at the first group of the pass
  count_t next_pass_group_d, next_pass_group_q, next_pixel_d, next_pixel_q, next_row_d, next_row_q;
  logic layer_group_d, layer_group_q;  // last group of the layer
  logic first_is_last_d, first_is_last_q;  // layer_group at the first group of the pass
  logic pass_group_d, pass_group_q;  // last group of a full pass
  logic last_pixel_d, last_pixel_q, last_row_d, last_row_q;

  assign busy_o = busy_q;
  assign last_slice_o = last_slice_q;
  assign last_group_o = pass_group_q || layer_group_q;
  assign last_pixel_o = last_pixel_q;
  assign last_row_o = last_row_q;

  logic group_step, pixel_step, row_step, pass_step;
  assign group_step = step_i && last_slice_q;
  assign pixel_step = group_step && last_group_o;
  assign row_step = pixel_step && last_pixel_q;
  assign pass_step = row_step && last_row_q;

  always_comb begin
    busy_d = busy_q && !(pass_step && layer_group_q);
    next_slice_d = next_slice_q;
    last_slice_d = last_slice_q;
    if (step_i) begin
      next_slice_d = last_slice_q ? slices_t'(2) : next_slice_q + slices_t'(1);
      last_slice_d = slices_per_group_i == (last_slice_q ? slices_t'(1) : next_slice_q);
    end

    next_group_d = next_group_q;
    layer_group_d = layer_group_q;
    next_pass_group_d = next_pass_group_q;
    pass_group_d = pass_group_q;
    if (group_step) begin
      next_group_d = next_group_q + 16'd1;
      layer_group_d = next_group_q == groups_i;
      next_pass_group_d = next_pass_group_q + 16'd1;
      pass_group_d = next_pass_group_q == groups_per_pass_i;
    end
    if (pixel_step) begin
      next_pass_group_d = 16'd2;
      pass_group_d = groups_per_pass_i == 16'd1;
      if (!(last_pixel_q && last_row_q)) begin
        next_group_d = second_group_q;
        layer_group_d = first_is_last_q;
      end
    end

    next_pixel_d = next_pixel_q;
    last_pixel_d = last_pixel_q;
    if (pixel_step) begin
      next_pixel_d = last_pixel_q ? 16'd2 : next_pixel_q + 16'd1;
      last_pixel_d = output_width_i == (last_pixel_q ? 16'd1 : next_pixel_q);
    end

    next_row_d = next_row_q;
    last_row_d = last_row_q;
    if (row_step) begin
      next_row_d = last_row_q ? 16'd2 : next_row_q + 16'd1;
      last_row_d = output_height_i == (last_row_q ? 16'd1 : next_row_q);
    end

    second_group_d = second_group_q;
    first_is_last_d = first_is_last_q;
    if (pass_step) begin
      second_group_d = next_group_d;
      first_is_last_d = layer_group_d;
    end

    if (start_i) begin
      busy_d = 1'b1;
      next_slice_d = slices_t'(2);
      last_slice_d = slices_per_group_i == slices_t'(1);
      next_group_d = 16'd2;
      second_group_d = 16'd2;
      layer_group_d = groups_i == 16'd1;
      first_is_last_d = groups_i == 16'd1;
      next_pass_group_d = 16'd2;
      pass_group_d = groups_per_pass_i == 16'd1;
      next_pixel_d = 16'd2;
      last_pixel_d = output_width_i == 16'd1;
      next_row_d = 16'd2;
      last_row_d = output_height_i == 16'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
    end else begin
      busy_q <= busy_d;
    end
    next_slice_q <= next_slice_d;
    last_slice_q <= last_slice_d;
    next_group_q <= next_group_d;
    second_group_q <= second_group_d;
    layer_group_q <= layer_group_d;
    first_is_last_q <= first_is_last_d;
    next_pass_group_q <= next_pass_group_d;
    pass_group_q <= pass_group_d;
    next_pixel_q <= next_pixel_d;
    last_pixel_q <= last_pixel_d;
    next_row_q <= next_row_d;
    last_row_q <= last_row_d;
  end

endmodule
