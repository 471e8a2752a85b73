// SPDX-License-Identifier: Apache-2.0

/// Reads weight streams group by group into the ring of weight words and the ring of parameters,
/// as far ahead of the array as there is room.
///
/// A layer is taken by valid and ready; when the last of its groups is requested, the next layer
/// can be taken, and its groups follow in the rings while the array still works on those before.
///
/// A group is the beats of its parameters, then group_words words of one beat per column. It is one
/// request, made when both rings have room for all of it, so data never wait. Writes leave one cycle
/// after the data; a group counts as loaded together with its last write.
module conv_weight_loader
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned WeightWords = 512,
  localparam int unsigned NumSlices = OutputLanes / SliceLanes,
  localparam int unsigned ParameterGroups = WeightWords / NumSlices,
  localparam int unsigned WordBits = $clog2(WeightWords),
  localparam int unsigned ParameterBeats = NumSlices * SliceParameterBeats,
  // A beat of parameters has its number here, one of weights its column.
  localparam int unsigned Columns = NumSlices * InputLanes,
  localparam int unsigned MostColumns = Columns > ParameterBeats ? Columns : ParameterBeats,
  localparam int unsigned ColumnBits = $clog2(MostColumns + 1),
  localparam int unsigned GroupBits = $clog2(ParameterGroups)
) (
  input logic clk_i,
  input logic rst_ni,

  input logic layer_valid_i,
  output logic layer_ready_o,
  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL

  output logic req_valid_o,
  input logic req_ready_i,
  output address_t req_address_o,
  output beats_t req_beats_o,
  input logic data_valid_i,
  input beat_t data_i,
  input logic data_last_i,  // last beat of a request

  output logic wr_valid_o,
  output logic wr_is_parameter_o,
  output logic [WordBits-1:0] wr_word_o,
  output logic [ColumnBits-1:0] wr_column_o,  // or beat of parameters
  output logic [GroupBits-1:0] wr_group_o,
  output beat_t wr_data_o,

  output logic group_loaded_o,  // pulse
  input logic group_free_i,  // pulse: the words of one group
  input logic [WordBits:0] free_words_i,  // that many
  input logic parameter_free_i  // pulse: the parameters of one group
);

  // group_words x Columns; the factor is a constant, so a few additions do.
  function automatic beats_t word_beats(count_t words);
    beats_t sum;
    sum = '0;
    for (int unsigned b = 0; b < $clog2(Columns + 1); b++) begin
      if (Columns[b]) sum += beats_t'(words) << b;
    end
    return sum;
  endfunction

  typedef enum logic [1:0] {
    Idle,
    WaitRoom,
    Request
  } state_e;
  state_e state_d, state_q;

  // Requests.
  logic [WordBits:0] group_words_d, group_words_q;
  count_t groups_left_d, groups_left_q;  // not requested
  beats_t group_beats_q;
  address_t address_d, address_q;
  logic [WordBits:0] words_free_d, words_free_q;
  logic [GroupBits:0] groups_free_d, groups_free_q;
  logic room;
  assign room = words_free_q >= group_words_q && groups_free_q != '0;

  always_comb begin
    state_d = state_q;
    group_words_d = group_words_q;
    groups_left_d = groups_left_q;
    address_d = address_q;
    words_free_d = words_free_q;
    groups_free_d = groups_free_q + (GroupBits + 1)'(parameter_free_i);
    if (group_free_i) words_free_d = words_free_q + free_words_i;
    unique case (state_q)
      Idle: begin
        group_words_d = layer_i.group_words[WordBits:0];
        groups_left_d = layer_i.groups;
        address_d = layer_i.weights_address;
        if (layer_valid_i) state_d = WaitRoom;
      end
      WaitRoom: begin
        if (room) begin
          words_free_d = words_free_d - group_words_q;
          groups_free_d = groups_free_d - (GroupBits + 1)'(1);
          state_d = Request;
        end
      end
      Request: begin
        if (req_ready_i) begin
          groups_left_d = groups_left_q - 16'd1;
          address_d = address_q + (address_t'(group_beats_q) << AlignBits);
          state_d = groups_left_q == 16'd1 ? Idle : WaitRoom;
        end
      end
      default: state_d = Idle;
    endcase
  end

  assign layer_ready_o = state_q == Idle;
  assign req_valid_o = state_q == Request;
  assign req_address_o = address_q;
  assign req_beats_o = group_beats_q;

  // Data.
  logic parameters_d, parameters_q;  // the next beat is a parameter
  logic [ColumnBits-1:0] column_d, column_q;
  logic last_parameters, last_column;
  logic parameter_beat, weight_beat, word_end, group_end;
  assign parameter_beat = data_valid_i && parameters_q;
  assign weight_beat = data_valid_i && !parameters_q;
  assign last_parameters = column_q == ColumnBits'(ParameterBeats - 1);
  assign last_column = column_q == ColumnBits'(Columns - 1);
  assign word_end = weight_beat && last_column;
  assign group_end = data_valid_i && data_last_i;

  logic [WordBits-1:0] word_d, word_q;
  logic [GroupBits-1:0] group_d, group_q;

  always_comb begin
    parameters_d = parameters_q;
    column_d = column_q;
    word_d = word_q;
    group_d = group_q;
    if (data_valid_i) column_d = column_q + ColumnBits'(1);
    if (parameter_beat && last_parameters) begin
      parameters_d = 1'b0;
      column_d = '0;
    end
    if (word_end) begin
      column_d = '0;
      word_d = word_q == WordBits'(WeightWords - 1) ? '0 : word_q + WordBits'(1);
    end
    if (group_end) begin
      parameters_d = 1'b1;
      group_d = group_q == GroupBits'(ParameterGroups - 1) ? '0 : group_q + GroupBits'(1);
    end
  end

  logic wr_valid_q, wr_is_parameter_q, loaded_q;
  logic [ColumnBits-1:0] wr_column_q;
  logic [WordBits-1:0] wr_word_q;
  logic [GroupBits-1:0] wr_group_q;
  beat_t wr_data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      words_free_q <= (WordBits + 1)'(WeightWords);
      groups_free_q <= (GroupBits + 1)'(ParameterGroups);
      parameters_q <= 1'b1;
      column_q <= '0;
      word_q <= '0;
      group_q <= '0;
      wr_valid_q <= 1'b0;
      loaded_q <= 1'b0;
    end else begin
      state_q <= state_d;
      words_free_q <= words_free_d;
      groups_free_q <= groups_free_d;
      parameters_q <= parameters_d;
      column_q <= column_d;
      word_q <= word_d;
      group_q <= group_d;
      wr_valid_q <= data_valid_i;
      loaded_q <= group_end;
    end
  end

  always_ff @(posedge clk_i) begin
    group_words_q <= group_words_d;
    groups_left_q <= groups_left_d;
    // Ready in time: a request comes two cycles after its layer.
    group_beats_q <= word_beats(count_t'(group_words_q)) + beats_t'(ParameterBeats);
    address_q <= address_d;
    wr_is_parameter_q <= parameters_q;
    wr_column_q <= column_q;
    wr_word_q <= word_q;
    wr_group_q <= group_q;
    wr_data_q <= data_i;
  end

  assign wr_valid_o = wr_valid_q;
  assign wr_is_parameter_o = wr_is_parameter_q;
  assign wr_column_o = wr_column_q;
  assign wr_word_o = wr_word_q;
  assign wr_group_o = wr_group_q;
  assign wr_data_o = wr_data_q;
  assign group_loaded_o = loaded_q;

  always_ff @(posedge clk_i) begin
    if (rst_ni && group_end) assert (word_end);
  end

endmodule
