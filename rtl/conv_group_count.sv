// SPDX-License-Identifier: Apache-2.0

/// groups = ceil(channels / lanes), passes = ceil(groups / groups_per_pass), by counting. A group has
/// OutputLanes channels, or VectorLanes if `is_vector_i`.
///
/// `start_i` restarts the count at any time; `done_o` is high, with the results, from one cycle per
/// group later until the next start. The layer itself spends every group's cycle many times over,
/// so that dividers would save nothing. `channels_i` is taken at the start, `is_vector_i` and
/// `groups_per_pass_i` (at least 1) must stay.
module conv_group_count
  import conv_pkg::*;
#(
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input logic is_vector_i,
  input count_t channels_i,
  input count_t groups_per_pass_i,

  output logic done_o,
  output count_t groups_o,
  output count_t passes_o
);

  count_t lanes;
  assign lanes = is_vector_i ? 16'(VectorLanes) : 16'(OutputLanes);

  count_t channels_left_d, channels_left_q;
  count_t pass_left_d, pass_left_q;  // groups until the pass is full
  count_t groups_d, groups_q;
  count_t passes_d, passes_q;

  always_comb begin
    channels_left_d = channels_left_q;
    pass_left_d = pass_left_q;
    groups_d = groups_q;
    passes_d = passes_q;
    if (start_i) begin
      channels_left_d = channels_i;
      pass_left_d = '0;
      groups_d = '0;
      passes_d = '0;
    end else if (!done_o) begin
      channels_left_d = channels_left_q < lanes ? '0 : channels_left_q - lanes;
      groups_d = groups_q + 16'd1;
      if (pass_left_q == '0) begin
        pass_left_d = groups_per_pass_i - 16'd1;
        passes_d = passes_q + 16'd1;
      end else begin
        pass_left_d = pass_left_q - 16'd1;
      end
    end
  end

  assign done_o = channels_left_q == '0;
  assign groups_o = groups_q;
  assign passes_o = passes_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      channels_left_q <= '0;
    end else begin
      channels_left_q <= channels_left_d;
    end
    pass_left_q <= pass_left_d;
    groups_q <= groups_d;
    passes_q <= passes_d;
  end

endmodule
