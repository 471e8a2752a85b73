// SPDX-License-Identifier: Apache-2.0

/// Runs a program: fetches each descriptor, has it checked, runs the layer, writes its result block.
///
/// A run ends after the last descriptor, or at the first that fails: by its check, a bus error, or
/// the watchdog (`watchdog_cycles_i` without progress). Then `done_o` is high for one cycle, and
/// status, completed count (also the index of the failed one) and cycles stay until the next start.
/// Arguments are taken with the start, so that those of the next run may be set during a run.
///
/// Errors of bus and watchdog abort the memory masters first; the result block is written when they
/// have drained. A memory that never answers can only be left by giving up: if the masters make no
/// progress for another `watchdog_cycles_i`, the run ends without a result block. A soft reset ends
/// a run at once, without done. After both, idle and the next start wait until every response
/// that the memory owes has arrived.
///
/// The stages are in reset except while a layer runs, so that none starts with the remains of
/// another. Per descriptor: 128 bytes to fetch, about 200 cycles to check, 32 bytes to write.
module conv_program
  import conv_pkg::*;
  import conv_regs_pkg::*;
#(
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
  input logic read_error_i,
  input logic write_error_i,
  input logic progress_i,  // a beat on any memory port, or a MAC cycle

  // conv_check.
  output logic check_start_o,
  output descriptor_t descriptor_o,
  output logic [63:0] window_base_o,
  output logic [63:0] window_last_o,
  input logic check_done_i,
  input error_e check_error_i,

  // Stages; conv_counters.
  output logic layer_rst_no,
  output logic layer_start_o,
  input logic [Stages-1:0] layer_done_i,
  output logic count_clear_o,
  output logic count_run_o,
  input result_t result_i
);

  localparam int unsigned ReadBeats = DescriptorReadBytes / BeatBytes;
  localparam int unsigned WriteBeats = ResultBytes / BeatBytes;

  typedef enum logic [3:0] {
    Idle,
    Next,
    Request,
    Fetch,
    CheckStart,
    Check,
    LayerStart,
    Layer,
    Abort,
    Drain,
    Report,
    ReportData,
    ReportEnd,
    Done
  } state_e;

  state_e state_d, state_q;

  // Arguments of the run.
  logic [63:0] address_d, address_q;  // of the current descriptor
  logic [31:0] count_d, count_q;
  logic [63:0] window_base_d, window_base_q;
  logic [63:0] window_last_d, window_last_q;
  logic [31:0] watchdog_d, watchdog_q;

  // Its state.
  error_e status_d, status_q;
  logic [31:0] index_d, index_q;
  logic [63:0] cycles_d, cycles_q;
  logic [3:0] beat_d, beat_q;
  logic [ReadBeats*BeatBits-1:0] descriptor_d, descriptor_q;
  logic [Stages-1:0] layer_done_d, layer_done_q;
  logic reported_d, reported_q;  // the result block was begun
  logic [31:0] waiting_d, waiting_q;  // cycles without progress
  logic layer_rst_n_d, layer_rst_n_q;

  logic expired;
  assign expired = watchdog_q != '0 && waiting_q >= watchdog_q;

  logic [63:0] descriptor_last;
  logic address_legal;
  assign descriptor_last = address_q | 64'(DescriptorBytes - 1);
  assign address_legal = address_q[63:AddressBits] == '0 &&
                         address_q[$clog2(DescriptorBytes)-1:0] == '0 &&
                         address_q >= window_base_q && descriptor_last <= window_last_q;

  // A failure that needs the memory masters to be aborted.
  error_e failure;
  always_comb begin
    failure = ErrorOk;
    if (expired) failure = ErrorWatchdog;
    if (write_error_i) failure = ErrorWriteError;
    if (read_error_i) failure = ErrorReadError;
  end

  always_comb begin
    state_d = state_q;
    address_d = address_q;
    count_d = count_q;
    window_base_d = window_base_q;
    window_last_d = window_last_q;
    watchdog_d = watchdog_q;
    status_d = status_q;
    index_d = index_q;
    beat_d = beat_q;
    descriptor_d = descriptor_q;
    layer_done_d = layer_done_q | layer_done_i;
    reported_d = reported_q;

    unique case (state_q)
      Idle: begin
        if (start_i) begin
          state_d = Next;
          address_d = program_address_i;
          count_d = descriptor_count_i;
          window_base_d = window_base_i;
          window_last_d = window_last_i;
          watchdog_d = watchdog_cycles_i;
          status_d = ErrorOk;
          index_d = '0;
        end
      end
      Next: begin
        beat_d = '0;
        reported_d = 1'b0;
        if (index_q == count_q) begin
          state_d = Done;
        end else if (!address_legal) begin
          status_d = ErrorBadAddress;
          state_d = Done;
        end else begin
          state_d = Request;
        end
      end
      Request: if (fetch_req_ready_i) state_d = Fetch;
      Fetch: begin
        if (fetch_data_valid_i) begin
          descriptor_d = {fetch_data_i, descriptor_q[ReadBeats*BeatBits-1:BeatBits]};
          beat_d = beat_q + 4'd1;
          if (beat_q == 4'(ReadBeats - 1)) state_d = CheckStart;
        end
      end
      CheckStart: state_d = Check;
      Check: begin
        if (check_done_i) begin
          status_d = check_error_i;
          state_d = check_error_i == ErrorOk ? LayerStart : Report;
        end
      end
      LayerStart: begin
        layer_done_d = '0;
        state_d = Layer;
      end
      Layer: if (&layer_done_q && idle_i) state_d = Report;
      Abort: state_d = Drain;
      Drain: begin
        if (idle_i) state_d = reported_q ? Done : Report;
        else if (expired) state_d = Done;
      end
      Report: begin
        reported_d = 1'b1;
        beat_d = '0;
        if (result_run_ready_i) state_d = ReportData;
      end
      ReportData: begin
        if (result_data_ready_i) begin
          beat_d = beat_q + 4'd1;
          if (beat_q == 4'(WriteBeats - 1)) state_d = ReportEnd;
        end
      end
      ReportEnd: begin
        if (idle_i) begin
          if (status_q == ErrorOk) begin
            index_d = index_q + 32'd1;
            address_d = address_q + 64'(DescriptorBytes);
            state_d = Next;
          end else begin
            state_d = Done;
          end
        end
      end
      Done: state_d = Idle;
      default: state_d = Idle;
    endcase

    if (failure != ErrorOk &&
        state_q inside {Request, Fetch, Layer, Report, ReportData, ReportEnd}) begin
      state_d = Abort;
      index_d = index_q;
      if (status_q == ErrorOk) status_d = failure;
    end
    if (soft_reset_i) state_d = Idle;
  end

  assign cycles_d = state_q == Idle ? (state_d == Idle ? cycles_q : '0) : cycles_q + 64'd1;
  assign waiting_d = progress_i || state_d != state_q ? '0 : waiting_q + 32'd1;
  assign layer_rst_n_d = state_d inside {LayerStart, Layer} && !soft_reset_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      status_q <= ErrorOk;
      index_q <= '0;
      cycles_q <= '0;
      layer_rst_n_q <= 1'b0;
    end else begin
      state_q <= state_d;
      status_q <= status_d;
      index_q <= index_d;
      cycles_q <= cycles_d;
      layer_rst_n_q <= layer_rst_n_d;
    end
    address_q <= address_d;
    count_q <= count_d;
    window_base_q <= window_base_d;
    window_last_q <= window_last_d;
    watchdog_q <= watchdog_d;
    beat_q <= beat_d;
    descriptor_q <= descriptor_d;
    layer_done_q <= layer_done_d;
    reported_q <= reported_d;
    waiting_q <= waiting_d;
  end

  assign idle_o = state_q == Idle && idle_i;
  assign done_o = state_q == Done;
  assign status_o = status_q;
  assign completed_o = index_q;
  assign cycles_o = cycles_q;

  assign fetch_req_valid_o = state_q == Request;
  assign fetch_req_address_o = address_q[AddressBits-1:0];
  assign fetch_req_beats_o = beats_t'(ReadBeats);
  assign result_run_valid_o = state_q == Report;
  assign result_run_address_o = address_q[AddressBits-1:0] + AddressBits'(ResultOffset);
  assign result_run_beats_o = beats_t'(WriteBeats);
  assign result_data_valid_o = state_q == ReportData;
  assign result_data_o = result_i[BeatBits*beat_q[$clog2(WriteBeats)-1:0]+:BeatBits];
  assign abort_o = state_q == Abort || soft_reset_i;

  assign check_start_o = state_q == CheckStart;
  assign descriptor_o = descriptor_q;
  assign window_base_o = window_base_q;
  assign window_last_o = window_last_q;

  assign layer_rst_no = layer_rst_n_q;
  assign layer_start_o = state_q == LayerStart;
  assign count_clear_o = state_q == Next;
  assign count_run_o = state_q inside {Request, Fetch, CheckStart, Check, LayerStart, Layer};

endmodule
