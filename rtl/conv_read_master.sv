// SPDX-License-Identifier: Apache-2.0

/// AXI4 read side of one memory port: requests for beats in, their data in order out.
///
/// Up to `MaxOutstanding` bursts are in flight, over the borders of requests, so that the data
/// channel stays full (one beat per cycle) as long as MaxOutstanding bursts of BurstBeats cover the
/// latency of the memory. There is no back-pressure on data: who asks has room. A request takes two
/// cycles to the address channel; a beat leaves one cycle after the data channel delivered it.
///
/// `abort_i` (pulse or level) drops the requests and the data of what is already in flight. When
/// that has arrived the master is idle; it takes requests again when abort_i is low. Who requests
/// must have stopped two cycles after the rise of abort_i. `error_o` (a response that is not OKAY)
/// is sticky; abort_i and reset clear it. `rst_ni` is for the reset that the memory shares.
module conv_read_master
  import conv_pkg::*;
#(
  parameter int unsigned MaxOutstanding = 8  // bursts in flight, at least 2
) (
  input logic clk_i,
  input logic rst_ni,

  input logic abort_i,
  output logic error_o,
  output logic idle_o,  // nothing is queued, in flight or on data_o

  input logic req_valid_i,
  output logic req_ready_o,
  input address_t req_address_i,  // multiple of BeatBytes
  input beats_t req_beats_i,  // at least 1

  output logic data_valid_o,
  output beat_t data_o,
  output logic data_last_o,  // last beat of a request

  output logic axi_ar_valid_o,
  input logic axi_ar_ready_i,
  output address_t axi_ar_addr_o,
  output logic [7:0] axi_ar_len_o,

  input logic axi_r_valid_i,
  output logic axi_r_ready_o,
  input beat_t axi_r_data_i,
  input logic [1:0] axi_r_resp_i,
  input logic axi_r_last_i
);

  localparam logic [1:0] RespOkay = 2'b00;

  logic abort_d, abort_q;
  logic stop;
  logic in_flight;
  assign stop = abort_i || abort_q;
  assign abort_d = abort_i || (abort_q && in_flight);

  logic burst_valid, burst_last, burst_issue;
  address_t burst_address;
  logic [7:0] burst_len;
  logic split_ready;
  assign req_ready_o = split_ready && !stop;

  conv_burst_split u_split (
    .clk_i,
    .rst_ni,
    .flush_i(stop),
    .req_valid_i(req_valid_i && !stop),
    .req_ready_o(split_ready),
    .req_address_i,
    .req_beats_i,
    .burst_valid_o(burst_valid),
    .burst_ready_i(burst_issue),
    .burst_address_o(burst_address),
    .burst_len_o(burst_len),
    .burst_last_o(burst_last)
  );

  // One entry per burst in flight: its end is the end of a request. Full is MaxOutstanding.
  logic slot_free, ends_request, burst_end;
  logic [$clog2(MaxOutstanding+1)-1:0] unused_in_flight_usage;
  assign burst_end = axi_r_valid_i && axi_r_last_i;

  conv_fifo #(
    .Width(1),
    .Depth(MaxOutstanding)
  ) u_in_flight (
    .clk_i,
    .rst_ni,
    .valid_i(burst_issue),
    .ready_o(slot_free),
    .data_i(burst_last),
    .valid_o(in_flight),
    .ready_i(burst_end),
    .data_o(ends_request),
    .usage_o(unused_in_flight_usage)
  );

  // The address register keeps AR stable through an abort.
  logic ar_valid_d, ar_valid_q, ar_free;
  address_t ar_addr_d, ar_addr_q;
  logic [7:0] ar_len_d, ar_len_q;
  assign ar_free = !ar_valid_q || axi_ar_ready_i;
  assign burst_issue = burst_valid && slot_free && ar_free && !stop;
  assign ar_valid_d = burst_issue || !ar_free;
  assign ar_addr_d = ar_free ? burst_address : ar_addr_q;
  assign ar_len_d = ar_free ? burst_len : ar_len_q;

  logic data_valid_d, data_valid_q, data_last_q;
  beat_t data_q;
  logic error_d, error_q;
  assign data_valid_d = axi_r_valid_i && !stop;
  assign error_d = !stop && (error_q || (axi_r_valid_i && axi_r_resp_i != RespOkay));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      abort_q <= 1'b0;
      ar_valid_q <= 1'b0;
      data_valid_q <= 1'b0;
      error_q <= 1'b0;
    end else begin
      abort_q <= abort_d;
      ar_valid_q <= ar_valid_d;
      data_valid_q <= data_valid_d;
      error_q <= error_d;
    end
    ar_addr_q <= ar_addr_d;
    ar_len_q <= ar_len_d;
    data_q <= axi_r_data_i;
    data_last_q <= axi_r_last_i && ends_request;
  end

  assign axi_ar_valid_o = ar_valid_q;
  assign axi_ar_addr_o = ar_addr_q;
  assign axi_ar_len_o = ar_len_q;
  assign axi_r_ready_o = 1'b1;
  assign data_valid_o = data_valid_q;
  assign data_o = data_q;
  assign data_last_o = data_last_q;
  assign error_o = error_q;
  assign idle_o = !burst_valid && !in_flight && !data_valid_q;

  if (MaxOutstanding < 2) begin : gen_bad_max_outstanding
    $fatal(1, "MaxOutstanding must be at least 2");
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni && axi_r_valid_i) assert (in_flight);
  end

endmodule
