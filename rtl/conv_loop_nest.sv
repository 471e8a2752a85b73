// SPDX-License-Identifier: Apache-2.0

/// Loops of the sequencer inside an output row: which of them are at their first or last iteration.
///
///     output column - group - kernel row - segment - word
///
/// A step per cycle, from word to word. After the last word of a row comes the first of the next
/// one; `restart_i` goes there at once. The flags are registers. `groups_i` is taken with the first
/// word of every column, the sizes of the layer must stay.
module conv_loop_nest
  import conv_pkg::*;
(
  input logic clk_i,

  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  input count_t groups_i,
  input logic restart_i,
  input logic step_i,

  output loops_t first_o,
  output loops_t last_o,
  output digit_t digit_o  // kernel column of a word of ADD, 0 for the other kinds
);

  // A loop steps when all inner ones are at their last iteration.
  loops_t step, first_d, first_q;
  digit_t digit_d, digit_q;

  assign step.word = step_i;
  assign step.segment = step.word && last_o.word;
  assign step.kernel_row = step.segment && last_o.segment;
  assign step.group = step.kernel_row && last_o.kernel_row;
  assign step.column = step.group && last_o.group;

  conv_loop u_words (
    .clk_i,
    .restart_i,
    .step_i(step.word),
    .limit_i(layer_i.segment_words),
    .last_o(last_o.word)
  );
  conv_loop #(
    .Width($bits(layer_i.segments))
  ) u_segments (
    .clk_i,
    .restart_i,
    .step_i(step.segment),
    .limit_i(layer_i.segments),
    .last_o(last_o.segment)
  );
  conv_loop #(
    .Width($bits(layer_i.kernel_height))
  ) u_kernel_rows (
    .clk_i,
    .restart_i,
    .step_i(step.kernel_row),
    .limit_i(layer_i.kernel_height),
    .last_o(last_o.kernel_row)
  );
  conv_loop u_groups (
    .clk_i,
    .restart_i,
    .step_i(step.group),
    .limit_i(groups_i),
    .last_o(last_o.group)
  );
  conv_loop u_columns (
    .clk_i,
    .restart_i,
    .step_i(step.column),
    .limit_i(layer_i.output_width),
    .last_o(last_o.column)
  );

  // The iteration after a last one is a first one.
  always_comb begin
    first_d = first_q;
    if (step.word) first_d.word = last_o.word;
    if (step.segment) first_d.segment = last_o.segment;
    if (step.kernel_row) first_d.kernel_row = last_o.kernel_row;
    if (step.group) first_d.group = last_o.group;
    if (step.column) first_d.column = last_o.column;
    if (restart_i) first_d = '1;

    digit_d = digit_q;
    if (step.segment) digit_d = digit_q + digit_t'(1);
    if (step.kernel_row || restart_i || layer_i.kind != conv_regs_pkg::KindAdd) digit_d = '0;
  end

  always_ff @(posedge clk_i) begin
    first_q <= first_d;
    digit_q <= digit_d;
  end

  assign first_o = first_q;
  assign digit_o = digit_q;

endmodule
