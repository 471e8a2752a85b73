// SPDX-License-Identifier: Apache-2.0

/// Walks the loop nest of a layer: one word for the array per cycle, without a bubble between loops.
///
///     pass - output row - output column - group - kernel row - segment - word
///
/// An output row starts when the input rows under its kernel are in the line buffer; the first word
/// of an output (one pixel and group) is issued when the weights of its group are loaded and
/// NumSlices results find room; the other words follow in consecutive cycles. Outputs start at
/// least NumSlices cycles apart, as the array asks. A pass starts a few cycles after the last one.
///
/// Words leave on op_* three cycles after their issue; nothing can stall them there.
/// `groups_loaded_i` and the row counts run over all passes of the layer.
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
  input layer_t layer_i,
  output logic done_o,  // pulse: the last word was issued

  input row_t rows_loaded_i,
  output row_t rows_free_o,
  input logic [31:0] groups_loaded_i,
  output logic group_free_o,  // pulse: the words of one more group may be overwritten
  input logic credit_i,  // pulse: one slice left the result FIFO

  output logic op_valid_o,
  output logic [ByteBits-1:0] op_address_o,
  output offset_t op_offset_o,  // of the word's first byte in the row
  output logic op_row_valid_o,  // the row is inside the image
  output logic [WordBits-1:0] op_weight_word_o,
  output logic op_first_o,
  output logic op_last_o,

  // At most one of these per cycle.
  output logic issue_o,
  output logic stall_input_o,
  output logic stall_weights_o,
  output logic stall_output_o
);

  localparam int unsigned NumSlices = OutputLanes / SliceLanes;
  localparam int unsigned CreditBits = $clog2(ResultDepth + 1);
  localparam int unsigned GapBits = $clog2(NumSlices + 1);
  // From the issue of a word to its last read in the weight buffer: way to the array, skew of the
  // slices, position in the cascade, with margin.
  localparam int unsigned FreeDelay = LineBufferLatency + NumSlices + 16;

  if (ResultDepth < NumSlices) begin : gen_bad_depth
    $fatal(1, "ResultDepth=%0d does not hold the %0d slices of one output", ResultDepth, NumSlices);
  end

  typedef enum logic [1:0] {
    Idle,
    PassLimits,  // how many groups this pass has
    PassStart,  // loops and positions restart
    Run
  } state_e;
  state_e state_d, state_q;

  // Loops, from the inside out. A loop steps when all inner ones are at their last iteration.
  logic restart, issue;
  logic step_segment, step_kernel_row, step_output, step_column, step_row, step_pass;
  logic last_word, last_segment, last_kernel_row, last_group, last_column, last_row, last_pass;
  assign restart = state_q == PassStart;
  assign step_segment = issue && last_word;
  assign step_kernel_row = step_segment && last_segment;
  assign step_output = step_kernel_row && last_kernel_row;
  assign step_column = step_output && last_group;
  assign step_row = step_column && last_column;
  assign step_pass = step_row && last_row;

  count_t groups_left_d, groups_left_q, pass_groups_d, pass_groups_q;

  conv_loop u_words (
    .clk_i, .restart_i(restart), .step_i(issue), .limit_i(layer_i.segment_words), .last_o(last_word)
  );
  conv_loop #(
    .Width(7)
  ) u_segments (
    .clk_i, .restart_i(restart), .step_i(step_segment), .limit_i(layer_i.segments),
    .last_o(last_segment)
  );
  conv_loop #(
    .Width(5)
  ) u_kernel_rows (
    .clk_i, .restart_i(restart), .step_i(step_kernel_row), .limit_i(layer_i.kernel_height),
    .last_o(last_kernel_row)
  );
  conv_loop u_groups (
    .clk_i, .restart_i(restart), .step_i(step_output), .limit_i(pass_groups_q), .last_o(last_group)
  );
  conv_loop u_columns (
    .clk_i, .restart_i(restart), .step_i(step_column), .limit_i(layer_i.output_width),
    .last_o(last_column)
  );
  conv_loop u_rows (
    .clk_i, .restart_i(restart), .step_i(step_row), .limit_i(layer_i.output_height),
    .last_o(last_row)
  );
  conv_loop u_passes (
    .clk_i, .restart_i(state_q == Idle), .step_i(step_pass), .limit_i(layer_i.passes),
    .last_o(last_pass)
  );

  // What an output waits for.
  logic row_ready, row_wait_d, row_wait_q, row_move;
  logic first_word_d, first_word_q;  // the next word starts an output
  logic first_column_d, first_column_q;  // first output column of a pass: groups may be missing
  logic weights_ready_d, weights_ready_q;
  logic [31:0] groups_begun_d, groups_begun_q;
  logic signed [31:0] groups_ahead;
  logic [CreditBits-1:0] credits_d, credits_q;
  logic room_d, room_q;
  logic [GapBits-1:0] gap_d, gap_q;  // cycles until the next output may start
  logic take, weights_ok, positions_ready;

  assign weights_ok = !first_column_q || weights_ready_q;
  assign take = issue && first_word_q;
  assign issue = state_q == Run && !row_wait_q &&
      (!first_word_q || (weights_ok && room_q && gap_q == '0));
  assign row_move = row_ready && (row_wait_q || (step_row && !last_row));

  assign issue_o = issue;
  assign stall_input_o = state_q == Run && row_wait_q;
  assign stall_weights_o = state_q == Run && !row_wait_q && first_word_q && !weights_ok;
  assign stall_output_o =
      state_q == Run && !row_wait_q && first_word_q && weights_ok && !room_q;
  assign done_o = step_pass && last_pass;

  assign groups_ahead = groups_loaded_i - groups_begun_q;

  always_comb begin
    row_wait_d = row_wait_q;
    if (restart || (step_row && !last_row)) row_wait_d = 1'b1;
    if (row_move) row_wait_d = 1'b0;

    first_word_d = first_word_q;
    if (issue) first_word_d = step_output;
    if (restart) first_word_d = 1'b1;

    first_column_d = first_column_q;
    if (step_column) first_column_d = 1'b0;
    if (restart) first_column_d = 1'b1;

    groups_begun_d = groups_begun_q;
    if (step_output && first_column_q) groups_begun_d = groups_begun_q + 32'd1;
    if (state_q == Idle) groups_begun_d = '0;
    weights_ready_d = groups_ahead > 0 && !step_output;

    credits_d = credits_q + CreditBits'(credit_i) - (take ? CreditBits'(NumSlices) : '0);
    if (state_q == Idle) credits_d = CreditBits'(ResultDepth);
    room_d = credits_d >= CreditBits'(NumSlices);

    gap_d = gap_q;
    if (gap_q != '0) gap_d = gap_q - GapBits'(1);
    if (take) gap_d = GapBits'(NumSlices - 1);
  end

  always_comb begin
    state_d = state_q;
    groups_left_d = groups_left_q;
    pass_groups_d = pass_groups_q;
    unique case (state_q)
      Idle: begin
        groups_left_d = layer_i.groups;
        if (start_i) state_d = PassLimits;
      end
      PassLimits: begin
        pass_groups_d =
            groups_left_q < layer_i.groups_per_pass ? groups_left_q : layer_i.groups_per_pass;
        // The loops read the limit one cycle before they restart.
        if (pass_groups_q == pass_groups_d && positions_ready) state_d = PassStart;
      end
      PassStart: begin
        groups_left_d = groups_left_q - pass_groups_q;
        state_d = Run;
      end
      Run: begin
        if (step_pass) state_d = last_pass ? Idle : PassLimits;
      end
      default: state_d = Idle;
    endcase
  end

  // The words of a group are free when the last output column of the pass has read them.
  logic [FreeDelay-1:0] free_q;
  assign group_free_o = free_q[FreeDelay-1];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      row_wait_q <= 1'b0;
      free_q <= '0;
      gap_q <= '0;
    end else begin
      state_q <= state_d;
      row_wait_q <= row_wait_d;
      free_q <= {free_q[FreeDelay-2:0], step_output && last_column && last_row};
      gap_q <= gap_d;
    end
  end

  always_ff @(posedge clk_i) begin
    groups_left_q <= groups_left_d;
    pass_groups_q <= pass_groups_d;
    first_word_q <= first_word_d;
    first_column_q <= first_column_d;
    weights_ready_q <= weights_ready_d;
    groups_begun_q <= groups_begun_d;
    credits_q <= credits_d;
    room_q <= room_d;
  end

  logic [ByteBits-4:0] row_beat;
  row_t row;

  conv_row_positions #(
    .LineBufferBeats(LineBufferBeats)
  ) u_row_positions (
    .clk_i,
    .rst_ni,
    .layer_i,
    .layer_start_i(start_i),
    .pass_start_i(restart),
    .pass_end_i(step_pass),
    .row_end_i(step_row),
    .move_i(row_move),
    .rows_loaded_i,
    .rows_free_o,
    .pass_ready_o(positions_ready),
    .row_ready_o(row_ready),
    .row_beat_o(row_beat),
    .row_o(row)
  );
  conv_word_positions #(
    .InputLanes(InputLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats)
  ) u_word_positions (
    .clk_i,
    .rst_ni,
    .layer_i,
    .layer_start_i(state_q == Idle),
    .move_i(row_move),
    .row_beat_i(row_beat),
    .row_i(row),
    .issue_i(issue),
    .step_segment_i(step_segment),
    .step_kernel_row_i(step_kernel_row),
    .step_output_i(step_output),
    .step_column_i(step_column),
    .step_pass_i(step_pass),
    .first_i(first_word_q),
    .op_valid_o,
    .op_address_o,
    .op_offset_o,
    .op_row_valid_o,
    .op_weight_word_o,
    .op_first_o,
    .op_last_o
  );

endmodule
