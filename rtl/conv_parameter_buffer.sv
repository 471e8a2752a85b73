// SPDX-License-Identifier: Apache-2.0

/// Biases and multipliers of the output channels: an entry holds those of one slice.
///
/// Written one beat at a time; biases and multipliers are read apart, as they are needed apart.
/// Data follow their entry by two cycles. An entry may be read from the cycle after its write on.
module conv_parameter_buffer
  import conv_pkg::*;
#(
  parameter int unsigned Entries = 512,
  parameter string RamStyle = "block",  // of synthesis: "block" or "ultra"
  localparam int unsigned EntryBits = $clog2(Entries)
) (
  input logic clk_i,

  input logic wr_valid_i,
  input logic [EntryBits-1:0] wr_entry_i,
  input logic [$clog2(SliceParameterBeats)-1:0] wr_beat_i,
  input parameter_t [BeatParameters-1:0] wr_data_i,

  input logic [EntryBits-1:0] bias_entry_i,
  output logic [SliceLanes-1:0][31:0] bias_o,
  input logic [EntryBits-1:0] multiplier_entry_i,
  output logic [SliceLanes-1:0][31:0] multiplier_o
);

  if (Entries < 2) begin : gen_bad_entries
    $fatal(1, "Entries must be at least 2");
  end
  if (RamStyle != "block" && RamStyle != "ultra") begin : gen_bad_ram_style
    $fatal(1, "RamStyle=%s is not block or ultra", RamStyle);
  end

  typedef logic [BeatParameters-1:0][31:0] words_t;  // of the lanes of one beat

  words_t wr_biases, wr_multipliers;
  always_comb begin
    for (int unsigned i = 0; i < BeatParameters; i++) begin
      wr_biases[i] = wr_data_i[i].bias;
      wr_multipliers[i] = wr_data_i[i].multiplier;
    end
  end

  for (genvar b = 0; b < SliceParameterBeats; b++) begin : gen_beat
    (* ram_style = RamStyle *)
    words_t biases[Entries];
    (* ram_style = RamStyle *)
    words_t multipliers[Entries];
    words_t biases_q, biases_q2, multipliers_q, multipliers_q2;
    logic write;
    assign write = wr_valid_i && wr_beat_i == b;

    // The second registers are those at the output of the RAM.
    always_ff @(posedge clk_i) begin
      if (write) biases[wr_entry_i] <= wr_biases;
      biases_q <= biases[bias_entry_i];
      biases_q2 <= biases_q;
    end
    always_ff @(posedge clk_i) begin
      if (write) multipliers[wr_entry_i] <= wr_multipliers;
      multipliers_q <= multipliers[multiplier_entry_i];
      multipliers_q2 <= multipliers_q;
    end

    assign bias_o[BeatParameters*b+:BeatParameters] = biases_q2;
    assign multiplier_o[BeatParameters*b+:BeatParameters] = multipliers_q2;
  end

endmodule
