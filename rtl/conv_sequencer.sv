// SPDX-License-Identifier: Apache-2.0

/// Walks the loop nest of a layer: one word for the array per cycle, without a bubble between loops.
///
///     pass - output row - output column - group - kernel row - segment - word
///
/// An output row starts when the input rows under its kernel are in the line buffer; an output (one
/// pixel and group) when the weights of its group are loaded and its NumSlices results find room;
/// its words then follow in consecutive cycles. Outputs start at least NumSlices cycles apart, as
/// the array asks.
///
/// Words leave on op_* five cycles after their issue; nothing can stall them there. From the start
/// to `done_o`, exactly one of issue_o and stall_* is high in every cycle. The row counts run over
/// all passes of a layer; the groups and their words run on from layer to layer, until a reset.
module conv_sequencer
  import conv_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
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
  input logic group_loaded_i,  // pulse
  output logic group_free_o,  // pulse: the words of one more group may be overwritten
  input logic credit_i,  // pulse: one slice left the result FIFO

  output logic op_valid_o,
  output logic [ByteBits-1:0] op_address_o,
  output offset_t op_offset_o,  // of the word's first byte in the row
  output logic op_row_valid_o,  // the row is inside the image
  output logic [WordBits-1:0] op_weight_word_o,
  output logic op_first_o,
  output logic op_last_o,

  output logic issue_o,
  output logic stall_input_o,
  output logic stall_weights_o,
  output logic stall_output_o
);

  localparam int unsigned NumSlices = OutputLanes / SliceLanes;
  localparam int unsigned PositionBits = $clog2(LineBufferBeats);
  // From op_* to the last read of the word in the weight buffer: way to the array, skew of the
  // slices, position in the cascade.
  localparam int unsigned FreeDelay = LineBufferLatency + 1 + NumSlices + 8;

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

  // Loops, from the inside out. A loop steps when all inner ones are at their last iteration.
  logic issue, step_segment, step_kernel_row, step_output, step_column, step_row;
  logic last_word, last_segment, last_kernel_row, last_group, last_column;
  assign step_segment = issue && last_word;
  assign step_kernel_row = step_segment && last_segment;
  assign step_output = step_kernel_row && last_kernel_row;
  assign step_column = step_output && last_group;
  assign step_row = step_column && last_column;

  // The group loop of the last column begins anew for the row that follows.
  count_t groups;
  assign groups = last_column || !row_valid_q ? row_next.groups : row_q.groups;

  conv_loop u_words (
    .clk_i,
    .restart_i(!row_valid_q),
    .step_i(issue),
    .limit_i(layer_i.segment_words),
    .last_o(last_word)
  );
  conv_loop #(
    .Width($bits(layer_i.segments))
  ) u_segments (
    .clk_i,
    .restart_i(!row_valid_q),
    .step_i(step_segment),
    .limit_i(layer_i.segments),
    .last_o(last_segment)
  );
  conv_loop #(
    .Width($bits(layer_i.kernel_height))
  ) u_kernel_rows (
    .clk_i,
    .restart_i(!row_valid_q),
    .step_i(step_kernel_row),
    .limit_i(layer_i.kernel_height),
    .last_o(last_kernel_row)
  );
  conv_loop u_groups (
    .clk_i,
    .restart_i(!row_valid_q),
    .step_i(step_output),
    .limit_i(groups),
    .last_o(last_group)
  );
  conv_loop u_columns (
    .clk_i,
    .restart_i(!row_valid_q),
    .step_i(step_column),
    .limit_i(layer_i.output_width),
    .last_o(last_column)
  );

  // The iteration after a last one is a first one.
  typedef struct packed {
    logic word;
    logic segment;
    logic kernel_row;
    logic group;
    logic column;
  } first_t;
  first_t first_d, first_q;
  logic output_first;
  assign output_first = first_q.word && first_q.segment && first_q.kernel_row;

  always_comb begin
    first_d = first_q;
    if (issue) first_d.word = last_word;
    if (step_segment) first_d.segment = last_segment;
    if (step_kernel_row) first_d.kernel_row = last_kernel_row;
    if (step_output) first_d.group = last_group;
    if (step_column) first_d.column = last_column;
    if (!row_valid_q) first_d = '1;
  end

  assign row_ready = !row_valid_q || step_row;

  always_comb begin
    row_d = row_q;
    row_valid_d = row_valid_q;
    if (row_ready) begin
      row_d = row_next;
      row_valid_d = row_next_valid;
    end
  end

  logic weights_ready, output_ready;

  conv_output_gate #(
    .NumSlices(NumSlices),
    .MaxGroups(WeightWords / NumSlices),
    .ResultDepth(ResultDepth)
  ) u_output_gate (
    .clk_i,
    .rst_ni,
    .take_i(issue && output_first),
    // Only the first column of a pass can meet groups that are not loaded.
    .weights_needed_i(row_q.pass_first && first_q.column),
    .group_loaded_i,
    .credit_i,
    .weights_ready_o(weights_ready),
    .output_ready_o(output_ready)
  );

  assign issue = row_valid_q && (!output_first || (weights_ready && output_ready));

  logic busy_d, busy_q;
  assign busy_d = start_i || (busy_q && !done_o);
  assign done_o = step_row && row_q.layer_last;
  assign issue_o = issue;
  assign stall_input_o = busy_q && !row_valid_q;
  assign stall_weights_o = row_valid_q && output_first && !weights_ready;
  assign stall_output_o = row_valid_q && output_first && weights_ready && !output_ready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      row_valid_q <= 1'b0;
    end else begin
      busy_q <= busy_d;
      row_valid_q <= row_valid_d;
    end
  end

  always_ff @(posedge clk_i) begin
    row_q <= row_d;
    first_q <= first_d;
  end

  // What travels with a word.
  typedef struct packed {
    logic first;
    logic last;
    logic group_last;  // the last word of a pass that uses its group
    logic row_last;  // the last word of an output row
    row_t rows_free;
  } tag_t;
  tag_t tag, op_tag;
  assign tag = '{
      first: output_first,
      last: step_output,
      group_last: step_output && last_column && row_q.pass_last,
      row_last: step_row,
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
    .issue_i(issue),
    .word_first_i(first_q.word),
    .segment_first_i(first_q.segment),
    .kernel_row_first_i(first_q.kernel_row),
    .group_first_i(first_q.group),
    .column_first_i(first_q.column),
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

  // Rows are free when their last word is on its way to the line buffer, which reads it before the
  // loader can write. Weights are read later.
  row_t rows_free_d, rows_free_q;
  logic [FreeDelay-1:0] free_q;
  assign rows_free_o = rows_free_q;
  assign group_free_o = free_q[FreeDelay-1];

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
      free_q <= {free_q[FreeDelay-2:0], op_valid_o && op_tag.group_last};
    end
  end

endmodule
