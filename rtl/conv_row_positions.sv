// SPDX-License-Identifier: Apache-2.0

/// Rows of a layer as the sequencer meets them: where the top kernel row of the next output row
/// lies in the line buffer, whether all its input rows are there, and which rows are not needed
/// any more.
///
/// `move_i` starts the next output row, of which `row_o` and `row_beat_o` tell the top; four cycles
/// later `row_ready_o` speaks of the row after it. A pass starts with `pass_start_i`, not before
/// `pass_ready_o`. Row counts run over all passes; a resident input is loaded once.
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
  input logic layer_start_i,  // pulse; what is free of a layer stays so until the next
  input logic pass_start_i,
  input logic pass_end_i,
  input logic row_end_i,  // of an output row: its input rows above the next one are free
  input logic move_i,

  input row_t rows_loaded_i,
  output row_t rows_free_o,

  output logic pass_ready_o,
  output logic row_ready_o,
  output logic [PositionBits-1:0] row_beat_o,
  output row_t row_o  // negative: above the image
);

  typedef logic [PositionBits-1:0] position_t;

  function automatic row_t clamp_row(row_t row, count_t height);
    row_t limit;
    limit = row_t'({2'b00, height});
    if (row < 0) return '0;
    return row > limit ? limit : row;
  endfunction

  logic resident;
  assign resident = layer_i.row_slots >= layer_i.input_height;

  // Rows from the top of the kernel to below its bottom.
  row_t reach_d, reach_q;
  logic [4:0] reach_left_d, reach_left_q;
  // Row 0 of the next pass: one input row after the other, while this pass runs.
  position_t tail_d, tail_q, tail_next;
  count_t tail_left_d, tail_left_q;
  // The next output row.
  row_t next_row_d, next_row_q;
  position_t next_d, next_q, next_step, pass_top;
  // Rows before this pass, and top row of the current output row.
  row_t pass_rows_d, pass_rows_q, row_d, row_q;

  assign pass_ready_o = reach_left_q == '0 && tail_left_q == '0;
  assign row_beat_o = next_q;
  assign row_o = next_row_q;

  conv_ring_add #(
    .Width(PositionBits)
  ) u_tail_step (
    .position_i(tail_q),
    .step_i(layer_i.row_beats[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(tail_next)
  );
  conv_ring_add #(
    .Width(PositionBits)
  ) u_row_step (
    .position_i(next_q),
    .step_i(layer_i.output_row_step[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(next_step)
  );
  // Padding rows have places in the ring too, counted backwards from row 0.
  conv_ring_add #(
    .Width(PositionBits)
  ) u_pass_top (
    .position_i(tail_q),
    .step_i(layer_i.ring_beats[PositionBits:0] - layer_i.pad_top_step[PositionBits:0]),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(pass_top)
  );

  always_comb begin
    reach_d = reach_q;
    reach_left_d = reach_left_q;
    if (layer_start_i) begin
      reach_d = row_t'(1);
      reach_left_d = layer_i.kernel_height - 5'd1;
    end else if (reach_left_q != '0) begin
      reach_d = reach_q + row_t'({2'b00, layer_i.dilation_height});
      reach_left_d = reach_left_q - 5'd1;
    end

    tail_d = tail_q;
    tail_left_d = tail_left_q;
    if (layer_start_i) begin
      tail_d = '0;
      tail_left_d = '0;
    end else if (pass_start_i) begin
      tail_left_d = resident ? '0 : layer_i.input_height;
    end else if (tail_left_q != '0) begin
      tail_d = tail_next;
      tail_left_d = tail_left_q - 16'd1;
    end

    next_row_d = next_row_q;
    next_d = next_q;
    row_d = row_q;
    if (pass_start_i) begin
      next_row_d = -row_t'({2'b00, layer_i.pad_top});
      next_d = pass_top;
    end else if (move_i) begin
      next_row_d = next_row_q + row_t'({14'b0, layer_i.stride_height});
      next_d = next_step;
    end
    if (row_end_i || move_i) row_d = next_row_q;
    if (layer_start_i || pass_end_i) row_d = '0;

    pass_rows_d = pass_rows_q;
    if (layer_start_i) pass_rows_d = '0;
    else if (pass_end_i && !resident) begin
      pass_rows_d = pass_rows_q + row_t'({2'b00, layer_i.input_height});
    end
  end

  // Rows that must be loaded before the next output row, three registers deep.
  row_t bottom_q, needed_q, surplus;
  logic [1:0] fresh_d, fresh_q;  // next_row has reached bottom, needed
  logic ready_d, ready_q;
  assign surplus = rows_loaded_i - needed_q;
  assign row_ready_o = ready_q;

  always_comb begin
    fresh_d = {fresh_q[0], 1'b1};
    ready_d = fresh_q[1] && surplus >= 0;
    if (pass_start_i || move_i) begin
      fresh_d = '0;
      ready_d = 1'b0;
    end
  end

  row_t free_q;
  assign rows_free_o = free_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fresh_q <= '0;
      ready_q <= 1'b0;
      free_q <= '0;
    end else begin
      fresh_q <= fresh_d;
      ready_q <= ready_d;
      free_q <= resident ? '0 : pass_rows_q + clamp_row(row_q, layer_i.input_height);
    end
  end

  always_ff @(posedge clk_i) begin
    reach_q <= reach_d;
    reach_left_q <= reach_left_d;
    tail_q <= tail_d;
    tail_left_q <= tail_left_d;
    next_row_q <= next_row_d;
    next_q <= next_d;
    row_q <= row_d;
    pass_rows_q <= pass_rows_d;
    bottom_q <= next_row_q + reach_q;
    needed_q <= pass_rows_q + clamp_row(bottom_q, layer_i.input_height);
  end

endmodule
