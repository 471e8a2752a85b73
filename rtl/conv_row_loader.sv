// SPDX-License-Identifier: Apache-2.0

/// Fills the ring of row slots: asks for input rows in order as slots become free, writes what
/// arrives, and counts complete rows.
///
/// All rows once per pass; an input that fits the ring as a whole is loaded once. The rows of ADD
/// come from its two tensors in turn. Counts run over all passes. Several rows may be under way; a row is requested only when its slot is free, so
/// data never wait. Bit 7 of every byte is flipped for a uint8 input.
module conv_row_loader
  import conv_pkg::*;
#(
  parameter int unsigned LineBufferBeats = 16384,
  localparam int unsigned PositionBits = $clog2(LineBufferBeats)
) (
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  // A stage reads its own part of the layer.
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic done_o,  // pulse: the last row is complete

  output logic req_valid_o,
  input logic req_ready_i,
  output address_t req_address_o,
  output beats_t req_beats_o,
  input logic data_valid_i,
  input beat_t data_i,

  output logic wr_valid_o,
  output logic [PositionBits-1:0] wr_beat_o,
  output beat_t wr_data_o,

  output row_t rows_loaded_o,
  input row_t rows_free_i
);

  typedef enum logic [1:0] {
    Idle,
    WaitSlot,
    Request
  } state_e;
  state_e state_d, state_q;

  // Requests.
  logic accepted, last_row, last_pass, room;
  row_t requested_d, requested_q, slots_left;
  address_t address_d, address_q, next_row;
  address_t other_d, other_q;  // of the next row of the other tensor of ADD
  assign next_row = address_q + layer_i.input_row_stride;
  assign accepted = state_q == Request && req_ready_i;
  // Rows that may be requested beyond those that were.
  assign slots_left = rows_free_i + row_t'({2'b00, layer_i.row_slots}) - requested_q;
  assign room = slots_left > 0;

  conv_loop u_rows (
    .clk_i,
    .restart_i(state_q == Idle),
    .step_i(accepted),
    .limit_i(layer_i.input_height),
    .last_o(last_row)
  );
  conv_loop u_passes (
    .clk_i,
    .restart_i(state_q == Idle),
    .step_i(accepted && last_row),
    .limit_i(layer_i.resident ? 16'd1 : layer_i.passes),
    .last_o(last_pass)
  );

  always_comb begin
    state_d = state_q;
    requested_d = requested_q;
    address_d = address_q;
    other_d = other_q;
    unique case (state_q)
      Idle: begin
        requested_d = '0;
        address_d = layer_i.input_address;
        other_d = layer_i.second_address;
        if (start_i) state_d = WaitSlot;
      end
      WaitSlot: if (room) state_d = Request;
      Request: begin
        if (req_ready_i) begin
          requested_d = requested_q + row_t'(1);
          address_d = next_row;
          if (layer_i.kind == conv_regs_pkg::KindAdd) begin
            address_d = other_q;
            other_d = next_row;
          end
          if (last_row) begin
            address_d = layer_i.input_address;
            other_d = layer_i.second_address;
          end
          state_d = last_row && last_pass ? Idle : WaitSlot;
        end
      end
      default: state_d = Idle;
    endcase
  end

  assign req_valid_o = state_q == Request;
  assign req_address_o = address_q;
  assign req_beats_o = layer_i.row_beats;

  // Data.
  logic row_end, data_last_row, data_last_pass;
  logic [PositionBits-1:0] position_d, position_q, position_next;
  row_t loaded_d, loaded_q;
  logic wr_valid_q, done_d, done_q;
  logic [PositionBits-1:0] wr_beat_q;
  beat_t wr_data_q, flip;
  assign flip = {BeatBytes{layer_i.input_unsigned, 7'b0}};

  conv_loop #(
    .Width($bits(beats_t))
  ) u_beats (
    .clk_i,
    .restart_i(start_i),
    .step_i(data_valid_i),
    .limit_i(layer_i.row_beats),
    .last_o(row_end)
  );
  conv_loop u_data_rows (
    .clk_i,
    .restart_i(start_i),
    .step_i(data_valid_i && row_end),
    .limit_i(layer_i.input_height),
    .last_o(data_last_row)
  );
  conv_loop u_data_passes (
    .clk_i,
    .restart_i(start_i),
    .step_i(data_valid_i && row_end && data_last_row),
    .limit_i(layer_i.resident ? 16'd1 : layer_i.passes),
    .last_o(data_last_pass)
  );
  conv_ring_add #(
    .Width(PositionBits)
  ) u_position_step (
    .clk_i,
    .position_i(position_q),
    .step_i((PositionBits + 1)'(1)),
    .ring_i(layer_i.ring_beats[PositionBits:0]),
    .position_o(position_next)
  );

  always_comb begin
    position_d = position_q;
    loaded_d = loaded_q;
    done_d = 1'b0;
    if (data_valid_i) begin
      position_d = position_next;
      if (row_end) begin
        loaded_d = loaded_q + row_t'(1);
        done_d = data_last_row && data_last_pass;
      end
    end
    if (start_i) begin
      position_d = '0;
      loaded_d = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      loaded_q <= '0;
      wr_valid_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      state_q <= state_d;
      loaded_q <= loaded_d;
      wr_valid_q <= data_valid_i;
      done_q <= done_d;
    end
  end

  always_ff @(posedge clk_i) begin
    requested_q <= requested_d;
    address_q <= address_d;
    other_q <= other_d;
    position_q <= position_d;
    wr_beat_q <= position_q;
    wr_data_q <= data_i ^ flip;
  end

  assign wr_valid_o = wr_valid_q;
  assign wr_beat_o = wr_beat_q;
  assign wr_data_o = wr_data_q;
  assign rows_loaded_o = loaded_q;
  assign done_o = done_q;

endmodule
