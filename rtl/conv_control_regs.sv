// SPDX-License-Identifier: Apache-2.0

/// Control registers behind an AXI4-Lite slave: block control and interrupts as a Vitis HLS
/// s_axilite block has them, the arguments of a run, its results, the identity of the core.
///
/// AP_START stays set until the core takes the start (at once if it is idle, else when its run has
/// ended); that moment is ap_ready. The core samples the arguments then, so after ap_ready they can
/// be written for the next run. AUTO_RESTART sets AP_START again when a run ends. AP_DONE and
/// AP_READY clear when CTRL is read. SOFT_RESET clears AP_START, AUTO_RESTART, AP_DONE, AP_READY
/// and IP_ISR; the arguments and the interrupt enables stay.
///
/// Every access answers OKAY: an offset without a register, also beyond RegisterBytes, reads 0 and
/// ignores writes, because a bus error would kill the process that probes an unknown core. Write
/// address and data may come in any order. A response follows two (write) or one (read) cycles
/// after the last part of its access; one access takes two cycles.
module conv_control_regs
  import conv_pkg::*;
  import conv_regs_pkg::*;
#(
  parameter int unsigned InputLanes = 26,
  parameter int unsigned OutputLanes = 16,
  parameter int unsigned VectorLanes = 48,
  parameter int unsigned WeightWords = 512,
  parameter int unsigned LineBufferBeats = 16384
) (
  input logic clk_i,
  input logic rst_ni,

  input logic axi_aw_valid_i,
  output logic axi_aw_ready_o,
  input logic [11:0] axi_aw_addr_i,
  input logic axi_w_valid_i,
  output logic axi_w_ready_o,
  input logic [31:0] axi_w_data_i,
  input logic [3:0] axi_w_strb_i,
  output logic axi_b_valid_o,
  input logic axi_b_ready_i,
  output logic [1:0] axi_b_resp_o,
  input logic axi_ar_valid_i,
  output logic axi_ar_ready_o,
  input logic [11:0] axi_ar_addr_i,
  output logic axi_r_valid_o,
  input logic axi_r_ready_i,
  output logic [31:0] axi_r_data_o,
  output logic [1:0] axi_r_resp_o,

  output logic interrupt_o,  // level

  output logic start_o,  // pulse, only while idle_i
  output logic soft_reset_o,  // pulse
  input logic idle_i,  // low from the cycle after start_o until the run has ended
  input logic done_i,  // pulse
  output logic [63:0] program_address_o,
  output logic [31:0] descriptor_count_o,
  output logic [63:0] window_base_o,
  output logic [63:0] window_last_o,
  output logic [31:0] watchdog_cycles_o,
  input error_e status_i,
  input logic [31:0] failed_index_i,
  input logic [31:0] completed_i,
  input logic [63:0] cycles_i
);

  localparam logic [1:0] RespOkay = 2'b00;

  typedef logic [31:0] word_t;

  function automatic word_t merge(word_t present, word_t data, logic [3:0] strobe);
    for (int unsigned i = 0; i < 4; i++) begin
      merge[8*i+:8] = strobe[i] ? data[8*i+:8] : present[8*i+:8];
    end
  endfunction

  // Write channel: address and data wait for each other.
  logic aw_held_d, aw_held_q, w_held_d, w_held_q, b_valid_d, b_valid_q;
  logic [11:0] aw_addr_d, aw_addr_q;
  word_t w_data_d, w_data_q;
  logic [3:0] w_strb_d, w_strb_q;
  logic write, write_known;
  logic [7:0] write_offset;
  assign axi_aw_ready_o = !aw_held_q;
  assign axi_w_ready_o = !w_held_q;
  assign axi_b_valid_o = b_valid_q;
  assign axi_b_resp_o = RespOkay;
  assign write = aw_held_q && w_held_q && !b_valid_q;
  assign write_known = write && 32'(aw_addr_q) < RegisterBytes;
  assign write_offset = {aw_addr_q[7:2], 2'b00};
  assign aw_held_d = aw_held_q ? !write : axi_aw_valid_i;
  assign w_held_d = w_held_q ? !write : axi_w_valid_i;
  assign b_valid_d = b_valid_q ? !axi_b_ready_i : write;
  assign aw_addr_d = aw_held_q ? aw_addr_q : axi_aw_addr_i;
  assign w_data_d = w_held_q ? w_data_q : axi_w_data_i;
  assign w_strb_d = w_held_q ? w_strb_q : axi_w_strb_i;

  // Read channel.
  logic r_valid_d, r_valid_q;
  word_t r_data_d, r_data_q;
  logic read, read_known;
  logic [7:0] read_offset;
  assign axi_ar_ready_o = !r_valid_q;
  assign axi_r_valid_o = r_valid_q;
  assign axi_r_data_o = r_data_q;
  assign axi_r_resp_o = RespOkay;
  assign read = axi_ar_valid_i && !r_valid_q;
  assign read_known = read && 32'(axi_ar_addr_i) < RegisterBytes;
  assign read_offset = {axi_ar_addr_i[7:2], 2'b00};
  assign r_valid_d = r_valid_q ? !axi_r_ready_i : read;

  // Arguments.
  logic [63:0] program_d, program_q, window_base_d, window_base_q, window_last_d, window_last_q;
  word_t descriptor_count_d, descriptor_count_q, watchdog_cycles_d, watchdog_cycles_q;
  assign program_address_o = program_q;
  assign descriptor_count_o = descriptor_count_q;
  assign window_base_o = window_base_q;
  assign window_last_o = window_last_q;
  assign watchdog_cycles_o = watchdog_cycles_q;

  // Block control. Bit 0 of enable and status is ap_done, bit 1 is ap_ready.
  logic ap_start_d, ap_start_q, ap_done_d, ap_done_q, ap_ready_d, ap_ready_q;
  logic auto_restart_d, auto_restart_q, soft_reset_d, soft_reset_q;
  logic gier_d, gier_q;
  logic [1:0] ip_ier_d, ip_ier_q, ip_isr_d, ip_isr_q;
  word_t ctrl;
  assign start_o = ap_start_q && idle_i && !soft_reset_q;
  assign soft_reset_o = soft_reset_q;
  assign interrupt_o = gier_q && ip_isr_q != '0;

  always_comb begin
    ctrl = '0;
    ctrl[0] = ap_start_q;
    ctrl[1] = ap_done_q;
    ctrl[2] = idle_i && !ap_start_q && !done_i;  // never idle before done can be read
    ctrl[3] = ap_ready_q;
    ctrl[7] = auto_restart_q;
    ctrl[9] = interrupt_o;
  end

  always_comb begin
    program_d = program_q;
    descriptor_count_d = descriptor_count_q;
    window_base_d = window_base_q;
    window_last_d = window_last_q;
    watchdog_cycles_d = watchdog_cycles_q;
    ap_start_d = (ap_start_q && !start_o) || (done_i && auto_restart_q);
    auto_restart_d = auto_restart_q;
    soft_reset_d = 1'b0;
    gier_d = gier_q;
    ip_ier_d = ip_ier_q;
    ip_isr_d = ip_isr_q;
    if (write_known) begin
      unique case (write_offset)
        Program1Offset: program_d[31:0] = merge(program_q[31:0], w_data_q, w_strb_q);
        Program2Offset: program_d[63:32] = merge(program_q[63:32], w_data_q, w_strb_q);
        DescriptorCountOffset: begin
          descriptor_count_d = merge(descriptor_count_q, w_data_q, w_strb_q);
        end
        WindowBase1Offset: begin
          window_base_d[31:0] = merge(window_base_q[31:0], w_data_q, w_strb_q);
        end
        WindowBase2Offset: begin
          window_base_d[63:32] = merge(window_base_q[63:32], w_data_q, w_strb_q);
        end
        WindowLast1Offset: begin
          window_last_d[31:0] = merge(window_last_q[31:0], w_data_q, w_strb_q);
        end
        WindowLast2Offset: begin
          window_last_d[63:32] = merge(window_last_q[63:32], w_data_q, w_strb_q);
        end
        WatchdogCyclesOffset: begin
          watchdog_cycles_d = merge(watchdog_cycles_q, w_data_q, w_strb_q);
        end
        CtrlOffset: begin
          if (w_strb_q[0]) begin
            if (w_data_q[0]) ap_start_d = 1'b1;
            auto_restart_d = w_data_q[7];
          end
        end
        GierOffset: if (w_strb_q[0]) gier_d = w_data_q[0];
        IpIerOffset: if (w_strb_q[0]) ip_ier_d = w_data_q[1:0];
        IpIsrOffset: if (w_strb_q[0]) ip_isr_d = ip_isr_q ^ w_data_q[1:0];
        SoftResetOffset: soft_reset_d = w_strb_q[0] && w_data_q[0];
        default: ;
      endcase
    end

    // An event wins over the access that would clear it, so none is lost.
    ap_done_d = ap_done_q;
    ap_ready_d = ap_ready_q;
    if (read_known && read_offset == CtrlOffset) begin
      ap_done_d = 1'b0;
      ap_ready_d = 1'b0;
    end
    if (done_i) ap_done_d = 1'b1;
    if (start_o) ap_ready_d = 1'b1;
    ip_isr_d |= ip_ier_q & {start_o, done_i};

    if (soft_reset_q) begin
      ap_start_d = 1'b0;
      auto_restart_d = 1'b0;
      ap_done_d = 1'b0;
      ap_ready_d = 1'b0;
      ip_isr_d = '0;
    end
  end

  always_comb begin
    r_data_d = r_data_q;
    if (read) r_data_d = '0;
    if (read_known) begin
      unique case (read_offset)
        CtrlOffset: r_data_d = ctrl;
        GierOffset: r_data_d = 32'(gier_q);
        IpIerOffset: r_data_d = 32'(ip_ier_q);
        IpIsrOffset: r_data_d = 32'(ip_isr_q);
        Program1Offset: r_data_d = program_q[31:0];
        Program2Offset: r_data_d = program_q[63:32];
        DescriptorCountOffset: r_data_d = descriptor_count_q;
        WindowBase1Offset: r_data_d = window_base_q[31:0];
        WindowBase2Offset: r_data_d = window_base_q[63:32];
        WindowLast1Offset: r_data_d = window_last_q[31:0];
        WindowLast2Offset: r_data_d = window_last_q[63:32];
        WatchdogCyclesOffset: r_data_d = watchdog_cycles_q;
        StatusOffset: r_data_d = 32'(status_i);
        FailedIndexOffset: r_data_d = failed_index_i;
        CompletedOffset: r_data_d = completed_i;
        Cycles1Offset: r_data_d = cycles_i[31:0];
        Cycles2Offset: r_data_d = cycles_i[63:32];
        MagicOffset: r_data_d = Identity;
        VersionOffset: r_data_d = InterfaceVersion;
        LanesOffset: r_data_d = {16'(OutputLanes), 16'(InputLanes)};
        WeightWordsOffset: r_data_d = WeightWords;
        LineBufferBeatsOffset: r_data_d = LineBufferBeats;
        MemoryOffset: r_data_d = {16'(WeightWords), 8'(AddressBits), 8'(BeatBytes)};
        VectorOffset: r_data_d = 32'(VectorLanes);
        default: ;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_held_q <= 1'b0;
      w_held_q <= 1'b0;
      b_valid_q <= 1'b0;
      r_valid_q <= 1'b0;
      program_q <= '0;
      descriptor_count_q <= '0;
      window_base_q <= '0;
      window_last_q <= '0;
      watchdog_cycles_q <= WatchdogReset;
      ap_start_q <= 1'b0;
      ap_done_q <= 1'b0;
      ap_ready_q <= 1'b0;
      auto_restart_q <= 1'b0;
      soft_reset_q <= 1'b0;
      gier_q <= 1'b0;
      ip_ier_q <= '0;
      ip_isr_q <= '0;
    end else begin
      aw_held_q <= aw_held_d;
      w_held_q <= w_held_d;
      b_valid_q <= b_valid_d;
      r_valid_q <= r_valid_d;
      program_q <= program_d;
      descriptor_count_q <= descriptor_count_d;
      window_base_q <= window_base_d;
      window_last_q <= window_last_d;
      watchdog_cycles_q <= watchdog_cycles_d;
      ap_start_q <= ap_start_d;
      ap_done_q <= ap_done_d;
      ap_ready_q <= ap_ready_d;
      auto_restart_q <= auto_restart_d;
      soft_reset_q <= soft_reset_d;
      gier_q <= gier_d;
      ip_ier_q <= ip_ier_d;
      ip_isr_q <= ip_isr_d;
    end
    aw_addr_q <= aw_addr_d;
    w_data_q <= w_data_d;
    w_strb_q <= w_strb_d;
    r_data_q <= r_data_d;
  end

  if (OutputLanes < SliceLanes || OutputLanes % SliceLanes != 0) begin : gen_bad_output_lanes
    $fatal(1, "OutputLanes must be a multiple of SliceLanes");
  end
  if (VectorLanes < SliceLanes || VectorLanes % SliceLanes != 0) begin : gen_bad_vector_lanes
    $fatal(1, "VectorLanes must be a multiple of SliceLanes");
  end

endmodule
