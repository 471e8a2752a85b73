// SPDX-License-Identifier: Apache-2.0

/// Output rows of a layer, pass after pass, each as soon as its input rows are in the line buffer:
/// where the top row of the kernel lies, and what ends with it.
///
/// One row per cycle. `rows_loaded_i` and `rows_free_o` count input rows over all passes; an input
/// that fits the ring as a whole is loaded only once. Padding rows have places in the ring, too,
/// so that a position only ever moves forward.
module conv_row_positions
  import conv_pkg::*;
#(
  parameter int unsigned LineBufferBeats = 16384,
  localparam int unsigned PositionBits = $clog2(LineBufferBeats)
) (
  input logic clk_i,
  input logic rst_ni,

  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  input logic start_i,
  input row_t rows_loaded_i,

  output logic row_valid_o,
  input logic row_ready_i,
  output logic [PositionBits-1:0] row_beat_o,  // of the top row of the kernel, in the ring
  output row_t row_o,  // the same as input row; outside 0 .. input_height - 1 it is padding
  output count_t groups_o,  // of this pass
  output logic pass_first_o,  // first output row of a pass
  output logic pass_last_o,
  output logic layer_last_o,
  output row_t rows_free_o  // input rows before it are not needed after this output row
);

  typedef logic [PositionBits-1:0] position_t;
  typedef struct packed {
    position_t beat;
    row_t row;
    count_t groups;
    logic pass_first;
    logic pass_last;
    logic layer_last;
  } walk_t;

  row_t height, stride;
  assign height = row_t'({2'b0, layer_i.input_height});
  assign stride = row_t'({14'b0, layer_i.stride_height});

  typedef enum logic [1:0] {
    Idle,
    Measure,
    Walk
  } state_e;
  state_e state_d, state_q;

  // Measure: rows that the kernel spans.
  row_t span_d, span_q;
  logic span_last;

  conv_loop #(
    .Width($bits(layer_i.kernel_height))
  ) u_kernel_rows (
    .clk_i,
    .restart_i(start_i),
    .step_i(state_q == Measure),
    .limit_i(layer_i.kernel_height),
    .last_o(span_last)
  );

  // Way of a whole pass around the ring, in the background: the second pass cannot start before
  // all rows of the first are loaded, and that takes at least one cycle per row.
  logic lap_busy_d, lap_busy_q, lap_known_q, lap_last;
  position_t lap_d, lap_q, lap_next;

  conv_loop u_lap_rows (
    .clk_i,
    .restart_i(start_i),
    .step_i(lap_busy_q),
    .limit_i(layer_i.input_height),
    .last_o(lap_last)
  );
  conv_ring_add #(
    .Width(PositionBits)
  ) u_lap (
    .clk_i,
    .position_i(lap_q),
    .step_i(layer_i.row_beats[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(lap_next)
  );

  // Walk: the present output row.
  logic move, take, row_first_d, row_first_q, row_last, pass_last;
  row_t row_d, row_q;
  row_t rows_before_d, rows_before_q;  // rows of earlier passes
  count_t groups_left_d, groups_left_q;
  position_t beat_d, beat_q, beat_next;  // of the top row of the kernel
  position_t pass_beat_d, pass_beat_q, pass_beat_next;  // of the same in the first output row

  assign take = state_q == Walk && move && (!row_last || pass_last || lap_known_q);

  conv_loop u_rows (
    .clk_i,
    .restart_i(start_i),
    .step_i(take),
    .limit_i(layer_i.output_height),
    .last_o(row_last)
  );
  conv_loop u_passes (
    .clk_i,
    .restart_i(start_i),
    .step_i(take && row_last),
    .limit_i(layer_i.passes),
    .last_o(pass_last)
  );
  conv_ring_add #(
    .Width(PositionBits)
  ) u_row_beat (
    .clk_i,
    .position_i(beat_q),
    .step_i(layer_i.output_row_step[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(beat_next)
  );
  conv_ring_add #(
    .Width(PositionBits)
  ) u_pass_beat (
    .clk_i,
    .position_i(pass_beat_q),
    .step_i({1'b0, lap_q}),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(pass_beat_next)
  );

  always_comb begin
    state_d = state_q;
    span_d = span_q;
    lap_d = lap_q;
    lap_busy_d = lap_busy_q;
    row_first_d = row_first_q;
    row_d = row_q;
    rows_before_d = rows_before_q;
    groups_left_d = groups_left_q;
    beat_d = beat_q;
    pass_beat_d = pass_beat_q;

    if (state_q == Measure) begin
      if (span_last) state_d = Walk;
      else span_d = span_q + row_t'({2'b0, layer_i.dilation_height});
    end

    if (lap_busy_q) begin
      lap_d = lap_next;
      lap_busy_d = !lap_last;
    end

    if (take) begin
      row_first_d = row_last;
      row_d = row_q + stride;
      beat_d = beat_next;
      if (row_last) begin
        row_d = -row_t'({2'b0, layer_i.pad_top});
        beat_d = pass_beat_next;
        pass_beat_d = pass_beat_next;
        groups_left_d = groups_left_q - layer_i.groups_per_pass;
        if (!layer_i.resident) rows_before_d = rows_before_q + height;
        if (pass_last) state_d = Idle;
      end
    end

    if (start_i) begin
      state_d = Measure;
      span_d = row_t'(1);
      lap_d = '0;
      lap_busy_d = !layer_i.resident;
      row_first_d = 1'b1;
      row_d = -row_t'({2'b0, layer_i.pad_top});
      rows_before_d = '0;
      groups_left_d = layer_i.groups;
      beat_d = layer_i.pad_top == '0 ? '0
                                     : position_t'(layer_i.ring_beats - layer_i.pad_top_step);
      pass_beat_d = beat_d;
    end
  end

  // Three stages, which move together: rows from .. to, clipped to the image, counted over passes.
  logic valid_q, valid_q2, valid_q3;
  walk_t walk_q, walk_q2, walk_q3;
  row_t rows_before_q2, rows_before_q3;
  row_t end_q, next_q, needed_q2, free_q2, needed_q3, free_q3;
  row_t surplus;
  logic row_ready;

  assign surplus = rows_loaded_i - needed_q3;
  assign move = !valid_q3 || (surplus >= 0 && row_ready);

  always_ff @(posedge clk_i) begin
    if (move) begin
      walk_q <= '{
          beat: beat_q,
          row: row_q,
          groups: pass_last ? groups_left_q : layer_i.groups_per_pass,
          pass_first: row_first_q,
          pass_last: row_last,
          layer_last: row_last && pass_last
      };
      rows_before_q2 <= rows_before_q;
      end_q <= row_q + span_q;
      next_q <= row_q + stride;

      walk_q2 <= walk_q;
      rows_before_q3 <= rows_before_q2;
      needed_q2 <= end_q < height ? end_q : height;
      free_q2 <= next_q;
      if (next_q < 0) free_q2 <= '0;
      if (walk_q.pass_last || next_q > height) free_q2 <= height;

      walk_q3 <= walk_q2;
      needed_q3 <= rows_before_q3 + needed_q2;
      free_q3 <= rows_before_q3 + free_q2;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      valid_q <= 1'b0;
      valid_q2 <= 1'b0;
      valid_q3 <= 1'b0;
    end else begin
      state_q <= state_d;
      if (move) begin
        valid_q <= take;
        valid_q2 <= valid_q;
        valid_q3 <= valid_q2;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    span_q <= span_d;
    lap_q <= lap_d;
    lap_busy_q <= lap_busy_d;
    lap_known_q <= !lap_busy_q && !start_i;  // one cycle later, for u_pass_beat
    row_first_q <= row_first_d;
    row_q <= row_d;
    rows_before_q <= rows_before_d;
    groups_left_q <= groups_left_d;
    beat_q <= beat_d;
    pass_beat_q <= pass_beat_d;
  end

  // Cuts the way from row_ready_i to all these registers.
  walk_t walk;
  logic [1:0] unused_usage;

  conv_fifo #(
    .Width($bits(walk_t) + $bits(row_t)),
    .Depth(2)
  ) u_rows_ready (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q3 && surplus >= 0),
    .ready_o(row_ready),
    .data_i({walk_q3, free_q3}),
    .valid_o(row_valid_o),
    .ready_i(row_ready_i),
    .data_o({walk, rows_free_o}),
    .usage_o(unused_usage)
  );

  assign row_beat_o = walk.beat;
  assign row_o = walk.row;
  assign groups_o = walk.groups;
  assign pass_first_o = walk.pass_first;
  assign pass_last_o = walk.pass_last;
  assign layer_last_o = walk.layer_last;

endmodule
