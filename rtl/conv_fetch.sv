// SPDX-License-Identifier: Apache-2.0

/// Front of a program: fetches its descriptors one ahead of the layer that runs, has each checked,
/// and offers what came out.
///
/// An offer (`valid_o`, taken by `ready_i`) is a checked layer, on the outputs of conv_check, or the
/// error of a descriptor that cannot run. A layer is offered to the weight loader as well, which may
/// take it earlier. When both have it, the next descriptor is fetched; behind an error or the last
/// descriptor nothing is. `address_o` is that of the descriptor in work, `legal_o` whether it may be
/// touched: an address that is not is an error of its own, and memory stays alone.
///
/// `start_i` begins a program, `stop_i` drops what is in work; its data must not come any more.
module conv_fetch
  import conv_pkg::*;
  import conv_regs_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,  // pulse
  input logic stop_i,
  input logic [63:0] program_address_i,
  input logic [31:0] descriptor_count_i,
  input logic [63:0] window_base_i,
  input logic [63:0] window_last_i,

  output logic req_valid_o,
  input logic req_ready_i,
  output address_t req_address_o,
  output beats_t req_beats_o,
  input logic data_valid_i,
  input beat_t data_i,
  input logic data_last_i,

  // conv_check.
  output logic check_start_o,
  output descriptor_t descriptor_o,
  output logic [63:0] window_base_o,
  output logic [63:0] window_last_o,
  input logic check_done_i,
  input error_e check_error_i,
  output logic checking_o,  // a check is under way, which ends by itself

  output logic valid_o,
  input logic ready_i,
  output error_e error_o,
  output logic weights_valid_o,
  input logic weights_ready_i,
  output address_t address_o,
  output logic legal_o
);

  localparam int unsigned ReadBeats = DescriptorReadBytes / BeatBytes;

  typedef enum logic [2:0] {
    Idle,
    Next,
    Request,
    Fetch,
    CheckStart,
    Check,
    Offer
  } state_e;

  state_e state_d, state_q;
  logic [63:0] address_d, address_q;
  logic [31:0] left_d, left_q;  // descriptors from this one on
  logic [63:0] window_base_d, window_base_q;
  logic [63:0] window_last_d, window_last_q;
  logic [ReadBeats*BeatBits-1:0] descriptor_d, descriptor_q;
  error_e error_d, error_q;
  logic taken_d, taken_q;  // the offer
  logic weights_taken_d, weights_taken_q;

  logic [63:0] descriptor_last;
  logic legal;
  assign descriptor_last = address_q | 64'(DescriptorBytes - 1);
  assign legal = address_q[63:AddressBits] == '0 &&
                 address_q[$clog2(DescriptorBytes)-1:0] == '0 &&
                 address_q >= window_base_q && descriptor_last <= window_last_q;

  always_comb begin
    state_d = state_q;
    address_d = address_q;
    left_d = left_q;
    window_base_d = window_base_q;
    window_last_d = window_last_q;
    descriptor_d = descriptor_q;
    error_d = error_q;
    taken_d = taken_q;
    weights_taken_d = weights_taken_q;

    unique case (state_q)
      Idle: begin
        if (start_i) begin
          state_d = Next;
          address_d = program_address_i;
          left_d = descriptor_count_i;
          window_base_d = window_base_i;
          window_last_d = window_last_i;
        end
      end
      Next: begin
        taken_d = 1'b0;
        weights_taken_d = !legal;
        error_d = ErrorBadAddress;
        if (left_q == '0) state_d = Idle;
        else state_d = legal ? Request : Offer;
      end
      Request: if (req_ready_i) state_d = Fetch;
      Fetch: begin
        if (data_valid_i) begin
          descriptor_d = {data_i, descriptor_q[ReadBeats*BeatBits-1:BeatBits]};
          if (data_last_i) state_d = CheckStart;
        end
      end
      CheckStart: state_d = Check;
      Check: begin
        if (check_done_i) begin
          error_d = check_error_i;
          weights_taken_d = check_error_i != ErrorOk;
          state_d = Offer;
        end
      end
      Offer: begin
        if (ready_i) taken_d = 1'b1;
        if (weights_ready_i) weights_taken_d = 1'b1;
        if (taken_q && weights_taken_q) begin
          address_d = address_q + 64'(DescriptorBytes);
          left_d = left_q - 32'd1;
          state_d = error_q == ErrorOk ? Next : Idle;
        end
      end
      default: state_d = Idle;
    endcase
    if (stop_i) state_d = Idle;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= Idle;
    else state_q <= state_d;
    address_q <= address_d;
    left_q <= left_d;
    window_base_q <= window_base_d;
    window_last_q <= window_last_d;
    descriptor_q <= descriptor_d;
    error_q <= error_d;
    taken_q <= taken_d;
    weights_taken_q <= weights_taken_d;
  end

  assign req_valid_o = state_q == Request;
  assign req_address_o = address_q[AddressBits-1:0];
  assign req_beats_o = beats_t'(ReadBeats);

  assign check_start_o = state_q == CheckStart;
  assign descriptor_o = descriptor_q;
  assign window_base_o = window_base_q;
  assign window_last_o = window_last_q;
  assign checking_o = state_q inside {CheckStart, Check};

  assign valid_o = state_q == Offer && !taken_q;
  assign weights_valid_o = state_q == Offer && !weights_taken_q;
  assign error_o = error_q;
  assign address_o = address_q[AddressBits-1:0];
  assign legal_o = legal;

endmodule
