// SPDX-License-Identifier: Apache-2.0

/// What one layer cost: the result block of its descriptor. Counters wrap at 2^32.
module conv_counters
  import conv_regs_pkg::*;
(
  input logic clk_i,

  input logic clear_i,
  input logic run_i,  // events are counted while this is high

  input error_e status_i,
  input logic issue_i,
  input logic stall_input_i,
  input logic stall_weights_i,
  input logic stall_output_i,
  input logic [1:0] read_beat_i,  // one bit per memory port
  input logic write_beat_i,

  output result_t result_o
);

  result_t count_d, count_q;

  always_comb begin
    count_d = count_q;
    if (run_i) begin
      count_d.cycles = count_q.cycles + 32'd1;
      count_d.mac_cycles = count_q.mac_cycles + 32'(issue_i);
      count_d.stall_input = count_q.stall_input + 32'(stall_input_i);
      count_d.stall_weights = count_q.stall_weights + 32'(stall_weights_i);
      count_d.stall_output = count_q.stall_output + 32'(stall_output_i);
      count_d.read_beats = count_q.read_beats + 32'(read_beat_i[0]) + 32'(read_beat_i[1]);
      count_d.write_beats = count_q.write_beats + 32'(write_beat_i);
    end
    if (clear_i) count_d = '0;
    count_d.status = 32'(status_i);
  end

  always_ff @(posedge clk_i) begin
    count_q <= count_d;
  end

  assign result_o = count_q;

endmodule
