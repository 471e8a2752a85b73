// SPDX-License-Identifier: Apache-2.0

/// The engine without bus names: memory ports, program, datapath.
///
/// Memory port 0 reads input rows and writes everything, port 1 reads programs and weights.
/// `start_i` begins a run while `idle_o`; see conv_run for how layers follow each other and runs end.
module conv_core
  import conv_pkg::*;
  import conv_regs_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter string DspPrimitive = "none",
  parameter string RamStyle = "block"
) (
  input logic clk_i,
  input logic rst_ni,

  // Control.
  input logic start_i,  // pulse
  input logic soft_reset_i,  // pulse
  input logic [63:0] program_address_i,
  input logic [31:0] descriptor_count_i,
  input logic [63:0] window_base_i,
  input logic [63:0] window_last_i,
  input logic [31:0] watchdog_cycles_i,
  output logic idle_o,
  output logic done_o,  // pulse
  output error_e status_o,
  output logic [31:0] completed_o,
  output logic [63:0] cycles_o,

  // Memory port 0.
  output logic gmem0_ar_valid_o,
  input logic gmem0_ar_ready_i,
  output address_t gmem0_ar_addr_o,
  output logic [7:0] gmem0_ar_len_o,
  input logic gmem0_r_valid_i,
  output logic gmem0_r_ready_o,
  input beat_t gmem0_r_data_i,
  input logic [1:0] gmem0_r_resp_i,
  input logic gmem0_r_last_i,
  output logic gmem0_aw_valid_o,
  input logic gmem0_aw_ready_i,
  output address_t gmem0_aw_addr_o,
  output logic [7:0] gmem0_aw_len_o,
  output logic gmem0_w_valid_o,
  input logic gmem0_w_ready_i,
  output beat_t gmem0_w_data_o,
  output strobe_t gmem0_w_strb_o,
  output logic gmem0_w_last_o,
  input logic gmem0_b_valid_i,
  output logic gmem0_b_ready_o,
  input logic [1:0] gmem0_b_resp_i,

  // Memory port 1.
  output logic gmem1_ar_valid_o,
  input logic gmem1_ar_ready_i,
  output address_t gmem1_ar_addr_o,
  output logic [7:0] gmem1_ar_len_o,
  input logic gmem1_r_valid_i,
  output logic gmem1_r_ready_o,
  input beat_t gmem1_r_data_i,
  input logic [1:0] gmem1_r_resp_i,
  input logic gmem1_r_last_i
);

  localparam int unsigned Stages = 3;

  // Program.
  logic fetch_req_valid, fetch_req_ready, fetch_data_valid;
  address_t fetch_req_address;
  beats_t fetch_req_beats;
  logic result_busy, result_run_valid, result_data_valid;
  address_t result_run_address;
  beats_t result_run_beats;
  beat_t result_data;
  logic abort, read_error, write_error;
  logic stages_rst_n, weight_layer_valid, weight_layer_ready, layer_start;
  layer_t weight_layer, layer;
  logic [Stages-1:0] layer_done;
  logic issue, stall_input, stall_weights, stall_output;
  beat_t data1;
  logic data1_last;
  logic read0_idle, read1_idle, write_idle, read0_error, read1_error;
  logic run_ready, data_ready;
  logic output_run_valid, output_data_valid, output_run_ready, output_data_ready, write_beat;
  assign read_error = read0_error || read1_error;

  conv_program #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats),
    .Stages(Stages)
  ) u_program (
    .clk_i,
    .rst_ni,
    .start_i,
    .soft_reset_i,
    .program_address_i,
    .descriptor_count_i,
    .window_base_i,
    .window_last_i,
    .watchdog_cycles_i,
    .idle_o,
    .done_o,
    .status_o,
    .completed_o,
    .cycles_o,
    .fetch_req_valid_o(fetch_req_valid),
    .fetch_req_ready_i(fetch_req_ready),
    .fetch_req_address_o(fetch_req_address),
    .fetch_req_beats_o(fetch_req_beats),
    .fetch_data_valid_i(fetch_data_valid),
    .fetch_data_i(data1),
    .fetch_data_last_i(data1_last),
    .result_busy_o(result_busy),
    .result_run_valid_o(result_run_valid),
    .result_run_ready_i(run_ready),
    .result_run_address_o(result_run_address),
    .result_run_beats_o(result_run_beats),
    .result_data_valid_o(result_data_valid),
    .result_data_ready_i(data_ready),
    .result_data_o(result_data),
    .abort_o(abort),
    .idle_i(read0_idle && read1_idle && write_idle),
    .write_idle_i(write_idle),
    .read_error_i(read_error),
    .write_error_i(write_error),
    .stages_rst_no(stages_rst_n),
    .weight_layer_valid_o(weight_layer_valid),
    .weight_layer_ready_i(weight_layer_ready),
    .weight_layer_o(weight_layer),
    .layer_o(layer),
    .layer_start_o(layer_start),
    .layer_done_i(layer_done),
    .issue_i(issue),
    .stall_input_i(stall_input),
    .stall_weights_i(stall_weights),
    .stall_output_i(stall_output),
    .read_beat_i({gmem1_r_valid_i && gmem1_r_ready_o, gmem0_r_valid_i && gmem0_r_ready_o}),
    .output_beat_i(output_data_valid && output_data_ready),
    .write_beat_i(write_beat)
  );

  // Memory in.
  logic row_req_valid, row_req_ready, row_data_valid;
  address_t row_req_address;
  beats_t row_req_beats;
  beat_t row_data;
  logic unused_row_data_last;

  conv_read_master u_read_master0 (
    .clk_i,
    .rst_ni,
    .abort_i(abort),
    .error_o(read0_error),
    .idle_o(read0_idle),
    .req_valid_i(row_req_valid),
    .req_ready_o(row_req_ready),
    .req_address_i(row_req_address),
    .req_beats_i(row_req_beats),
    .data_valid_o(row_data_valid),
    .data_o(row_data),
    .data_last_o(unused_row_data_last),
    .axi_ar_valid_o(gmem0_ar_valid_o),
    .axi_ar_ready_i(gmem0_ar_ready_i),
    .axi_ar_addr_o(gmem0_ar_addr_o),
    .axi_ar_len_o(gmem0_ar_len_o),
    .axi_r_valid_i(gmem0_r_valid_i),
    .axi_r_ready_o(gmem0_r_ready_o),
    .axi_r_data_i(gmem0_r_data_i),
    .axi_r_resp_i(gmem0_r_resp_i),
    .axi_r_last_i(gmem0_r_last_i)
  );

  // Descriptors before weights: they are short, and the next weights wait for them.
  logic weight_req_valid, weight_req_ready, weight_data_valid;
  address_t weight_req_address;
  beats_t weight_req_beats;
  logic req1_valid, req1_ready, data1_valid;
  address_t req1_address;
  beats_t req1_beats;

  conv_read_share u_read_share (
    .clk_i,
    .rst_ni,
    .abort_i(abort),
    .req_valid_i({weight_req_valid, fetch_req_valid}),
    .req_ready_o({weight_req_ready, fetch_req_ready}),
    .req_address_i({weight_req_address, fetch_req_address}),
    .req_beats_i({weight_req_beats, fetch_req_beats}),
    .data_valid_o({weight_data_valid, fetch_data_valid}),
    .req_valid_o(req1_valid),
    .req_ready_i(req1_ready),
    .req_address_o(req1_address),
    .req_beats_o(req1_beats),
    .data_valid_i(data1_valid),
    .data_last_i(data1_last)
  );

  conv_read_master u_read_master1 (
    .clk_i,
    .rst_ni,
    .abort_i(abort),
    .error_o(read1_error),
    .idle_o(read1_idle),
    .req_valid_i(req1_valid),
    .req_ready_o(req1_ready),
    .req_address_i(req1_address),
    .req_beats_i(req1_beats),
    .data_valid_o(data1_valid),
    .data_o(data1),
    .data_last_o(data1_last),
    .axi_ar_valid_o(gmem1_ar_valid_o),
    .axi_ar_ready_i(gmem1_ar_ready_i),
    .axi_ar_addr_o(gmem1_ar_addr_o),
    .axi_ar_len_o(gmem1_ar_len_o),
    .axi_r_valid_i(gmem1_r_valid_i),
    .axi_r_ready_o(gmem1_r_ready_o),
    .axi_r_data_i(gmem1_r_data_i),
    .axi_r_resp_i(gmem1_r_resp_i),
    .axi_r_last_i(gmem1_r_last_i)
  );

  address_t output_run_address;
  beats_t output_run_beats;
  beat_t output_data;
  strobe_t output_strobe;

  conv_datapath #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats),
    .DspPrimitive(DspPrimitive),
    .RamStyle(RamStyle)
  ) u_datapath (
    .clk_i,
    .rst_ni(stages_rst_n),
    .layer_i(layer),
    .start_i(layer_start),
    .done_o(layer_done),
    .row_req_valid_o(row_req_valid),
    .row_req_ready_i(row_req_ready),
    .row_req_address_o(row_req_address),
    .row_req_beats_o(row_req_beats),
    .row_data_valid_i(row_data_valid),
    .row_data_i(row_data),
    .weight_layer_valid_i(weight_layer_valid),
    .weight_layer_ready_o(weight_layer_ready),
    .weight_layer_i(weight_layer),
    .weight_req_valid_o(weight_req_valid),
    .weight_req_ready_i(weight_req_ready),
    .weight_req_address_o(weight_req_address),
    .weight_req_beats_o(weight_req_beats),
    .weight_data_valid_i(weight_data_valid),
    .weight_data_i(data1),
    .weight_data_last_i(data1_last),
    .run_valid_o(output_run_valid),
    .run_ready_i(output_run_ready),
    .run_address_o(output_run_address),
    .run_beats_o(output_run_beats),
    .data_valid_o(output_data_valid),
    .data_ready_i(output_data_ready),
    .data_o(output_data),
    .strobe_o(output_strobe),
    .issue_o(issue),
    .stall_input_o(stall_input),
    .stall_weights_o(stall_weights),
    .stall_output_o(stall_output)
  );

  // Memory out. A result block is handed over as a whole, while the next layer has no output yet.
  assign output_run_ready = run_ready && !result_busy;
  assign output_data_ready = data_ready && !result_busy;

  conv_write_master u_write_master (
    .clk_i,
    .rst_ni,
    .abort_i(abort),
    .error_o(write_error),
    .idle_o(write_idle),
    .beat_o(write_beat),
    .run_valid_i(result_busy ? result_run_valid : output_run_valid),
    .run_ready_o(run_ready),
    .run_address_i(result_busy ? result_run_address : output_run_address),
    .run_beats_i(result_busy ? result_run_beats : output_run_beats),
    .data_valid_i(result_busy ? result_data_valid : output_data_valid),
    .data_ready_o(data_ready),
    .data_i(result_busy ? result_data : output_data),
    .strobe_i(result_busy ? '1 : output_strobe),
    .axi_aw_valid_o(gmem0_aw_valid_o),
    .axi_aw_ready_i(gmem0_aw_ready_i),
    .axi_aw_addr_o(gmem0_aw_addr_o),
    .axi_aw_len_o(gmem0_aw_len_o),
    .axi_w_valid_o(gmem0_w_valid_o),
    .axi_w_ready_i(gmem0_w_ready_i),
    .axi_w_data_o(gmem0_w_data_o),
    .axi_w_strb_o(gmem0_w_strb_o),
    .axi_w_last_o(gmem0_w_last_o),
    .axi_b_valid_i(gmem0_b_valid_i),
    .axi_b_ready_o(gmem0_b_ready_o),
    .axi_b_resp_i(gmem0_b_resp_i)
  );

endmodule
