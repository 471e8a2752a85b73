// SPDX-License-Identifier: Apache-2.0

/// Back of a program: runs the layers that conv_fetch offers one after the other, has their results
/// reported, and ends the run.
///
/// A layer starts when the one before is complete: all its stages are done and the memory has
/// acknowledged everything that was written. So it may read what that one wrote. The result block of
/// a layer is written while the next layer starts already.
///
/// A run ends after the last descriptor, or at the first that fails: by its check, a bus error, or
/// the watchdog (`watchdog_cycles_i` without progress). Then `done_o` is high for one cycle, and
/// status, completed count (also the index of the failed one) and cycles stay until the next start.
/// From the completion of a layer on, everything counts for the next descriptor if there is one:
/// cycles, and what fails on the bus, also while the next but one is fetched.
///
/// Errors of bus and watchdog abort the memory masters first; the result block is written when they
/// have drained. A memory that never answers can only be left by giving up: if the masters make no
/// progress for another `watchdog_cycles_i`, the run ends without a result block. A soft reset ends
/// a run at once, without done. After both, idle and the next start wait until every response
/// that the memory owes has arrived.
///
/// The stages are in reset but between the start of a run and its last layer's completion, so that
/// no run starts with the remains of another.
module conv_run
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
  input logic [31:0] descriptor_count_i,
  input logic [31:0] watchdog_cycles_i,  // 0: no watchdog
  output logic idle_o,
  output logic done_o,  // pulse
  output error_e status_o,
  output logic [31:0] completed_o,
  output logic [63:0] cycles_o,

  // conv_fetch: the next layer.
  input logic next_valid_i,
  output logic next_ready_o,
  input error_e next_error_i,
  input address_t next_address_i,  // of the descriptor, also before next_valid_i
  input logic next_legal_i,  // it may be touched
  input layer_t next_layer_i,

  // Memory masters.
  output logic abort_o,  // pulse
  input logic idle_i,  // all of them
  input logic write_idle_i,
  input logic read_error_i,
  input logic write_error_i,
  input logic progress_i,  // a beat on any memory port, a MAC cycle, a check under way

  // Stages.
  output logic stages_rst_no,
  output layer_t layer_o,  // stays while the layer runs
  output logic layer_start_o,
  input logic [Stages-1:0] layer_done_i,

  // conv_report; conv_counters restart in the cycle of report_start_o or start_i.
  output logic report_start_o,  // pulse
  output address_t report_address_o,  // of the descriptor
  input logic report_busy_i
);

  typedef enum logic [3:0] {
    Idle,
    Next,
    Start,
    Layer,
    Abort,
    Drain,
    Settle,
    Report,
    Acknowledge,
    Done
  } state_e;

  state_e state_d, state_q;
  error_e status_d, status_q;
  logic [31:0] index_d, index_q;
  logic [31:0] left_d, left_q;  // descriptors from this one on
  logic [31:0] watchdog_d, watchdog_q;
  logic [31:0] waiting_d, waiting_q;  // cycles without progress
  logic [63:0] cycles_d, cycles_q;
  address_t address_d, address_q;
  logic owed_d, owed_q;  // the descriptor at index_q has a result block to come
  layer_t layer_d, layer_q;
  logic [Stages-1:0] layer_done_d, layer_done_q;
  logic stages_rst_n_d, stages_rst_n_q;
  logic expired_d, expired_q;

  // A failure that needs the memory masters to be aborted. Nothing new begins with it; the abort
  // itself waits until the result block of the layer before is handed over, and so survives.
  error_e failure;
  logic healthy, complete;
  assign healthy = failure == ErrorOk;
  assign complete = &layer_done_q && write_idle_i && !report_busy_i && healthy;
  always_comb begin
    failure = ErrorOk;
    if (expired_q) failure = ErrorWatchdog;
    if (write_error_i) failure = ErrorWriteError;
    if (read_error_i) failure = ErrorReadError;
  end

  always_comb begin
    state_d = state_q;
    status_d = status_q;
    index_d = index_q;
    left_d = left_q;
    watchdog_d = watchdog_q;
    address_d = address_q;
    owed_d = owed_q;
    layer_d = layer_q;
    layer_done_d = layer_done_q | layer_done_i;

    unique case (state_q)
      Idle: begin
        if (start_i) begin
          state_d = descriptor_count_i == '0 ? Done : Next;
          status_d = ErrorOk;
          index_d = '0;
          left_d = descriptor_count_i;
          watchdog_d = watchdog_cycles_i;
        end
      end
      Next: begin
        address_d = next_address_i;
        owed_d = next_legal_i;
        layer_d = next_layer_i;
        if (next_valid_i) begin
          status_d = next_error_i;
          if (next_error_i == ErrorOk) state_d = Start;
          else state_d = next_legal_i ? Settle : Acknowledge;
        end
      end
      Start: begin
        layer_done_d = '0;
        state_d = Layer;
      end
      Layer: if (complete) state_d = Report;
      Abort: state_d = Drain;
      Drain: begin
        if (idle_i && !report_busy_i) state_d = owed_q ? Settle : Done;
        else if (expired_q) state_d = Done;
      end
      Settle: if (idle_i && !report_busy_i && healthy) state_d = Report;
      Report: begin
        owed_d = 1'b0;
        if (status_q != ErrorOk || left_q == 32'd1) begin
          state_d = Acknowledge;
        end else begin
          index_d = index_q + 32'd1;
          left_d = left_q - 32'd1;
          state_d = Next;
        end
      end
      Acknowledge: begin
        if (idle_i && !report_busy_i) begin
          if (status_q == ErrorOk) index_d = index_q + 32'd1;
          state_d = Done;
        end
      end
      Done: state_d = Idle;
      default: state_d = Idle;
    endcase

    if (!healthy && !report_busy_i &&
        state_q inside {Next, Start, Layer, Settle, Acknowledge}) begin
      state_d = Abort;
      index_d = index_q;
      status_d = status_q == ErrorOk ? failure : status_q;
    end
    if (soft_reset_i) state_d = Idle;
  end

  assign cycles_d = state_q == Idle ? (state_d == Idle ? cycles_q : '0) : cycles_q + 64'd1;
  logic silent;
  assign silent = !progress_i && state_d == state_q;
  assign waiting_d = silent ? waiting_q + 32'd1 : '0;
  assign expired_d = silent && watchdog_q != '0 && waiting_q >= watchdog_q;
  assign stages_rst_n_d =
      (state_d inside {Next, Start, Layer} || (state_d == Report && status_q == ErrorOk)) &&
      !soft_reset_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      status_q <= ErrorOk;
      index_q <= '0;
      cycles_q <= '0;
      stages_rst_n_q <= 1'b0;
    end else begin
      state_q <= state_d;
      status_q <= status_d;
      index_q <= index_d;
      cycles_q <= cycles_d;
      stages_rst_n_q <= stages_rst_n_d;
    end
    left_q <= left_d;
    watchdog_q <= watchdog_d;
    waiting_q <= waiting_d;
    expired_q <= expired_d;
    address_q <= address_d;
    owed_q <= owed_d;
    layer_q <= layer_d;
    layer_done_q <= layer_done_d;
  end

  assign idle_o = state_q == Idle && idle_i;
  assign done_o = state_q == Done;
  assign status_o = status_q;
  assign completed_o = index_q;
  assign cycles_o = cycles_q;

  assign next_ready_o = state_q == Next;
  assign abort_o = state_q == Abort || soft_reset_i;
  assign stages_rst_no = stages_rst_n_q;
  assign layer_o = layer_q;
  assign layer_start_o = state_q == Start;
  assign report_start_o = state_q == Report;
  assign report_address_o = address_q;

endmodule
