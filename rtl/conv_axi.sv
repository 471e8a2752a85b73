// SPDX-License-Identifier: Apache-2.0
// verilog_lint: waive-start port-name-suffix

/// The IP: control registers and conv_core behind the port names of a Vitis HLS kernel.
///
/// Control on AXI4-Lite, two AXI4 masters of BeatBytes: gmem0 reads input rows and writes
/// output and result blocks, gmem1 reads programs and weights and never writes. Bursts are INCR of
/// at most 16 beats, within 4 KB, so that an AXI3 port takes them; all have ID 0.
module conv_axi
  import conv_pkg::*;
  import conv_regs_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384,
  parameter int unsigned IdWidth = 1,
  // Instances instead of inferred multipliers: "DSP48E1", "DSP48E2" or "none".
  parameter string DspPrimitive = "none",
  // RAM of the input rows and of the parameters: "block" or "ultra". Weights are in block RAM.
  parameter string RamStyle = "block"
) (
  input logic ap_clk,
  input logic ap_rst_n,
  // The name that block designs look for.
  // verilator lint_off SYMRSVDWORD
  output logic interrupt,
  // verilator lint_on SYMRSVDWORD

  input logic s_axi_control_awvalid,
  output logic s_axi_control_awready,
  input logic [11:0] s_axi_control_awaddr,
  input logic s_axi_control_wvalid,
  output logic s_axi_control_wready,
  input logic [31:0] s_axi_control_wdata,
  input logic [3:0] s_axi_control_wstrb,
  output logic s_axi_control_bvalid,
  input logic s_axi_control_bready,
  output logic [1:0] s_axi_control_bresp,
  input logic s_axi_control_arvalid,
  output logic s_axi_control_arready,
  input logic [11:0] s_axi_control_araddr,
  output logic s_axi_control_rvalid,
  input logic s_axi_control_rready,
  output logic [31:0] s_axi_control_rdata,
  output logic [1:0] s_axi_control_rresp,

  output logic m_axi_gmem0_awvalid,
  input logic m_axi_gmem0_awready,
  output logic [IdWidth-1:0] m_axi_gmem0_awid,
  output logic [31:0] m_axi_gmem0_awaddr,
  output logic [7:0] m_axi_gmem0_awlen,
  output logic [2:0] m_axi_gmem0_awsize,
  output logic [1:0] m_axi_gmem0_awburst,
  output logic m_axi_gmem0_awlock,
  output logic [3:0] m_axi_gmem0_awcache,
  output logic [2:0] m_axi_gmem0_awprot,
  output logic [3:0] m_axi_gmem0_awqos,
  output logic m_axi_gmem0_wvalid,
  input logic m_axi_gmem0_wready,
  output logic [BeatBits-1:0] m_axi_gmem0_wdata,
  output logic [BeatBytes-1:0] m_axi_gmem0_wstrb,
  output logic m_axi_gmem0_wlast,
  input logic m_axi_gmem0_bvalid,
  output logic m_axi_gmem0_bready,
  input logic [IdWidth-1:0] m_axi_gmem0_bid,
  input logic [1:0] m_axi_gmem0_bresp,

  output logic m_axi_gmem0_arvalid,
  input logic m_axi_gmem0_arready,
  output logic [IdWidth-1:0] m_axi_gmem0_arid,
  output logic [31:0] m_axi_gmem0_araddr,
  output logic [7:0] m_axi_gmem0_arlen,
  output logic [2:0] m_axi_gmem0_arsize,
  output logic [1:0] m_axi_gmem0_arburst,
  output logic m_axi_gmem0_arlock,
  output logic [3:0] m_axi_gmem0_arcache,
  output logic [2:0] m_axi_gmem0_arprot,
  output logic [3:0] m_axi_gmem0_arqos,
  input logic m_axi_gmem0_rvalid,
  output logic m_axi_gmem0_rready,
  input logic [IdWidth-1:0] m_axi_gmem0_rid,
  input logic [BeatBits-1:0] m_axi_gmem0_rdata,
  input logic [1:0] m_axi_gmem0_rresp,
  input logic m_axi_gmem0_rlast,

  output logic m_axi_gmem1_awvalid,
  input logic m_axi_gmem1_awready,
  output logic [IdWidth-1:0] m_axi_gmem1_awid,
  output logic [31:0] m_axi_gmem1_awaddr,
  output logic [7:0] m_axi_gmem1_awlen,
  output logic [2:0] m_axi_gmem1_awsize,
  output logic [1:0] m_axi_gmem1_awburst,
  output logic m_axi_gmem1_awlock,
  output logic [3:0] m_axi_gmem1_awcache,
  output logic [2:0] m_axi_gmem1_awprot,
  output logic [3:0] m_axi_gmem1_awqos,
  output logic m_axi_gmem1_wvalid,
  input logic m_axi_gmem1_wready,
  output logic [BeatBits-1:0] m_axi_gmem1_wdata,
  output logic [BeatBytes-1:0] m_axi_gmem1_wstrb,
  output logic m_axi_gmem1_wlast,
  input logic m_axi_gmem1_bvalid,
  output logic m_axi_gmem1_bready,
  input logic [IdWidth-1:0] m_axi_gmem1_bid,
  input logic [1:0] m_axi_gmem1_bresp,

  output logic m_axi_gmem1_arvalid,
  input logic m_axi_gmem1_arready,
  output logic [IdWidth-1:0] m_axi_gmem1_arid,
  output logic [31:0] m_axi_gmem1_araddr,
  output logic [7:0] m_axi_gmem1_arlen,
  output logic [2:0] m_axi_gmem1_arsize,
  output logic [1:0] m_axi_gmem1_arburst,
  output logic m_axi_gmem1_arlock,
  output logic [3:0] m_axi_gmem1_arcache,
  output logic [2:0] m_axi_gmem1_arprot,
  output logic [3:0] m_axi_gmem1_arqos,
  input logic m_axi_gmem1_rvalid,
  output logic m_axi_gmem1_rready,
  input logic [IdWidth-1:0] m_axi_gmem1_rid,
  input logic [BeatBits-1:0] m_axi_gmem1_rdata,
  input logic [1:0] m_axi_gmem1_rresp,
  input logic m_axi_gmem1_rlast
);

  localparam logic [2:0] Size = 3'($clog2(BeatBytes));
  localparam logic [1:0] BurstIncr = 2'b01;
  localparam logic [3:0] CacheBufferable = 4'b0011;  // normal, not cacheable, bufferable

  logic start, soft_reset, idle, done;
  logic [63:0] program_address, window_base, window_last, cycles;
  logic [31:0] descriptor_count, watchdog_cycles, completed;
  error_e status;

  conv_control_regs #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats)
  ) u_control_regs (
    .clk_i(ap_clk),
    .rst_ni(ap_rst_n),
    .axi_aw_valid_i(s_axi_control_awvalid),
    .axi_aw_ready_o(s_axi_control_awready),
    .axi_aw_addr_i(s_axi_control_awaddr),
    .axi_w_valid_i(s_axi_control_wvalid),
    .axi_w_ready_o(s_axi_control_wready),
    .axi_w_data_i(s_axi_control_wdata),
    .axi_w_strb_i(s_axi_control_wstrb),
    .axi_b_valid_o(s_axi_control_bvalid),
    .axi_b_ready_i(s_axi_control_bready),
    .axi_b_resp_o(s_axi_control_bresp),
    .axi_ar_valid_i(s_axi_control_arvalid),
    .axi_ar_ready_o(s_axi_control_arready),
    .axi_ar_addr_i(s_axi_control_araddr),
    .axi_r_valid_o(s_axi_control_rvalid),
    .axi_r_ready_i(s_axi_control_rready),
    .axi_r_data_o(s_axi_control_rdata),
    .axi_r_resp_o(s_axi_control_rresp),
    .interrupt_o(interrupt),
    .start_o(start),
    .soft_reset_o(soft_reset),
    .idle_i(idle),
    .done_i(done),
    .program_address_o(program_address),
    .descriptor_count_o(descriptor_count),
    .window_base_o(window_base),
    .window_last_o(window_last),
    .watchdog_cycles_o(watchdog_cycles),
    .status_i(status),
    .failed_index_i(completed),  // the first that did not complete
    .completed_i(completed),
    .cycles_i(cycles)
  );

  conv_core #(
    .InputLanes(InputLanes),
    .OutputLanes(OutputLanes),
    .VectorLanes(VectorLanes),
    .WeightWords(WeightWords),
    .LineBufferBeats(LineBufferBeats),
    .DspPrimitive(DspPrimitive),
    .RamStyle(RamStyle)
  ) u_core (
    .clk_i(ap_clk),
    .rst_ni(ap_rst_n),
    .start_i(start),
    .soft_reset_i(soft_reset),
    .program_address_i(program_address),
    .descriptor_count_i(descriptor_count),
    .window_base_i(window_base),
    .window_last_i(window_last),
    .watchdog_cycles_i(watchdog_cycles),
    .idle_o(idle),
    .done_o(done),
    .status_o(status),
    .completed_o(completed),
    .cycles_o(cycles),
    .gmem0_ar_valid_o(m_axi_gmem0_arvalid),
    .gmem0_ar_ready_i(m_axi_gmem0_arready),
    .gmem0_ar_addr_o(m_axi_gmem0_araddr),
    .gmem0_ar_len_o(m_axi_gmem0_arlen),
    .gmem0_r_valid_i(m_axi_gmem0_rvalid),
    .gmem0_r_ready_o(m_axi_gmem0_rready),
    .gmem0_r_data_i(m_axi_gmem0_rdata),
    .gmem0_r_resp_i(m_axi_gmem0_rresp),
    .gmem0_r_last_i(m_axi_gmem0_rlast),
    .gmem0_aw_valid_o(m_axi_gmem0_awvalid),
    .gmem0_aw_ready_i(m_axi_gmem0_awready),
    .gmem0_aw_addr_o(m_axi_gmem0_awaddr),
    .gmem0_aw_len_o(m_axi_gmem0_awlen),
    .gmem0_w_valid_o(m_axi_gmem0_wvalid),
    .gmem0_w_ready_i(m_axi_gmem0_wready),
    .gmem0_w_data_o(m_axi_gmem0_wdata),
    .gmem0_w_strb_o(m_axi_gmem0_wstrb),
    .gmem0_w_last_o(m_axi_gmem0_wlast),
    .gmem0_b_valid_i(m_axi_gmem0_bvalid),
    .gmem0_b_ready_o(m_axi_gmem0_bready),
    .gmem0_b_resp_i(m_axi_gmem0_bresp),
    .gmem1_ar_valid_o(m_axi_gmem1_arvalid),
    .gmem1_ar_ready_i(m_axi_gmem1_arready),
    .gmem1_ar_addr_o(m_axi_gmem1_araddr),
    .gmem1_ar_len_o(m_axi_gmem1_arlen),
    .gmem1_r_valid_i(m_axi_gmem1_rvalid),
    .gmem1_r_ready_o(m_axi_gmem1_rready),
    .gmem1_r_data_i(m_axi_gmem1_rdata),
    .gmem1_r_resp_i(m_axi_gmem1_rresp),
    .gmem1_r_last_i(m_axi_gmem1_rlast)
  );

  // gmem1 never writes.
  assign m_axi_gmem1_awvalid = 1'b0;
  assign m_axi_gmem1_awaddr = '0;
  assign m_axi_gmem1_awlen = '0;
  assign m_axi_gmem1_wvalid = 1'b0;
  assign m_axi_gmem1_wdata = '0;
  assign m_axi_gmem1_wstrb = '0;
  assign m_axi_gmem1_wlast = 1'b0;
  assign m_axi_gmem1_bready = 1'b1;

  assign m_axi_gmem0_awid = '0;
  assign m_axi_gmem0_awsize = Size;
  assign m_axi_gmem0_awburst = BurstIncr;
  assign m_axi_gmem0_awlock = 1'b0;
  assign m_axi_gmem0_awcache = CacheBufferable;
  assign m_axi_gmem0_awprot = '0;
  assign m_axi_gmem0_awqos = '0;
  assign m_axi_gmem0_arid = '0;
  assign m_axi_gmem0_arsize = Size;
  assign m_axi_gmem0_arburst = BurstIncr;
  assign m_axi_gmem0_arlock = 1'b0;
  assign m_axi_gmem0_arcache = CacheBufferable;
  assign m_axi_gmem0_arprot = '0;
  assign m_axi_gmem0_arqos = '0;
  assign m_axi_gmem1_awid = '0;
  assign m_axi_gmem1_awsize = Size;
  assign m_axi_gmem1_awburst = BurstIncr;
  assign m_axi_gmem1_awlock = 1'b0;
  assign m_axi_gmem1_awcache = CacheBufferable;
  assign m_axi_gmem1_awprot = '0;
  assign m_axi_gmem1_awqos = '0;
  assign m_axi_gmem1_arid = '0;
  assign m_axi_gmem1_arsize = Size;
  assign m_axi_gmem1_arburst = BurstIncr;
  assign m_axi_gmem1_arlock = 1'b0;
  assign m_axi_gmem1_arcache = CacheBufferable;
  assign m_axi_gmem1_arprot = '0;
  assign m_axi_gmem1_arqos = '0;

  // Responses come back in order, with the one ID.
  logic unused;
  assign unused = ^{m_axi_gmem0_bid, m_axi_gmem0_rid, m_axi_gmem1_bid, m_axi_gmem1_rid,
                    m_axi_gmem1_awready, m_axi_gmem1_wready, m_axi_gmem1_bvalid,
                    m_axi_gmem1_bresp};

endmodule
