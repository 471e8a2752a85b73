// SPDX-License-Identifier: Apache-2.0

/// Vector unit: VectorLanes channels side by side, each multiplied by a weight of its own.
///
/// Every cycle is one word, one kernel tap of all channels: `x_i` (a byte per channel) times the
/// weight word `weight_word_i`, shifted by `digit_i` bytes, is added to the accumulators, which
/// `first_i` restarts; `last_i` makes the array hand them out. With `maximum_i` (a setting) they
/// keep the largest product; its words must then follow each other without a gap, and have digit 0.
/// There is no enable and no stall: an idle cycle has x_i = 0, first_i = 0 and last_i = 0.
/// Sums wrap like int32.
///
/// Lanes are computed in NumSlices slices of SliceLanes; slice s runs s cycles behind slice 0.
/// The results of a word with `last_i` come out of `slice_o` in consecutive cycles, slice 0 seven
/// cycles after the word. So words with `last_i` must be at least NumSlices cycles apart.
///
/// Column s of the weights holds the bytes of lanes SliceLanes * s and up. A word written in cycle
/// n may be used from cycle n + 1 on; one that was used in cycle n may be overwritten from cycle
/// n + 1 on. One cycle of reset takes back the results and the writes that are still on their way.
module conv_vector_array
  import conv_pkg::*;
#(
  parameter  int unsigned VectorLanes = 48,
  parameter  int unsigned WeightWords = 512,
  localparam int unsigned NumSlices   = VectorLanes / SliceLanes,
  localparam int unsigned WordBits    = $clog2(WeightWords),
  localparam int unsigned ColumnBits  = $clog2(NumSlices + 1)
) (
  input logic clk_i,
  input logic rst_ni,
  input logic maximum_i,

  input logic                  wr_valid_i,
  input logic [  WordBits-1:0] wr_word_i,
  input logic [ColumnBits-1:0] wr_column_i,
  input beat_t                 wr_data_i,

  input logic [VectorLanes-1:0][7:0] x_i,  // int8
  input logic [   WordBits-1:0]      weight_word_i,
  input digit_t                      digit_i,
  input logic                        first_i,
  input logic                        last_i,

  output logic                        slice_valid_o,
  output logic [SliceLanes-1:0][31:0] slice_o  // int32
);

  localparam int unsigned ReadLatency = 2;  // of the weights
  // Cycles from a word to its parts of conv_vector_lane.
  localparam int unsigned DigitDelay = ReadLatency + 2;
  localparam int unsigned FirstDelay = ReadLatency + 3;
  localparam int unsigned AccDelay = ReadLatency + 4;

  if (VectorLanes == 0 || VectorLanes % SliceLanes != 0) begin : gen_bad_vector_lanes
    $fatal(1, "VectorLanes=%0d is not a multiple of %0d", VectorLanes, SliceLanes);
  end

  // What slice s takes is element s: slices hand on, with a register between them, what all need.
  typedef struct packed {
    logic [WordBits-1:0] word;
    logic [ColumnBits-1:0] column;
    beat_t data;
  } write_t;
  logic wr_valid[NumSlices];
  write_t wr[NumSlices];
  logic [WordBits-1:0] weight_word[NumSlices];
  digit_t digit[NumSlices];
  logic first[NumSlices];

  assign wr_valid[0] = wr_valid_i;
  assign wr[0] = '{word: wr_word_i, column: wr_column_i, data: wr_data_i};
  assign weight_word[0] = weight_word_i;

  conv_delay #(
    .Width($bits(digit_t)),
    .Cycles(DigitDelay)
  ) u_digit (
    .clk_i,
    .data_i(digit_i),
    .data_o(digit[0])
  );
  conv_delay #(
    .Width(1),
    .Cycles(FirstDelay)
  ) u_first (
    .clk_i,
    .data_i(first_i),
    .data_o(first[0])
  );

  for (genvar s = 1; s < NumSlices; s++) begin : gen_hand_on
    always_ff @(posedge clk_i) begin
      if (!rst_ni) wr_valid[s] <= 1'b0;
      else wr_valid[s] <= wr_valid[s-1];
    end
    always_ff @(posedge clk_i) begin
      wr[s] <= wr[s-1];
      weight_word[s] <= weight_word[s-1];
      digit[s] <= digit[s-1];
      first[s] <= first[s-1];
    end
  end

  logic [SliceLanes-1:0][31:0] acc[NumSlices];

  for (genvar s = 0; s < NumSlices; s++) begin : gen_slice
    logic [WordBits-1:0] rd_word[1];
    beat_t weights[1];
    beat_t x;
    assign rd_word[0] = weight_word[s];

    conv_weight_buffer #(
      .InputLanes(1),
      .WeightWords(WeightWords),
      .ColumnBits(ColumnBits),
      .FirstColumn(s)
    ) u_weights (
      .clk_i,
      .wr_valid_i(wr_valid[s]),
      .wr_word_i(wr[s].word),
      .wr_column_i(wr[s].column),
      .wr_data_i(wr[s].data),
      .rd_word_i(rd_word),
      .rd_data_o(weights)
    );

    conv_delay #(
      .Width(BeatBits),
      .Cycles(ReadLatency + s)
    ) u_x (
      .clk_i,
      .data_i(x_i[SliceLanes*s+:SliceLanes]),
      .data_o(x)
    );

    for (genvar i = 0; i < SliceLanes; i++) begin : gen_lane
      conv_vector_lane u_lane (
        .clk_i,
        .maximum_i,
        .x_i(x[8*i+:8]),
        .weight_i(weights[0][8*i+:8]),
        .digit_i(digit[s]),
        .first_i(first[s]),
        .acc_o(acc[s][i])
      );
    end
  end

  // Slice s is complete AccDelay + s cycles after its last word.
  logic [AccDelay+NumSlices-2:0] last_q;
  logic [NumSlices-1:0] acc_valid;
  logic [SliceLanes-1:0][31:0] slice_d, slice_q;
  assign acc_valid = last_q[AccDelay-1+:NumSlices];

  always_comb begin
    slice_d = acc[0];
    for (int unsigned s = 1; s < NumSlices; s++) begin
      if (acc_valid[s]) slice_d = acc[s];
    end
  end

  logic slice_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      last_q <= '0;
      slice_valid_q <= 1'b0;
    end else begin
      last_q <= {last_q[AccDelay+NumSlices-3:0], last_i};
      slice_valid_q <= |acc_valid;
    end
  end

  always_ff @(posedge clk_i) slice_q <= slice_d;

  assign slice_valid_o = slice_valid_q;
  assign slice_o = slice_q;

endmodule
