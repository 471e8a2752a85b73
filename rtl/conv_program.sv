// SPDX-License-Identifier: Apache-2.0

/// Runs a program of layer descriptors, the next one fetched and checked while a layer runs: front
/// (conv_fetch, conv_check), back (conv_run) and results (conv_counters, conv_report), joined.
///
/// See conv_run for how layers follow each other and how a run ends. Arguments are taken with the
/// start, so that those of the next run may be set during a run.
module conv_program
  import conv_pkg::*;
  import conv_regs_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter int unsigned Stages = 3  // that report done
) (
  input logic clk_i,
  input logic rst_ni,

  // Control registers.
  input logic start_i,  // pulse, only while idle_o
  input logic soft_reset_i,  // pulse
  input logic [63:0] program_address_i,
  input logic [31:0] descriptor_count_i,
  input logic [63:0] window_base_i,
  input logic [63:0] window_last_i,
  input logic [31:0] watchdog_cycles_i,  // 0: no watchdog
  output logic idle_o,
  output logic done_o,  // pulse
  output error_e status_o,
  output logic [31:0] completed_o,
  output logic [63:0] cycles_o,

  // Memory: descriptors in, result blocks out.
  output logic fetch_req_valid_o,
  input logic fetch_req_ready_i,
  output address_t fetch_req_address_o,
  output beats_t fetch_req_beats_o,
  input logic fetch_data_valid_i,
  input beat_t fetch_data_i,
  input logic fetch_data_last_i,
  output logic result_busy_o,  // the write master must take nothing else
  output logic result_run_valid_o,
  input logic result_run_ready_i,
  output address_t result_run_address_o,
  output beats_t result_run_beats_o,
  output logic result_data_valid_o,
  input logic result_data_ready_i,
  output beat_t result_data_o,

  // Memory masters.
  output logic abort_o,  // pulse
  input logic idle_i,  // all of them
  input logic write_idle_i,
  input logic read_error_i,
  input logic write_error_i,

  // Stages. The weights of a layer are asked for ahead of its start.
  output logic stages_rst_no,
  output logic weight_layer_valid_o,
  input logic weight_layer_ready_i,
  output layer_t weight_layer_o,
  output layer_t layer_o,
  output logic layer_start_o,
  input logic [Stages-1:0] layer_done_i,

  // Events, to be counted and to feed the watchdog.
  input logic issue_i,
  input logic stall_input_i,
  input logic stall_weights_i,
  input logic stall_output_i,
  input logic [1:0] read_beat_i,  // one bit per memory port
  input logic output_beat_i,  // to the write master
  input logic write_beat_i  // to the memory
);

  // Front.
  logic check_start, check_done, checking;
  descriptor_t descriptor;
  logic [63:0] window_base, window_last;
  error_e check_error;
  layer_t next_layer;
  logic next_valid, next_ready, next_legal;
  error_e next_error;
  address_t next_address;

  conv_fetch u_fetch (
    .clk_i,
    .rst_ni,
    .start_i,
    .stop_i(abort_o),
    .program_address_i,
    .descriptor_count_i,
    .window_base_i,
    .window_last_i,
    .req_valid_o(fetch_req_valid_o),
    .req_ready_i(fetch_req_ready_i),
    .req_address_o(fetch_req_address_o),
    .req_beats_o(fetch_req_beats_o),
    .data_valid_i(fetch_data_valid_i),
    .data_i(fetch_data_i),
    .data_last_i(fetch_data_last_i),
    .check_start_o(check_start),
    .descriptor_o(descriptor),
    .window_base_o(window_base),
    .window_last_o(window_last),
    .check_done_i(check_done),
    .check_error_i(check_error),
    .checking_o(checking),
    .valid_o(next_valid),
    .ready_i(next_ready),
    .error_o(next_error),
    .weights_valid_o(weight_layer_valid_o),
    .weights_ready_i(weight_layer_ready_i),
    .address_o(next_address),
    .legal_o(next_legal)
  );

  conv_check #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats)
  ) u_check (
    .clk_i,
    .rst_ni,
    .start_i(check_start),
    .descriptor_i(descriptor),
    .window_base_i(window_base),
    .window_last_i(window_last),
    .done_o(check_done),
    .error_o(check_error),
    .layer_o(next_layer)
  );

  assign weight_layer_o = next_layer;

  // Back.
  logic report_start, progress;
  address_t report_address;
  assign progress = issue_i || read_beat_i != '0 || write_beat_i || checking;

  conv_run #(
    .Stages(Stages)
  ) u_run (
    .clk_i,
    .rst_ni,
    .start_i,
    .soft_reset_i,
    .descriptor_count_i,
    .watchdog_cycles_i,
    .idle_o,
    .done_o,
    .status_o,
    .completed_o,
    .cycles_o,
    .next_valid_i(next_valid),
    .next_ready_o(next_ready),
    .next_error_i(next_error),
    .next_address_i(next_address),
    .next_legal_i(next_legal),
    .next_layer_i(next_layer),
    .abort_o,
    .idle_i,
    .write_idle_i,
    .read_error_i,
    .write_error_i,
    .progress_i(progress),
    .stages_rst_no,
    .layer_o,
    .layer_start_o,
    .layer_done_i,
    .report_start_o(report_start),
    .report_address_o(report_address),
    .report_busy_i(result_busy_o)
  );

  // Results.
  result_t result;

  conv_counters u_counters (
    .clk_i,
    .restart_i(start_i || report_start),
    .status_i(status_o),
    .issue_i,
    .stall_input_i,
    .stall_weights_i,
    .stall_output_i,
    .read_beat_i,
    .write_beat_i(output_beat_i),
    .result_o(result)
  );

  conv_report u_report (
    .clk_i,
    .rst_ni,
    .start_i(report_start),
    .stop_i(soft_reset_i),
    .address_i(report_address),
    .result_i(result),
    .busy_o(result_busy_o),
    .run_valid_o(result_run_valid_o),
    .run_ready_i(result_run_ready_i),
    .run_address_o(result_run_address_o),
    .run_beats_o(result_run_beats_o),
    .data_valid_o(result_data_valid_o),
    .data_ready_i(result_data_ready_i),
    .data_o(result_data_o)
  );

endmodule
