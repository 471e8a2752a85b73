// SPDX-License-Identifier: Apache-2.0

/// What happened since the last descriptor: the result block of the next. Counters wrap at 2^32.
///
/// Every cycle is counted once: those of the cycle of `restart_i` are the first of the new count.
module conv_counters
  import conv_regs_pkg::*;
(
  input logic clk_i,

  input logic restart_i,

  input error_e status_i,
  input logic issue_i,
  input logic stall_input_i,
  input logic stall_weights_i,
  input logic stall_output_i,
  input logic [1:0] read_beat_i,  // one bit per memory port
  input logic write_beat_i,

  output result_t result_o  // counts up to the cycle before, and the present status
);

  result_t count_d, count_q;

  always_comb begin
    count_d = restart_i ? '0 : count_q;
    count_d.cycles = count_d.cycles + 32'd1;
    count_d.mac_cycles = count_d.mac_cycles + 32'(issue_i);
    count_d.stall_input = count_d.stall_input + 32'(stall_input_i);
    count_d.stall_weights = count_d.stall_weights + 32'(stall_weights_i);
    count_d.stall_output = count_d.stall_output + 32'(stall_output_i);
    count_d.read_beats = count_d.read_beats + 32'(read_beat_i[0]) + 32'(read_beat_i[1]);
    count_d.write_beats = count_d.write_beats + 32'(write_beat_i);
    count_d.status = '0;
  end

  always_ff @(posedge clk_i) begin
    count_q <= count_d;
  end

  always_comb begin
    result_o = count_q;
    result_o.status = 32'(status_i);
  end

endmodule
