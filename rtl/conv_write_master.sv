// SPDX-License-Identifier: Apache-2.0

/// AXI4 write side of one memory port: runs of beats at an address, and their data in order, in.
///
/// Data waits in a FIFO of two bursts. A burst is announced (AW) when the FIFO holds all of it, so
/// W never waits for data inside a burst, and the memory is never blocked by a slow engine. W does
/// not wait for AW to be accepted. Up to `MaxOutstanding` bursts may miss their response; one beat
/// per cycle is sustained while MaxOutstanding bursts cover the latency of the response.
///
/// `abort_i` (pulse or level) drops the runs and the data of bursts that were not announced;
/// announced ones are finished with their data. When their responses are in, the master is idle; it
/// takes runs again when abort_i is low. Who writes must have stopped two cycles after the rise of
/// abort_i. `error_o` (a response that is not OKAY) is sticky; abort_i and reset clear it. `rst_ni`
/// is for the reset that the memory shares.
module conv_write_master
  import conv_pkg::*;
#(
  parameter int unsigned MaxOutstanding = 8  // bursts without a response, at least 2
) (
  input logic clk_i,
  input logic rst_ni,

  input logic abort_i,
  output logic error_o,
  output logic idle_o,  // nothing is queued or without its response
  output logic beat_o,  // pulse: a data beat was accepted by the memory

  input logic run_valid_i,
  output logic run_ready_o,
  input address_t run_address_i,  // multiple of BeatBytes
  input beats_t run_beats_i,  // at least 1

  input logic data_valid_i,
  output logic data_ready_o,
  input beat_t data_i,
  input strobe_t strobe_i,

  output logic axi_aw_valid_o,
  input logic axi_aw_ready_i,
  output address_t axi_aw_addr_o,
  output logic [7:0] axi_aw_len_o,

  output logic axi_w_valid_o,
  input logic axi_w_ready_i,
  output beat_t axi_w_data_o,
  output strobe_t axi_w_strb_o,
  output logic axi_w_last_o,

  input logic axi_b_valid_i,
  output logic axi_b_ready_o,
  input logic [1:0] axi_b_resp_i
);

  localparam logic [1:0] RespOkay = 2'b00;
  localparam int unsigned FifoBeats = 2 * BurstBeats;
  localparam int unsigned LenBits = $clog2(BurstBeats);

  typedef logic [LenBits-1:0] len_t;  // beats - 1
  typedef logic [$clog2(FifoBeats+1)-1:0] stock_t;
  typedef logic [$clog2(MaxOutstanding+1)-1:0] outstanding_t;

  outstanding_t outstanding_d, outstanding_q;
  logic drained;
  logic abort_d, abort_q;
  logic stop;
  assign drained = outstanding_q == '0;
  assign stop = abort_i || abort_q;
  assign abort_d = abort_i || (abort_q && !drained);

  logic burst_valid, burst_issue;
  address_t burst_address;
  logic [7:0] burst_len;
  logic split_ready, unused_burst_last;
  assign run_ready_o = split_ready && !stop;

  conv_burst_split u_split (
    .clk_i,
    .rst_ni,
    .flush_i(stop),
    .req_valid_i(run_valid_i && !stop),
    .req_ready_o(split_ready),
    .req_address_i(run_address_i),
    .req_beats_i(run_beats_i),
    .burst_valid_o(burst_valid),
    .burst_ready_i(burst_issue),
    .burst_address_o(burst_address),
    .burst_len_o(burst_len),
    .burst_last_o(unused_burst_last)
  );

  // Data. With every response in, what is left in the FIFO belongs to dropped runs.
  logic fifo_rst_n;
  logic fifo_ready, fifo_valid, fifo_pop;
  beat_t fifo_data;
  strobe_t fifo_strobe;
  logic [$clog2(FifoBeats+1)-1:0] unused_fifo_usage;
  assign fifo_rst_n = rst_ni && !(abort_q && drained);
  assign data_ready_o = fifo_ready && !stop;

  conv_fifo #(
    .Width(BeatBits + BeatBytes),
    .Depth(FifoBeats)
  ) u_data (
    .clk_i,
    .rst_ni(fifo_rst_n),
    .valid_i(data_valid_i && !stop),
    .ready_o(fifo_ready),
    .data_i({strobe_i, data_i}),
    .valid_o(fifo_valid),
    .ready_i(fifo_pop),
    .data_o({fifo_strobe, fifo_data}),
    .usage_o(unused_fifo_usage)
  );

  // Address. `stock` counts the beats in the FIFO that belong to no announced burst.
  stock_t stock_d, stock_q, stock_taken;
  logic aw_valid_d, aw_valid_q, aw_free;
  address_t aw_addr_d, aw_addr_q;
  logic [7:0] aw_len_d, aw_len_q;
  assign aw_free = !aw_valid_q || axi_aw_ready_i;
  assign burst_issue = burst_valid && aw_free && !stop && stock_t'(burst_len) < stock_q &&
                       outstanding_q != outstanding_t'(MaxOutstanding);
  assign stock_taken = burst_issue ? stock_t'(burst_len) + 1'b1 : '0;
  assign stock_d = stock_q + stock_t'(data_valid_i && data_ready_o) - stock_taken;
  assign outstanding_d = outstanding_q + outstanding_t'(burst_issue) -
                         outstanding_t'(axi_b_valid_i);
  assign aw_valid_d = burst_issue || !aw_free;
  assign aw_addr_d = aw_free ? burst_address : aw_addr_q;
  assign aw_len_d = aw_free ? burst_len : aw_len_q;

  // Data beats of announced bursts.
  logic w_burst_valid, w_burst_last, unused_w_burst_ready;
  len_t w_burst_len, w_index_d, w_index_q;
  logic [$clog2(MaxOutstanding+1)-1:0] unused_w_burst_usage;

  conv_fifo #(
    .Width(LenBits),
    .Depth(MaxOutstanding)
  ) u_announced (
    .clk_i,
    .rst_ni,
    .valid_i(burst_issue),
    .ready_o(unused_w_burst_ready),  // outstanding_q is the tighter limit
    .data_i(burst_len[LenBits-1:0]),
    .valid_o(w_burst_valid),
    .ready_i(fifo_pop && w_burst_last),
    .data_o(w_burst_len),
    .usage_o(unused_w_burst_usage)
  );

  logic w_valid_d, w_valid_q, w_free;
  logic w_last_d, w_last_q;
  beat_t w_data_d, w_data_q;
  strobe_t w_strobe_d, w_strobe_q;
  assign w_free = !w_valid_q || axi_w_ready_i;
  assign fifo_pop = w_burst_valid && fifo_valid && w_free;
  assign w_burst_last = w_index_q == w_burst_len;
  assign w_valid_d = fifo_pop || !w_free;
  assign w_last_d = w_free ? w_burst_last : w_last_q;
  assign w_data_d = w_free ? fifo_data : w_data_q;
  assign w_strobe_d = w_free ? fifo_strobe : w_strobe_q;

  always_comb begin
    w_index_d = w_index_q;
    if (fifo_pop) w_index_d = w_burst_last ? '0 : w_index_q + 1'b1;
  end

  logic error_d, error_q;
  assign error_d = !stop && (error_q || (axi_b_valid_i && axi_b_resp_i != RespOkay));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      abort_q <= 1'b0;
      outstanding_q <= '0;
      aw_valid_q <= 1'b0;
      w_valid_q <= 1'b0;
      w_index_q <= '0;
      error_q <= 1'b0;
    end else begin
      abort_q <= abort_d;
      outstanding_q <= outstanding_d;
      aw_valid_q <= aw_valid_d;
      w_valid_q <= w_valid_d;
      w_index_q <= w_index_d;
      error_q <= error_d;
    end
    if (!fifo_rst_n) stock_q <= '0;
    else stock_q <= stock_d;
    aw_addr_q <= aw_addr_d;
    aw_len_q <= aw_len_d;
    w_last_q <= w_last_d;
    w_data_q <= w_data_d;
    w_strobe_q <= w_strobe_d;
  end

  assign axi_aw_valid_o = aw_valid_q;
  assign axi_aw_addr_o = aw_addr_q;
  assign axi_aw_len_o = aw_len_q;
  assign axi_w_valid_o = w_valid_q;
  assign axi_w_data_o = w_data_q;
  assign axi_w_strb_o = w_strobe_q;
  assign axi_w_last_o = w_last_q;
  assign axi_b_ready_o = 1'b1;
  assign beat_o = w_valid_q && axi_w_ready_i;
  assign error_o = error_q;
  assign idle_o = !burst_valid && drained && stock_q == '0;

  if (MaxOutstanding < 2) begin : gen_bad_max_outstanding
    $fatal(1, "MaxOutstanding must be at least 2");
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni && axi_b_valid_i) assert (!drained);
  end

endmodule
