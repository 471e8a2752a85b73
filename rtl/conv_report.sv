// SPDX-License-Identifier: Apache-2.0

/// Hands result blocks to the write master.
///
/// `start_i` takes a block, which may change in the next cycle; `busy_o` is high from then until all
/// of it is handed over, and the write master must not take anything else in between. If it was
/// idle at the start, it announces the block in the first cycle without busy_o, so that an abort
/// from the next one on does not drop it. `stop_i` does.
module conv_report
  import conv_pkg::*;
  import conv_regs_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,  // pulse, only while not busy_o
  input logic stop_i,
  input address_t address_i,  // of the descriptor
  input result_t result_i,
  output logic busy_o,

  output logic run_valid_o,
  input logic run_ready_i,
  output address_t run_address_o,
  output beats_t run_beats_o,
  output logic data_valid_o,
  input logic data_ready_i,
  output beat_t data_o
);

  localparam int unsigned Beats = ResultBytes / BeatBytes;

  logic run_valid_d, run_valid_q;
  logic [Beats-1:0] data_valid_d, data_valid_q;  // a one for each beat that is left
  address_t address_d, address_q;
  logic [8*ResultBytes-1:0] block_d, block_q;

  always_comb begin
    run_valid_d = run_valid_q && !run_ready_i;
    data_valid_d = data_valid_q;
    address_d = address_q;
    block_d = block_q;
    if (data_ready_i) begin
      data_valid_d = data_valid_q >> 1;
      block_d = block_q >> BeatBits;
    end
    if (start_i) begin
      run_valid_d = 1'b1;
      data_valid_d = '1;
      address_d = address_i + AddressBits'(ResultOffset);
      block_d = result_i;
    end
    if (stop_i) begin
      run_valid_d = 1'b0;
      data_valid_d = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_valid_q <= 1'b0;
      data_valid_q <= '0;
    end else begin
      run_valid_q <= run_valid_d;
      data_valid_q <= data_valid_d;
    end
    address_q <= address_d;
    block_q <= block_d;
  end

  assign run_valid_o = run_valid_q;
  assign run_address_o = address_q;
  assign run_beats_o = beats_t'(Beats);
  assign data_valid_o = data_valid_q[0];
  assign data_o = block_q[BeatBits-1:0];
  assign busy_o = run_valid_q || data_valid_q[0];

endmodule
