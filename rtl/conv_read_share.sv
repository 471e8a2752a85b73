// SPDX-License-Identifier: Apache-2.0

/// Two clients of one read master. Client 0 is served first, request by request.
///
/// Data come back in the order of the requests, so a queue of owners tells whose they are; an entry
/// leaves it with the last beat of its request. `abort_i` empties the queue, as it does the master.
/// No cycle is added on either way.
module conv_read_share
  import conv_pkg::*;
#(
  parameter int unsigned MaxRequests = 16  // under way
) (
  input logic clk_i,
  input logic rst_ni,

  input logic abort_i,

  // Clients; all see the same data and data_last of the master.
  input logic [1:0] req_valid_i,
  output logic [1:0] req_ready_o,
  input address_t [1:0] req_address_i,
  input beats_t [1:0] req_beats_i,
  output logic [1:0] data_valid_o,

  // Master.
  output logic req_valid_o,
  input logic req_ready_i,
  output address_t req_address_o,
  output beats_t req_beats_o,
  input logic data_valid_i,
  input logic data_last_i
);

  logic client, owner, room, known;
  logic [$clog2(MaxRequests+1)-1:0] unused_usage;
  assign client = !req_valid_i[0];

  conv_fifo #(
    .Width(1),
    .Depth(MaxRequests)
  ) u_owners (
    .clk_i,
    .rst_ni(rst_ni && !abort_i),
    .valid_i(req_valid_i != '0 && req_ready_i),
    .ready_o(room),
    .data_i(client),
    .valid_o(known),
    .ready_i(data_valid_i && data_last_i),
    .data_o(owner),
    .usage_o(unused_usage)
  );

  assign req_valid_o = req_valid_i != '0 && room;
  assign req_address_o = req_address_i[client];
  assign req_beats_o = req_beats_i[client];

  always_comb begin
    req_ready_o = '0;
    req_ready_o[client] = req_ready_i && room;
    data_valid_o = '0;
    data_valid_o[owner] = data_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni && data_valid_i) assert (known);
  end

endmodule
