// SPDX-License-Identifier: Apache-2.0

/// Walks the loop nest of a layer: one word for the array per cycle, without a bubble between loops.
///
///     pass - output row - output column - group - kernel row - segment - word
///
/// An output row starts when the input rows under its kernel are in the line buffer; an output (one
/// pixel and group) when the weights of its group are loaded and its slices find room; its words
/// then follow in consecutive cycles. If weights come by row, each kernel row waits for its own.
/// Outputs start at least as many cycles apart as they have slices, as the arrays ask.
///
/// Words leave on op_* five cycles after their issue; nothing can stall them there. From the start
/// to `done_o`, exactly one of issue_o and stall_* is high in every cycle. The row counts run over
/// all passes of a layer; the units of weights run on from layer to layer, until a reset.
module conv_sequencer
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter int unsigned ResultDepth = 64,  // slices that the result FIFO holds
  localparam int unsigned ByteBits = $clog2(LineBufferBeats * BeatBytes),
  localparam int unsigned WordBits = $clog2(WeightWords)
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic done_o,  // pulse: the last word was issued

  input row_t rows_loaded_i,
  output row_t rows_free_o,
  // Units of weights: groups, or kernel rows of them.
  input logic weights_loaded_i,  // pulse: one more
  output logic weights_free_o,  // pulse: the words of one more may be overwritten
  input logic credit_i,  // pulse: one slice left the result FIFO

  output logic op_valid_o,
  output logic [ByteBits-1:0] op_address_o,
  output offset_t op_offset_o,  // of the word's first byte in the row
  output logic op_row_valid_o,  // the row is inside the image
  output logic [WordBits-1:0] op_weight_word_o,
  output logic op_first_o,
  output logic op_last_o,
  output digit_t op_digit_o,  // kernel column of a word of ADD, 0 for the other kinds

  output logic issue_o,
  output logic stall_input_o,
  output logic stall_weights_o,
  output logic stall_output_o
);

  localparam int unsigned PositionBits = $clog2(LineBufferBeats);
  localparam int unsigned NumSlices = OutputLanes / SliceLanes;
  localparam int unsigned VectorSlices = VectorLanes / SliceLanes;
  localparam int unsigned MaxSlices = NumSlices > VectorSlices ? NumSlices : VectorSlices;
  // From op_* to the last read of the word in a weight buffer: way to the array, skew of the
  // slices, position in the cascade of the MAC array or registers of the vector unit.
  localparam int unsigned MacReads = NumSlices + 8;
  localparam int unsigned VectorReads = VectorSlices + 4;
  localparam int unsigned FreeDelay =
      LineBufferLatency + 1 + (MacReads > VectorReads ? MacReads : VectorReads);

  // Output rows whose input is there; one is held here while it is worked on.
  typedef struct packed {
    logic [PositionBits-1:0] beat;
    row_t row;
    count_t groups;
    logic pass_first;
    logic pass_last;
    logic layer_last;
    row_t rows_free;
  } output_row_t;
  output_row_t row_next, row_d, row_q;
  logic row_next_valid, row_ready, row_valid_d, row_valid_q;

  conv_row_positions #(
    .LineBufferBeats(LineBufferBeats)
  ) u_row_positions (
    .clk_i,
    .rst_ni,
    .layer_i,
    .start_i,
    .rows_loaded_i,
    .row_valid_o(row_next_valid),
    .row_ready_i(row_ready),
    .row_beat_o(row_next.beat),
    .row_o(row_next.row),
    .groups_o(row_next.groups),
    .pass_first_o(row_next.pass_first),
    .pass_last_o(row_next.pass_last),
    .layer_last_o(row_next.layer_last),
    .rows_free_o(row_next.rows_free)
  );

  // The loops; the group loop of the last column begins anew for the row that follows.
  logic issue, output_first, output_last, row_last;
  loops_t first, last;
  digit_t digit;
  count_t groups;
  assign groups = last.column || !row_valid_q ? row_next.groups : row_q.groups;
  assign output_first = first.word && first.segment && first.kernel_row;
  assign output_last = last.word && last.segment && last.kernel_row;
  assign row_last = output_last && last.group && last.column;

  conv_loop_nest u_loops (
    .clk_i,
    .layer_i,
    .groups_i(groups),
    .restart_i(!row_valid_q),
    .step_i(issue),
    .first_o(first),
    .last_o(last),
    .digit_o(digit)
  );

  assign row_ready = !row_valid_q || (issue && row_last);

  always_comb begin
    row_d = row_q;
    row_valid_d = row_valid_q;
    if (row_ready) begin
      row_d = row_next;
      row_valid_d = row_next_valid;
    end
  end

  // Units of weights that are loaded and freed together: a group, or a kernel row of it. Only the
  // first column of a pass can meet one that is not loaded.
  logic unit_first, unit_last, needs_weights, weights_ready, output_ready;
  logic weights_missing, output_blocked;
  assign unit_first = first.word && first.segment &&
                      (first.kernel_row || layer_i.weights_by_row);
  assign unit_last = last.word && last.segment && (last.kernel_row || layer_i.weights_by_row);
  assign needs_weights = unit_first && row_q.pass_first && first.column;

  conv_output_gate #(
    .MaxSlices(MaxSlices),
    .MaxUnits(WeightWords),
    .ResultDepth(ResultDepth)
  ) u_output_gate (
    .clk_i,
    .rst_ni,
    .start_i,
    .slices_i(layer_i.slices_per_group),
    .weights_loaded_i,
    .take_weights_i(issue && needs_weights),
    .weights_ready_o(weights_ready),
    .credit_i,
    .take_output_i(issue && output_first),
    .output_ready_o(output_ready)
  );

  assign weights_missing = needs_weights && !weights_ready;
  assign output_blocked = output_first && !output_ready;
  assign issue = row_valid_q && !weights_missing && !output_blocked;

  logic busy_d, busy_q;
  assign busy_d = start_i || (busy_q && !done_o);
  assign done_o = issue && row_last && row_q.layer_last;
  assign issue_o = issue;
  assign stall_input_o = busy_q && !row_valid_q;
  assign stall_weights_o = row_valid_q && weights_missing;
  assign stall_output_o = row_valid_q && !weights_missing && output_blocked;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      row_valid_q <= 1'b0;
    end else begin
      busy_q <= busy_d;
      row_valid_q <= row_valid_d;
    end
  end

  always_ff @(posedge clk_i) row_q <= row_d;

  // What travels with a word.
  typedef struct packed {
    logic first;
    logic last;
    digit_t digit;
    logic unit_free;  // no later word of the pass uses its unit of weights
    logic row_last;  // the last word of an output row
    row_t rows_free;
  } tag_t;
  tag_t tag, op_tag;
  assign tag = '{
      first: output_first,
      last: output_last,
      digit: digit,
      unit_free: unit_last && last.column && row_q.pass_last,
      row_last: row_last,
      rows_free: row_q.rows_free
  };

  conv_word_positions #(
    .InputLanes(InputLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats),
    .TagWidth($bits(tag_t))
  ) u_word_positions (
    .clk_i,
    .rst_ni,
    .layer_i,
    .start_i,
    .issue_i(issue),
    .first_i(first),
    .pass_first_i(row_q.pass_first),
    .row_beat_i(row_q.beat),
    .row_i(row_q.row),
    .tag_i(tag),
    .op_valid_o,
    .op_address_o,
    .op_offset_o,
    .op_row_valid_o,
    .op_weight_word_o,
    .tag_o(op_tag)
  );

  assign op_first_o = op_valid_o && op_tag.first;
  assign op_last_o = op_valid_o && op_tag.last;
  assign op_digit_o = op_tag.digit;

  // Rows are free when their last word is on its way to the line buffer, which reads it before the
  // loader can write. Weights are read later.
  row_t rows_free_d, rows_free_q;
  logic [FreeDelay-1:0] free_q;
  assign rows_free_o = rows_free_q;
  assign weights_free_o = free_q[FreeDelay-1];

  always_comb begin
    rows_free_d = rows_free_q;
    if (op_valid_o && op_tag.row_last) rows_free_d = op_tag.rows_free;
    if (start_i) rows_free_d = '0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      rows_free_q <= '0;
      free_q <= '0;
    end else begin
      rows_free_q <= rows_free_d;
      free_q <= {free_q[FreeDelay-2:0], op_valid_o && op_tag.unit_free};
    end
  end

endmodule
