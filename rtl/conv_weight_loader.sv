// SPDX-License-Identifier: Apache-2.0

/// Reads the weight stream group by group into the ring of weight words and the ring of
/// parameters, as far ahead of the array as there is room.
///
/// A group is the beats of its parameters, then group_words words of one beat per column. It is
/// requested as a whole when both rings have room for it, so data never wait. Writes leave one
/// cycle after the data; a group counts as loaded together with its last write.
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

  input logic start_i,
  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic done_o,  // pulse: the last group is loaded

  output logic req_valid_o,
  input logic req_ready_i,
  output address_t req_address_o,
  output beats_t req_beats_o,
  input logic data_valid_i,
  input beat_t data_i,

  output logic wr_valid_o,
  output logic wr_is_parameter_o,
  output logic [WordBits-1:0] wr_word_o,
  output logic [ColumnBits-1:0] wr_column_o,  // or beat of parameters
  output logic [GroupBits-1:0] wr_group_o,
  output beat_t wr_data_o,

  output logic [31:0] groups_loaded_o,
  input logic group_free_i,  // pulse: the words of one group
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
  beats_t group_beats_q;
  address_t address_d, address_q;
  logic [WordBits:0] words_free_d, words_free_q;
  logic [GroupBits:0] groups_free_d, groups_free_q;
  logic accepted, room, last_group;
  assign accepted = state_q == Request && req_ready_i;
  assign room = words_free_q >= layer_i.group_words[WordBits:0] && groups_free_q != '0;

  conv_loop u_groups (
    .clk_i,
    .restart_i(state_q == Idle),
    .step_i(accepted),
    .limit_i(layer_i.groups),
    .last_o(last_group)
  );

  always_comb begin
    state_d = state_q;
    address_d = address_q;
    words_free_d = words_free_q;
    groups_free_d = groups_free_q + (GroupBits + 1)'(parameter_free_i);
    if (group_free_i) words_free_d = words_free_q + layer_i.group_words[WordBits:0];
    unique case (state_q)
      Idle: begin
        address_d = layer_i.weights_address;
        if (start_i) begin
          words_free_d = (WordBits + 1)'(WeightWords);
          groups_free_d = (GroupBits + 1)'(ParameterGroups);
          state_d = WaitRoom;
        end
      end
      WaitRoom: begin
        if (room) begin
          words_free_d = words_free_d - layer_i.group_words[WordBits:0];
          groups_free_d = groups_free_d - (GroupBits + 1)'(1);
          state_d = Request;
        end
      end
      Request: begin
        if (req_ready_i) begin
          address_d = address_q + (address_t'(group_beats_q) << AlignBits);
          state_d = last_group ? Idle : WaitRoom;
        end
      end
      default: state_d = Idle;
    endcase
  end

  assign req_valid_o = state_q == Request;
  assign req_address_o = address_q;
  assign req_beats_o = group_beats_q;

  // Data.
  logic parameters_d, parameters_q;  // the next beat is a parameter
  logic [ColumnBits-1:0] column_d, column_q;
  logic last_parameters, last_column, last_word, data_last_group;
  logic parameter_beat, weight_beat, word_end, group_end;
  assign parameter_beat = data_valid_i && parameters_q;
  assign weight_beat = data_valid_i && !parameters_q;
  assign last_parameters = column_q == ColumnBits'(ParameterBeats - 1);
  assign last_column = column_q == ColumnBits'(Columns - 1);
  assign word_end = weight_beat && last_column;
  assign group_end = word_end && last_word;

  conv_loop u_words (
    .clk_i,
    .restart_i(start_i),
    .step_i(word_end),
    .limit_i(layer_i.group_words),
    .last_o(last_word)
  );
  conv_loop u_data_groups (
    .clk_i,
    .restart_i(start_i),
    .step_i(group_end),
    .limit_i(layer_i.groups),
    .last_o(data_last_group)
  );

  logic [WordBits-1:0] word_d, word_q;
  logic [GroupBits-1:0] group_d, group_q;
  logic [31:0] loaded_d, loaded_q;

  always_comb begin
    parameters_d = parameters_q;
    column_d = column_q;
    word_d = word_q;
    group_d = group_q;
    loaded_d = loaded_q;
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
      loaded_d = loaded_q + 32'd1;
    end
    if (start_i) begin
      parameters_d = 1'b1;
      column_d = '0;
      word_d = '0;
      group_d = '0;
      loaded_d = '0;
    end
  end

  logic wr_valid_q, wr_is_parameter_q, done_q;
  logic [ColumnBits-1:0] wr_column_q;
  logic [WordBits-1:0] wr_word_q;
  logic [GroupBits-1:0] wr_group_q;
  beat_t wr_data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      wr_valid_q <= 1'b0;
      done_q <= 1'b0;
      loaded_q <= '0;
    end else begin
      state_q <= state_d;
      wr_valid_q <= data_valid_i;
      done_q <= group_end && data_last_group;
      loaded_q <= loaded_d;
    end
  end

  always_ff @(posedge clk_i) begin
    group_beats_q <= word_beats(layer_i.group_words) + beats_t'(ParameterBeats);
    address_q <= address_d;
    words_free_q <= words_free_d;
    groups_free_q <= groups_free_d;
    parameters_q <= parameters_d;
    column_q <= column_d;
    word_q <= word_d;
    group_q <= group_d;
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
  assign groups_loaded_o = loaded_q;
  assign done_o = done_q;

endmodule
