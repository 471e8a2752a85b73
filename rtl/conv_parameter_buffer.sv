// SPDX-License-Identifier: Apache-2.0

/// Biases and multipliers of the output channels: an entry holds those of one slice.
///
/// Written one lane at a time; biases and multipliers are read apart, as they are needed apart.
/// Data follow their entry by two cycles. An entry may be read from the cycle after its write on.
module conv_parameter_buffer
  import conv_pkg::*;
#(
  parameter int unsigned Entries = 512,
  localparam int unsigned EntryBits = $clog2(Entries)
) (
  input logic clk_i,

  input logic wr_valid_i,
  input logic [EntryBits-1:0] wr_entry_i,
  input logic [$clog2(SliceLanes)-1:0] wr_lane_i,
  input parameter_t wr_data_i,

  input logic [EntryBits-1:0] bias_entry_i,
  output logic [SliceLanes-1:0][31:0] bias_o,
  input logic [EntryBits-1:0] multiplier_entry_i,
  output logic [SliceLanes-1:0][31:0] multiplier_o
);

  if (Entries < 2) begin : gen_bad_entries
    $fatal(1, "Entries must be at least 2");
  end

  for (genvar lane = 0; lane < SliceLanes; lane++) begin : gen_lane
    (* ram_style = "block" *)
    logic [31:0] biases[Entries];
    (* ram_style = "block" *)
    logic [31:0] multipliers[Entries];
    logic [31:0] bias_q, bias_q2, multiplier_q, multiplier_q2;
    logic write;
    assign write = wr_valid_i && wr_lane_i == lane;

    // The second registers are those at the output of the RAM.
    always_ff @(posedge clk_i) begin
      if (write) biases[wr_entry_i] <= wr_data_i.bias;
      bias_q <= biases[bias_entry_i];
      bias_q2 <= bias_q;
    end
    always_ff @(posedge clk_i) begin
      if (write) multipliers[wr_entry_i] <= wr_data_i.multiplier;
      multiplier_q <= multipliers[multiplier_entry_i];
      multiplier_q2 <= multiplier_q;
    end

    assign bias_o[lane] = bias_q2;
    assign multiplier_o[lane] = multiplier_q2;
  end

endmodule
