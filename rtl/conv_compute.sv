// SPDX-License-Identifier: Apache-2.0

/// The two compute units, of which the kind of the layer chooses one, and the FIFO of their results.
///
/// Every cycle is one word, as conv_mac_array and conv_vector_array tell; the MAC array takes the
/// low InputLanes bytes of `x_i`, the vector unit the low VectorLanes. Neither can wait: there must
/// be room in the FIFO for the slices of every word with `last_i`, one for each that left it.
/// `layer_i` must stay until its last slice has.
module conv_compute
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned ResultDepth = 64,  // slices
  parameter string DspPrimitive = "none",
  localparam int unsigned ReadLanes = InputLanes > VectorLanes ? InputLanes : VectorLanes,
  localparam int unsigned WordBits = $clog2(WeightWords),
  localparam int unsigned MacColumns = InputLanes * OutputLanes / SliceLanes,
  localparam int unsigned VectorColumns = VectorLanes / SliceLanes,
  localparam int unsigned Columns = MacColumns > VectorColumns ? MacColumns : VectorColumns,
  localparam int unsigned ColumnBits = $clog2(Columns + 1)
) (
  input logic clk_i,
  input logic rst_ni,

  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL

  input logic wr_valid_i,
  input logic [WordBits-1:0] wr_word_i,
  input logic [ColumnBits-1:0] wr_column_i,
  input beat_t wr_data_i,

  input logic [ReadLanes-1:0][7:0] x_i,
  input logic [WordBits-1:0] weight_word_i,
  input digit_t digit_i,
  input logic first_i,
  input logic last_i,

  output logic result_valid_o,
  input logic result_ready_i,
  output logic [SliceLanes-1:0][31:0] result_o  // int32
);

  localparam int unsigned MacColumnBits = $clog2(MacColumns + 1);
  localparam int unsigned VectorColumnBits = $clog2(VectorColumns + 1);

  logic vector_q, maximum_q;
  always_ff @(posedge clk_i) begin
    vector_q <= layer_i.kind != conv_regs_pkg::KindConv;
    maximum_q <= layer_i.kind == conv_regs_pkg::KindMaxPool;
  end

  // Both units write every word. Its place belongs to its layer in both, so that what the unit of
  // another kind gets there is never used, whatever its column means.
  logic mac_valid, vector_valid;
  logic [SliceLanes-1:0][31:0] mac_slice, vector_slice, slice;

  conv_mac_array #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .WeightWords(WeightWords),
    .DspPrimitive(DspPrimitive)
  ) u_mac_array (
    .clk_i,
    .rst_ni,
    .wr_valid_i,
    .wr_word_i,
    .wr_column_i(wr_column_i[MacColumnBits-1:0]),
    .wr_data_i,
    .x_i(x_i[InputLanes-1:0]),
    .weight_word_i,
    .first_i,
    .last_i(last_i && !vector_q),
    .slice_valid_o(mac_valid),
    .slice_o(mac_slice)
  );

  conv_vector_array #(
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords)
  ) u_vector_array (
    .clk_i,
    .rst_ni,
    .maximum_i(maximum_q),
    .wr_valid_i,
    .wr_word_i,
    .wr_column_i(wr_column_i[VectorColumnBits-1:0]),
    .wr_data_i,
    .x_i(x_i[VectorLanes-1:0]),
    .weight_word_i,
    .digit_i,
    .first_i,
    .last_i(last_i && vector_q),
    .slice_valid_o(vector_valid),
    .slice_o(vector_slice)
  );

  assign slice = vector_q ? vector_slice : mac_slice;

  logic unused_ready;
  logic [$clog2(ResultDepth+1)-1:0] unused_usage;

  conv_fifo #(
    .Width($bits(slice)),
    .Depth(ResultDepth)
  ) u_results (
    .clk_i,
    .rst_ni,
    .valid_i(mac_valid || vector_valid),
    .ready_o(unused_ready),
    .data_i(slice),
    .valid_o(result_valid_o),
    .ready_i(result_ready_i),
    .data_o(result_o),
    .usage_o(unused_usage)
  );

endmodule
