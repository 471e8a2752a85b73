// SPDX-License-Identifier: Apache-2.0

/// Multiply-accumulate array: InputLanes x OutputLanes int8 products per cycle, exact int32 sums.
///
/// Every cycle is one word: `x_i` (one byte per input lane) times the weight word `weight_word_i`,
/// added to the accumulators, which `first_i` restarts; `last_i` makes the array hand them out.
/// There is no enable and no stall: an idle cycle has x_i = 0, first_i = 0 and last_i = 0.
/// Sums wrap like int32.
///
/// Lanes are computed in NumSlices slices of SliceLanes; slice s runs s cycles behind slice 0.
/// The results of a word with `last_i` come out of `slice_o` in consecutive cycles, slice 0 at
/// cycle Latency = ChainLength + TreeLevels + 7 after the word (14 for 26 input lanes). So words
/// with `last_i` must be at least NumSlices cycles apart.
///
/// Column s * InputLanes + i of the weights holds, for input lane i, the bytes of lanes
/// SliceLanes * s and up. A word written in cycle n may be used from cycle n + 1 on; one that was
/// used in cycle n may be overwritten from cycle n + ChainLength on. One cycle of reset takes back
/// the results and the writes that are still on their way.
module conv_mac_array
  import conv_pkg::*;
#(
  parameter  int unsigned InputLanes   = 26,
  parameter  int unsigned OutputLanes  = 16,
  parameter  int unsigned WeightWords  = 512,
  parameter  string       DspPrimitive = "none",
  localparam int unsigned NumSlices    = OutputLanes / SliceLanes,
  localparam int unsigned WordBits     = $clog2(WeightWords),
  localparam int unsigned ColumnBits   = $clog2(NumSlices * InputLanes + 1)
) (
  input  logic clk_i,
  input  logic rst_ni,

  input  logic                  wr_valid_i,
  input  logic [  WordBits-1:0] wr_word_i,
  input  logic [ColumnBits-1:0] wr_column_i,
  input  beat_t                 wr_data_i,

  input  logic [InputLanes-1:0][7:0] x_i,  // int8
  input  logic [  WordBits-1:0]      weight_word_i,
  input  logic                       first_i,
  input  logic                       last_i,

  output logic                        slice_valid_o,
  output logic [SliceLanes-1:0][31:0] slice_o  // int32
);

  localparam int unsigned NumChains = (InputLanes + 3) / 4;
  localparam int unsigned ChainLength = (InputLanes + NumChains - 1) / NumChains;
  localparam int unsigned FlagDelay = ChainLength + $clog2(NumChains) + 3;

  if (InputLanes < 1 || InputLanes > 32) begin : gen_bad_input_lanes
    $fatal(1, "InputLanes=%0d is not in 1..32", InputLanes);
  end
  if (OutputLanes == 0 || OutputLanes % SliceLanes != 0) begin : gen_bad_output_lanes
    $fatal(1, "OutputLanes=%0d is not a multiple of %0d", OutputLanes, SliceLanes);
  end

  // What enters slice s is element s; what leaves the last slice is not used.
  logic                       wr_valid    [NumSlices+1];
  logic        [WordBits-1:0] wr_word     [NumSlices+1];
  logic      [ColumnBits-1:0] wr_column   [NumSlices+1];
  beat_t                      wr_data     [NumSlices+1];
  logic        [WordBits-1:0] weight_word [NumSlices+1];
  logic signed          [7:0] x           [NumSlices+1][InputLanes];
  logic                 [9:0] correction  [NumSlices+1][NumChains];
  logic                       first       [NumSlices+1];
  logic                       last        [NumSlices+1];

  // The pairs take the weights of the even lanes in offset binary.
  assign wr_valid[0] = wr_valid_i;
  assign wr_word[0] = wr_word_i;
  assign wr_column[0] = wr_column_i;
  assign wr_data[0] = wr_data_i ^ {SliceLanes / 2{16'h0080}};
  assign weight_word[0] = weight_word_i;

  // x waits for the weights (two cycles, but for a register in the slice) and for its stage.
  logic signed [7:0] x_q [InputLanes];
  logic signed [7:0] x_q2[InputLanes];

  always_ff @(posedge clk_i) begin
    for (int unsigned i = 0; i < InputLanes; i++) x_q[i] <= x_i[i];
    x_q2 <= x_q;
  end

  for (genvar i = 0; i < InputLanes; i++) begin : gen_skew
    conv_delay #(
      .Width(8),
      .Cycles(ChainLength - i / NumChains)
    ) u_delay (
      .clk_i,
      .data_i(x_q[i]),
      .data_o(x[0][i])
    );
  end

  // Correction words of the cascades. A cascade that is one element short starts one stage later.
  for (genvar c = 0; c < NumChains; c++) begin : gen_correction
    localparam bit Short = c + NumChains * (ChainLength - 1) >= InputLanes;
    logic signed [7:0] term[4];
    logic signed [8:0] sum_q[2];
    logic [9:0] correction_q;

    for (genvar j = 0; j < 4; j++) begin : gen_term
      if (c + NumChains * j >= InputLanes) begin : gen_none
        assign term[j] = '0;
      end else begin : gen_element
        assign term[j] = Short ? x_q2[c+NumChains*j] : x_q[c+NumChains*j];
      end
    end

    always_ff @(posedge clk_i) begin
      sum_q[0] <= 9'(term[0]) + 9'(term[1]);
      sum_q[1] <= 9'(term[2]) + 9'(term[3]);
      // 511 - sum_q[0] is wiring: -a = ~a + 1, and 512 is the top bit
      correction_q <= {sum_q[0][8], ~sum_q[0]} - 10'(sum_q[1]);
    end

    assign correction[0][c] = correction_q;
  end

  // first and last wait for the sums to reach the accumulators.
  logic [FlagDelay-1:0] last_q;

  conv_delay #(
    .Width(1),
    .Cycles(FlagDelay)
  ) u_first (
    .clk_i,
    .data_i(first_i),
    .data_o(first[0])
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) last_q <= '0;
    else last_q <= {last_q[FlagDelay-2:0], last_i};
  end

  assign last[0] = last_q[FlagDelay-1];

  logic [NumSlices-1:0] acc_valid;
  logic [SliceLanes-1:0][31:0] acc[NumSlices];

  for (genvar s = 0; s < NumSlices; s++) begin : gen_slice
    conv_mac_slice #(
      .InputLanes(InputLanes),
      .WeightWords(WeightWords),
      .ColumnBits(ColumnBits),
      .FirstColumn(s * InputLanes),
      .DspPrimitive(DspPrimitive)
    ) u_slice (
      .clk_i,
      .rst_ni,
      .wr_valid_i(wr_valid[s]),
      .wr_word_i(wr_word[s]),
      .wr_column_i(wr_column[s]),
      .wr_data_i(wr_data[s]),
      .wr_valid_o(wr_valid[s+1]),
      .wr_word_o(wr_word[s+1]),
      .wr_column_o(wr_column[s+1]),
      .wr_data_o(wr_data[s+1]),
      .weight_word_i(weight_word[s]),
      .x_i(x[s]),
      .correction_i(correction[s]),
      .first_i(first[s]),
      .last_i(last[s]),
      .weight_word_o(weight_word[s+1]),
      .x_o(x[s+1]),
      .correction_o(correction[s+1]),
      .first_o(first[s+1]),
      .last_o(last[s+1]),
      .acc_valid_o(acc_valid[s]),
      .acc_o(acc[s])
    );
  end

  // At most one slice is valid at a time.
  logic [SliceLanes-1:0][31:0] slice_d, slice_q;
  logic slice_valid_q;

  always_comb begin
    slice_d = acc[0];
    for (int unsigned s = 1; s < NumSlices; s++) begin
      if (acc_valid[s]) slice_d = acc[s];
    end
  end

  always_ff @(posedge clk_i) slice_q <= slice_d;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) slice_valid_q <= 1'b0;
    else slice_valid_q <= |acc_valid;
  end

  assign slice_valid_o = slice_valid_q;
  assign slice_o = slice_q;

endmodule
