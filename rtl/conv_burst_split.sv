// SPDX-License-Identifier: Apache-2.0

/// Splits requests for a number of beats into AXI INCR bursts.
///
/// Memory is seen as blocks of `BurstBeats` beats, and a burst never leaves its block. That bounds
/// its length, keeps it within 4 KB (a multiple of the block size) and takes arithmetic on the low
/// address bits only; the price is at most one burst more than the shortest split.
///
/// The first burst is offered in the cycle after its request, then one burst per cycle, without a
/// bubble between requests. `flush_i` drops the request.
module conv_burst_split
  import conv_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic flush_i,

  input logic req_valid_i,
  output logic req_ready_o,
  input address_t req_address_i,  // multiple of BeatBytes
  input beats_t req_beats_i,  // at least 1

  output logic burst_valid_o,
  input logic burst_ready_i,
  output address_t burst_address_o,
  output logic [7:0] burst_len_o,  // beats - 1, as AXI counts
  output logic burst_last_o  // last burst of its request
);

  localparam int unsigned BeatAddressBits = $clog2(BeatBytes);
  localparam int unsigned IndexBits = $clog2(BurstBeats);
  localparam int unsigned BlockBits = AddressBits - BeatAddressBits - IndexBits;
  localparam int unsigned CountBits = $bits(beats_t) + 1 - IndexBits;

  typedef logic [IndexBits-1:0] index_t;  // beat inside a block

  logic valid_d, valid_q;
  logic [BlockBits-1:0] block_d, block_q;
  index_t first_d, first_q;  // of the present block
  index_t last_d, last_q;  // of the last block
  logic [CountBits-1:0] blocks_left_d, blocks_left_q;  // after the present one

  logic last_block;
  index_t end_index, len;
  assign last_block = blocks_left_q == '0;
  assign end_index = last_block ? last_q : index_t'(BurstBeats - 1);
  assign len = end_index - first_q;

  assign req_ready_o = !valid_q || (burst_ready_i && last_block);
  assign burst_valid_o = valid_q;
  assign burst_address_o = {block_q, first_q, BeatAddressBits'(0)};
  assign burst_len_o = 8'(len);
  assign burst_last_o = last_block;

  always_comb begin
    valid_d = valid_q;
    block_d = block_q;
    first_d = first_q;
    last_d = last_q;
    blocks_left_d = blocks_left_q;
    if (burst_ready_i) begin
      block_d = block_q + 1'b1;
      first_d = '0;
      blocks_left_d = blocks_left_q - 1'b1;
    end
    if (req_ready_o) begin
      valid_d = req_valid_i;
      {block_d, first_d} = req_address_i[AddressBits-1:BeatAddressBits];
      {blocks_left_d, last_d} = ($bits(beats_t) + 1)'(first_d) + {1'b0, req_beats_i} - 1'b1;
    end
    if (flush_i) valid_d = 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else valid_q <= valid_d;
    block_q <= block_d;
    first_q <= first_d;
    last_q <= last_d;
    blocks_left_q <= blocks_left_d;
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni && req_valid_i) begin
      assert (req_beats_i != '0 && req_address_i[BeatAddressBits-1:0] == '0);
    end
  end

endmodule
