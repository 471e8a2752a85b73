// SPDX-License-Identifier: Apache-2.0

/// The way of a tensor through the engine, from memory data to memory data: instances in the order
/// in which the bytes meet them, and nothing else.
///
/// Between `start_i` and the last bit of `done_o` a layer runs; `layer_i` must stay. One array word
/// per cycle, unless input rows, weights or room for results are missing. The weights of a layer are
/// asked for on `weight_layer_*`, before its start or with it, and for all layers in their order.
module conv_datapath
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter string DspPrimitive = "none",
  parameter string RamStyle = "block",
  localparam int unsigned Stages = 3
) (
  input logic clk_i,
  input logic rst_ni,

  input layer_t layer_i,
  input logic start_i,
  output logic [Stages-1:0] done_o,  // pulses

  // Input rows.
  output logic row_req_valid_o,
  input logic row_req_ready_i,
  output address_t row_req_address_o,
  output beats_t row_req_beats_o,
  input logic row_data_valid_i,
  input beat_t row_data_i,

  // Weights and parameters.
  input logic weight_layer_valid_i,
  output logic weight_layer_ready_o,
  input layer_t weight_layer_i,
  output logic weight_req_valid_o,
  input logic weight_req_ready_i,
  output address_t weight_req_address_o,
  output beats_t weight_req_beats_o,
  input logic weight_data_valid_i,
  input beat_t weight_data_i,
  input logic weight_data_last_i,  // last beat of a request

  // Output.
  output logic run_valid_o,
  input logic run_ready_i,
  output address_t run_address_o,
  output beats_t run_beats_o,
  output logic data_valid_o,
  input logic data_ready_i,
  output beat_t data_o,
  output strobe_t strobe_o,

  // At most one of these per cycle.
  output logic issue_o,
  output logic stall_input_o,
  output logic stall_weights_o,
  output logic stall_output_o
);

  localparam int unsigned ReadLanes = InputLanes > VectorLanes ? InputLanes : VectorLanes;
  localparam int unsigned ByteBits = $clog2(LineBufferBeats * BeatBytes);
  localparam int unsigned BeatPositionBits = $clog2(LineBufferBeats);
  localparam int unsigned WordBits = $clog2(WeightWords);
  localparam int unsigned MacColumns = InputLanes * OutputLanes / SliceLanes;
  localparam int unsigned VectorColumns = VectorLanes / SliceLanes;
  localparam int unsigned Columns = MacColumns > VectorColumns ? MacColumns : VectorColumns;
  localparam int unsigned MostBeats = Columns > TableBeats ? Columns : TableBeats;
  // Slices on their way from the sequencer to the requantiser must find room.
  localparam int unsigned ResultDepth = 64;

  if (VectorLanes == 0 || VectorLanes % SliceLanes != 0) begin : gen_bad_vector_lanes
    $fatal(1, "VectorLanes must be a positive multiple of %0d", SliceLanes);
  end

  // Input rows go to the line buffer.
  logic line_wr_valid;
  logic [BeatPositionBits-1:0] line_wr_beat;
  beat_t line_wr_data;
  row_t rows_loaded, rows_free;

  conv_row_loader #(
    .LineBufferBeats(LineBufferBeats)
  ) u_row_loader (
    .clk_i,
    .rst_ni,
    .start_i,
    .layer_i,
    .done_o(done_o[0]),
    .req_valid_o(row_req_valid_o),
    .req_ready_i(row_req_ready_i),
    .req_address_o(row_req_address_o),
    .req_beats_o(row_req_beats_o),
    .data_valid_i(row_data_valid_i),
    .data_i(row_data_i),
    .wr_valid_o(line_wr_valid),
    .wr_beat_o(line_wr_beat),
    .wr_data_o(line_wr_data),
    .rows_loaded_o(rows_loaded),
    .rows_free_i(rows_free)
  );

  // Weights go to the compute units, biases and multipliers to the requantiser, tables behind it.
  logic weight_wr_valid;
  weight_e weight_wr_kind;
  logic [WordBits-1:0] weight_wr_word, weight_wr_slice;
  logic [$clog2(MostBeats+1)-1:0] weight_wr_column;
  beat_t weight_wr_data;
  logic weights_loaded, weights_free, parameter_free;
  logic [WordBits:0] free_words;
  assign free_words = layer_i.weights_by_row ? layer_i.row_words[WordBits:0]
                                             : layer_i.group_words[WordBits:0];

  conv_weight_loader #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords)
  ) u_weight_loader (
    .clk_i,
    .rst_ni,
    .layer_valid_i(weight_layer_valid_i),
    .layer_ready_o(weight_layer_ready_o),
    .layer_i(weight_layer_i),
    .req_valid_o(weight_req_valid_o),
    .req_ready_i(weight_req_ready_i),
    .req_address_o(weight_req_address_o),
    .req_beats_o(weight_req_beats_o),
    .data_valid_i(weight_data_valid_i),
    .data_i(weight_data_i),
    .data_last_i(weight_data_last_i),
    .wr_valid_o(weight_wr_valid),
    .wr_kind_o(weight_wr_kind),
    .wr_word_o(weight_wr_word),
    .wr_slice_o(weight_wr_slice),
    .wr_column_o(weight_wr_column),
    .wr_data_o(weight_wr_data),
    .weights_loaded_o(weights_loaded),
    .weights_free_i(weights_free),
    .free_words_i(free_words),
    .parameter_free_i(parameter_free)
  );

  // The sequencer walks the loop nest as soon as what it needs is there.
  logic op_valid, op_row_valid, op_first, op_last;
  logic [ByteBits-1:0] op_address;
  offset_t op_offset;
  logic [WordBits-1:0] op_weight_word;
  digit_t op_digit;
  logic result_pop;

  conv_sequencer #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats),
    .ResultDepth(ResultDepth)
  ) u_sequencer (
    .clk_i,
    .rst_ni,
    .start_i,
    .layer_i,
    .done_o(done_o[1]),
    .rows_loaded_i(rows_loaded),
    .rows_free_o(rows_free),
    .weights_loaded_i(weights_loaded),
    .weights_free_o(weights_free),
    .credit_i(result_pop),
    .op_valid_o(op_valid),
    .op_address_o(op_address),
    .op_offset_o(op_offset),
    .op_row_valid_o(op_row_valid),
    .op_weight_word_o(op_weight_word),
    .op_digit_o(op_digit),
    .op_first_o(op_first),
    .op_last_o(op_last),
    .issue_o,
    .stall_input_o,
    .stall_weights_o,
    .stall_output_o
  );

  logic [ReadLanes*8-1:0] line_bytes;

  conv_line_buffer #(
    .ReadLanes(ReadLanes),
    .LineBufferBeats(LineBufferBeats),
    .RamStyle(RamStyle)
  ) u_line_buffer (
    .clk_i,
    .wr_valid_i(line_wr_valid),
    .wr_beat_i(line_wr_beat),
    .wr_data_i(line_wr_data),
    .rd_address_i(op_address),
    .rd_bytes_o(line_bytes)
  );

  // The window puts the zero point where the kernel lies on padding.
  logic [ReadLanes-1:0][7:0] x;
  logic [WordBits-1:0] x_weight_word;
  digit_t x_digit;
  logic x_first, x_last;

  conv_window #(
    .ReadLanes(ReadLanes),
    .WeightWords(WeightWords)
  ) u_window (
    .clk_i,
    .rst_ni,
    .layer_i,
    .op_valid_i(op_valid),
    .op_offset_i(op_offset),
    .op_row_valid_i(op_row_valid),
    .op_weight_word_i(op_weight_word),
    .op_digit_i(op_digit),
    .op_first_i(op_first),
    .op_last_i(op_last),
    .bytes_i(line_bytes),
    .x_o(x),
    .weight_word_o(x_weight_word),
    .digit_o(x_digit),
    .first_o(x_first),
    .last_o(x_last)
  );

  // The compute units cannot wait: the sequencer counts the room for their results.
  logic result_valid, result_ready;
  logic [SliceLanes-1:0][31:0] result;
  assign result_pop = result_valid && result_ready;

  conv_compute #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .ResultDepth(ResultDepth),
    .DspPrimitive(DspPrimitive)
  ) u_compute (
    .clk_i,
    .rst_ni,
    .layer_i,
    .wr_valid_i(weight_wr_valid && weight_wr_kind == WeightWord),
    .wr_word_i(weight_wr_word),
    .wr_column_i(weight_wr_column[$clog2(Columns+1)-1:0]),
    .wr_data_i(weight_wr_data),
    .x_i(x),
    .weight_word_i(x_weight_word),
    .digit_i(x_digit),
    .first_i(x_first),
    .last_i(x_last),
    .result_valid_o(result_valid),
    .result_ready_i(result_ready),
    .result_o(result)
  );

  logic number_valid, number_ready;
  logic [SliceLanes-1:0][7:0] number_bytes;
  logic [SliceLanes-1:0][31:0] number_words;

  conv_requantize #(
    .ParameterSlices(WeightWords),
    .RamStyle(RamStyle)
  ) u_requantize (
    .clk_i,
    .rst_ni,
    .start_i,
    .layer_i,
    .param_wr_valid_i(weight_wr_valid && weight_wr_kind == WeightParameter),
    .param_wr_entry_i(weight_wr_slice),
    .param_wr_beat_i(weight_wr_column[$clog2(SliceParameterBeats)-1:0]),
    .param_wr_data_i(weight_wr_data),
    .parameter_free_o(parameter_free),
    .acc_valid_i(result_valid),
    .acc_ready_o(result_ready),
    .acc_i(result),
    .out_valid_o(number_valid),
    .out_ready_i(number_ready),
    .out_bytes_o(number_bytes),
    .out_words_o(number_words)
  );

  logic out_valid, out_ready;
  logic [SliceLanes-1:0][7:0] out_bytes;
  logic [SliceLanes-1:0][31:0] out_words;

  conv_table u_table (
    .clk_i,
    .rst_ni,
    .start_i,
    .has_table_i(layer_i.has_table),
    .wr_valid_i(weight_wr_valid && weight_wr_kind == WeightTable),
    .wr_beat_i(weight_wr_column[$clog2(TableBeats)-1:0]),
    .wr_data_i(weight_wr_data),
    .in_valid_i(number_valid),
    .in_ready_o(number_ready),
    .in_bytes_i(number_bytes),
    .in_words_i(number_words),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_bytes_o(out_bytes),
    .out_words_o(out_words)
  );

  conv_output_packer u_output_packer (
    .clk_i,
    .rst_ni,
    .start_i,
    .layer_i,
    .done_o(done_o[2]),
    .in_valid_i(out_valid),
    .in_ready_o(out_ready),
    .in_bytes_i(out_bytes),
    .in_words_i(out_words),
    .run_valid_o,
    .run_ready_i,
    .run_address_o,
    .run_beats_o,
    .data_valid_o,
    .data_ready_i,
    .data_o,
    .strobe_o
  );

endmodule
