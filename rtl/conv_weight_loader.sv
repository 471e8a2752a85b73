// SPDX-License-Identifier: Apache-2.0

/// Reads weight streams into the ring of weight words and the ring of parameters, as far ahead of
/// the arrays as there is room.
///
/// A layer is taken by valid and ready; when the last of its weights are requested, the next layer
/// can be taken, and its weights follow in the rings while the array still works on those before.
///
/// A stream is a table if the layer has one, then group by group the parameters and the words. Words
/// come in units: all of a group, or its kernel rows one by one. A unit, with what lies before it,
/// is one request, made when both rings have room for all of it, so data never wait. Writes leave
/// one cycle after the data; a unit counts as loaded together with its last write.
module conv_weight_loader
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  localparam int unsigned WordBits = $clog2(WeightWords),
  localparam int unsigned Columns = OutputLanes / SliceLanes * InputLanes,
  localparam int unsigned VectorColumns = VectorLanes / SliceLanes,
  localparam int unsigned MostWordBeats = Columns > VectorColumns ? Columns : VectorColumns,
  localparam int unsigned MostBeats = MostWordBeats > TableBeats ? MostWordBeats : TableBeats,
  localparam int unsigned ColumnBits = $clog2(MostBeats + 1)
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
  output weight_e wr_kind_o,
  output logic [WordBits-1:0] wr_word_o,  // place of a weight word
  output logic [WordBits-1:0] wr_slice_o,  // place of the parameters of a slice
  output logic [ColumnBits-1:0] wr_column_o,  // beat of the table, the slice or the word
  output beat_t wr_data_o,

  output logic weights_loaded_o,  // pulse: one more unit
  input logic weights_free_i,  // pulse: the words of one unit
  input logic [WordBits:0] free_words_i,  // that many
  input logic parameter_free_i  // pulse: the parameters of one slice
);

  /// Beats of a number of words, added up in a tree: DSPs are for the array.
  function automatic beats_t beats(logic [WordBits:0] words, logic [ColumnBits-1:0] word_beats);
    beats_t terms[16];
    for (int unsigned i = 0; i < 16; i++) begin
      terms[i] = '0;
      if (i < ColumnBits && word_beats[i]) terms[i] = beats_t'(words) << i;
    end
    for (int unsigned step = 1; step < 16; step *= 2) begin
      for (int unsigned i = 0; i < 16; i += 2 * step) terms[i] += terms[i+step];
    end
    return terms[0];
  endfunction

  // Requests and what their data begin with.
  localparam int unsigned MaxRequests = 16;  // under way

  typedef struct packed {
    logic table_first;
    logic parameters_first;
    slices_t slices;
    logic [ColumnBits-1:0] word_beats;
  } request_t;

  typedef enum logic [1:0] {
    Idle,
    WaitRoom,
    Request
  } state_e;
  state_e state_d, state_q;

  request_t request_d, request_q;
  logic [WordBits:0] unit_words_d, unit_words_q;
  beats_t unit_beats_d, unit_beats_q, before_beats, request_beats_q;
  logic [4:0] group_units_d, group_units_q, units_left_d, units_left_q;  // not requested
  count_t groups_left_d, groups_left_q;
  address_t address_d, address_q;
  // Places of the rings.
  logic [WordBits:0] words_free_d, words_free_q, slices_free_d, slices_free_q, slices_needed;
  logic room, last_unit, requested, request_free;
  assign slices_needed = request_q.parameters_first ? (WordBits + 1)'(request_q.slices) : '0;
  assign room = words_free_q >= unit_words_q && slices_free_q >= slices_needed;
  assign last_unit = units_left_q == 5'd1;
  assign requested = req_valid_o && req_ready_i;

  always_comb begin
    before_beats = '0;
    if (request_q.parameters_first) before_beats = beats_t'(request_q.slices * SliceParameterBeats);
    if (request_q.table_first) before_beats += beats_t'(TableBeats);
  end

  always_comb begin
    state_d = state_q;
    request_d = request_q;
    unit_words_d = unit_words_q;
    unit_beats_d = unit_beats_q;
    group_units_d = group_units_q;
    units_left_d = units_left_q;
    groups_left_d = groups_left_q;
    address_d = address_q;
    words_free_d = words_free_q;
    slices_free_d = slices_free_q + (WordBits + 1)'(parameter_free_i);
    if (weights_free_i) words_free_d = words_free_q + free_words_i;
    unique case (state_q)
      Idle: begin
        request_d = '{
            table_first: layer_i.has_table,
            parameters_first: 1'b1,
            slices: layer_i.slices_per_group,
            word_beats: layer_i.word_beats[ColumnBits-1:0]
        };
        unit_words_d = layer_i.weights_by_row ? layer_i.row_words[WordBits:0]
                                              : layer_i.group_words[WordBits:0];
        unit_beats_d = beats(unit_words_d, request_d.word_beats);
        group_units_d = layer_i.weights_by_row ? layer_i.kernel_height : 5'd1;
        units_left_d = group_units_d;
        groups_left_d = layer_i.groups;
        address_d = layer_i.weights_address;
        if (layer_valid_i) state_d = WaitRoom;
      end
      WaitRoom: begin
        if (room) begin
          words_free_d = words_free_d - unit_words_q;
          slices_free_d = slices_free_d - slices_needed;
          state_d = Request;
        end
      end
      Request: begin
        if (requested) begin
          request_d.table_first = 1'b0;
          request_d.parameters_first = last_unit;
          units_left_d = last_unit ? group_units_q : units_left_q - 5'd1;
          if (last_unit) groups_left_d = groups_left_q - 16'd1;
          address_d = address_q + (address_t'(request_beats_q) << AlignBits);
          state_d = last_unit && groups_left_q == 16'd1 ? Idle : WaitRoom;
        end
      end
      default: state_d = Idle;
    endcase
  end

  assign layer_ready_o = state_q == Idle;
  assign req_valid_o = state_q == Request && request_free;
  assign req_address_o = address_q;
  assign req_beats_o = request_beats_q;

  // Requests under way; the one whose data come next is in registers.
  request_t queued, data_d, data_q;
  logic any_queued, data_known_d, data_known_q, take;
  logic [$clog2(MaxRequests+1)-1:0] unused_usage;
  assign take = !data_known_q || (data_valid_i && data_last_i);

  conv_fifo #(
    .Width($bits(request_t)),
    .Depth(MaxRequests)
  ) u_requests (
    .clk_i,
    .rst_ni,
    .valid_i(requested && (!take || any_queued)),
    .ready_o(request_free),
    .data_i(request_q),
    .valid_o(any_queued),
    .ready_i(take),
    .data_o(queued),
    .usage_o(unused_usage)
  );

  // Data: what the next beat is, where it goes, and what follows.
  weight_e kind_d, kind_q;
  logic [ColumnBits-1:0] column_d, column_q, last_column;
  slices_t slices_d, slices_q;  // of the group, before this one
  logic [WordBits-1:0] word_d, word_q, slice_d, slice_q;
  logic column_end;

  always_comb begin
    unique case (kind_q)
      WeightTable: last_column = ColumnBits'(TableBeats - 1);
      WeightParameter: last_column = ColumnBits'(SliceParameterBeats - 1);
      default: last_column = data_q.word_beats - ColumnBits'(1);
    endcase
  end
  assign column_end = column_q == last_column;

  /// The place behind one in a ring.
  function automatic logic [WordBits-1:0] following(logic [WordBits-1:0] place);
    return place == WordBits'(WeightWords - 1) ? '0 : place + WordBits'(1);
  endfunction

  always_comb begin
    kind_d = kind_q;
    column_d = column_q;
    slices_d = slices_q;
    word_d = word_q;
    slice_d = slice_q;
    if (data_valid_i) begin
      column_d = column_end ? '0 : column_q + ColumnBits'(1);
      if (column_end) begin
        unique case (kind_q)
          WeightTable: kind_d = WeightParameter;
          WeightParameter: begin
            slice_d = following(slice_q);
            slices_d = slices_q + slices_t'(1);
            if (slices_q == data_q.slices - slices_t'(1)) begin
              slices_d = '0;
              kind_d = WeightWord;
            end
          end
          default: word_d = following(word_q);
        endcase
      end
    end

    data_d = data_q;
    data_known_d = data_known_q;
    if (take) begin
      data_d = any_queued ? queued : request_q;
      data_known_d = any_queued || requested;
      kind_d = WeightWord;
      if (data_d.parameters_first) kind_d = WeightParameter;
      if (data_d.table_first) kind_d = WeightTable;
    end
  end

  logic wr_valid_q, loaded_q;
  weight_e wr_kind_q;
  logic [ColumnBits-1:0] wr_column_q;
  logic [WordBits-1:0] wr_word_q, wr_slice_q;
  beat_t wr_data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      words_free_q <= (WordBits + 1)'(WeightWords);
      slices_free_q <= (WordBits + 1)'(WeightWords);
      data_known_q <= 1'b0;
      column_q <= '0;
      slices_q <= '0;
      word_q <= '0;
      slice_q <= '0;
      wr_valid_q <= 1'b0;
      loaded_q <= 1'b0;
    end else begin
      state_q <= state_d;
      words_free_q <= words_free_d;
      slices_free_q <= slices_free_d;
      data_known_q <= data_known_d;
      column_q <= column_d;
      slices_q <= slices_d;
      word_q <= word_d;
      slice_q <= slice_d;
      wr_valid_q <= data_valid_i;
      loaded_q <= data_valid_i && data_last_i;
    end
  end

  always_ff @(posedge clk_i) begin
    request_q <= request_d;
    unit_words_q <= unit_words_d;
    unit_beats_q <= unit_beats_d;
    group_units_q <= group_units_d;
    units_left_q <= units_left_d;
    groups_left_q <= groups_left_d;
    // Ready in time: a request comes two cycles after its layer, or after the one before.
    request_beats_q <= unit_beats_q + before_beats;
    address_q <= address_d;
    data_q <= data_d;
    kind_q <= kind_d;
    wr_kind_q <= kind_q;
    wr_column_q <= column_q;
    wr_word_q <= word_q;
    wr_slice_q <= slice_q;
    wr_data_q <= data_i;
  end

  assign wr_valid_o = wr_valid_q;
  assign wr_kind_o = wr_kind_q;
  assign wr_column_o = wr_column_q;
  assign wr_word_o = wr_word_q;
  assign wr_slice_o = wr_slice_q;
  assign wr_data_o = wr_data_q;
  assign weights_loaded_o = loaded_q;

  always_ff @(posedge clk_i) begin
    if (rst_ni && data_valid_i) begin
      assert (data_known_q);
      if (data_last_i) assert (kind_q == WeightWord && column_end);
    end
  end

endmodule
