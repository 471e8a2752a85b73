// SPDX-License-Identifier: Apache-2.0

/// SliceLanes output lanes of the array: their weights and SliceLanes / 2 pairs of accumulators.
///
/// Every input is registered once, and that register is also the output towards the next slice:
/// slices form a systolic chain, in which each net reaches one slice only.
///
/// Inputs of one word belong together like this (cycles after `weight_word_i`): `x_i` of stage k
/// (see conv_mac_pair) at 2 + k, `correction_i` of a cascade that starts in stage k at 3 + k,
/// `first_i` and `last_i` at ChainLength + TreeLevels + 3. `acc_valid_o` then rises, for one cycle,
/// three cycles after `last_i`. A word written in cycle n may be read by `weight_word_i` from
/// cycle n + 1 on.
module conv_mac_slice
  import conv_pkg::*;
#(
  parameter  int unsigned InputLanes   = 26,
  parameter  int unsigned WeightWords  = 512,
  parameter  int unsigned ColumnBits   = 6,
  parameter  int unsigned FirstColumn  = 0,
  parameter  string       DspPrimitive = "none",
  localparam int unsigned WordBits     = $clog2(WeightWords),
  localparam int unsigned NumChains    = (InputLanes + 3) / 4,
  localparam int unsigned ChainLength  = (InputLanes + NumChains - 1) / NumChains
) (
  input  logic clk_i,
  input  logic rst_ni,

  // Weights, with bit 7 of the even lanes flipped
  input  logic                  wr_valid_i,
  input  logic [  WordBits-1:0] wr_word_i,
  input  logic [ColumnBits-1:0] wr_column_i,
  input  beat_t                 wr_data_i,
  output logic                  wr_valid_o,
  output logic [  WordBits-1:0] wr_word_o,
  output logic [ColumnBits-1:0] wr_column_o,
  output beat_t                 wr_data_o,

  // Words to accumulate
  input  logic        [WordBits-1:0] weight_word_i,
  input  logic signed [         7:0] x_i          [InputLanes],
  input  logic        [         9:0] correction_i [NumChains],
  input  logic                       first_i,
  input  logic                       last_i,
  output logic        [WordBits-1:0] weight_word_o,
  output logic signed [         7:0] x_o          [InputLanes],
  output logic        [         9:0] correction_o [NumChains],
  output logic                       first_o,
  output logic                       last_o,

  // Results
  output logic                        acc_valid_o,
  output logic [SliceLanes-1:0][31:0] acc_o
);

  logic [WordBits-1:0] weight_word_q[ChainLength];  // by stage
  logic [WordBits-1:0] rd_word      [InputLanes];
  beat_t               weights      [InputLanes];
  logic                last_q2;

  always_ff @(posedge clk_i) begin
    wr_word_o        <= wr_word_i;
    wr_column_o      <= wr_column_i;
    wr_data_o        <= wr_data_i;
    x_o              <= x_i;
    correction_o     <= correction_i;
    first_o          <= first_i;
    weight_word_q[0] <= weight_word_i;
    for (int unsigned k = 1; k < ChainLength; k++) weight_word_q[k] <= weight_word_q[k-1];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_valid_o  <= 1'b0;
      last_o      <= 1'b0;
      last_q2     <= 1'b0;
      acc_valid_o <= 1'b0;
    end else begin
      wr_valid_o  <= wr_valid_i;
      last_o      <= last_i;
      last_q2     <= last_o;
      acc_valid_o <= last_q2;
    end
  end

  assign weight_word_o = weight_word_q[0];

  for (genvar i = 0; i < InputLanes; i++) begin : gen_address
    assign rd_word[i] = weight_word_q[ChainLength-1-i/NumChains];
  end

  conv_weight_buffer #(
    .InputLanes(InputLanes),
    .WeightWords(WeightWords),
    .ColumnBits(ColumnBits),
    .FirstColumn(FirstColumn)
  ) u_weights (
    .clk_i,
    .wr_valid_i(wr_valid_o),
    .wr_word_i(wr_word_o),
    .wr_column_i(wr_column_o),
    .wr_data_i(wr_data_o),
    .rd_word_i(rd_word),
    .rd_data_o(weights)
  );

  for (genvar p = 0; p < SliceLanes / 2; p++) begin : gen_pair
    logic [15:0] pair_weights[InputLanes];

    for (genvar i = 0; i < InputLanes; i++) begin : gen_weight
      assign pair_weights[i] = weights[i][16*p+:16];
    end

    conv_mac_pair #(
      .InputLanes(InputLanes),
      .DspPrimitive(DspPrimitive)
    ) u_pair (
      .clk_i,
      .x_i(x_o),
      .weights_i(pair_weights),
      .correction_i(correction_o),
      .first_i(first_o),
      .acc_lo_o(acc_o[2*p]),
      .acc_hi_o(acc_o[2*p+1])
    );
  end

endmodule
