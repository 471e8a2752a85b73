// SPDX-License-Identifier: Apache-2.0

/// First-word-fall-through FIFO, one word in and one word out per cycle.
///
/// A word that enters an empty FIFO is at the output in the next cycle. `ready_o` does not depend
/// on `ready_i` nor `valid_o` on `valid_i`: the FIFO cuts both handshake paths. The memory is read
/// without a register, which is what LUT RAM does; for deep FIFOs in block RAM this is no fit.
module conv_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 16,  // any from 2 on; with 1 it could not stream
  localparam int unsigned UsageWidth = $clog2(Depth + 1)
) (
  input logic clk_i,
  input logic rst_ni,

  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,

  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o,

  output logic [UsageWidth-1:0] usage_o  // words inside
);

  if (Width < 1) begin : gen_bad_width
    $fatal(1, "Width must be at least 1");
  end
  if (Depth < 2) begin : gen_bad_depth
    $fatal(1, "Depth must be at least 2");
  end

  localparam int unsigned PointerWidth = $clog2(Depth);
  localparam logic [PointerWidth-1:0] LastPointer = PointerWidth'(Depth - 1);

  (* ram_style = "distributed" *)
  logic [Width-1:0] memory[Depth];

  logic [PointerWidth-1:0] write_d, write_q, read_d, read_q;
  logic [UsageWidth-1:0] usage_d, usage_q;
  logic push, pop;

  assign valid_o = usage_q != '0;
  assign ready_o = usage_q != UsageWidth'(Depth);
  assign usage_o = usage_q;
  assign data_o = memory[read_q];

  assign push = valid_i && ready_o;
  assign pop = valid_o && ready_i;

  always_comb begin
    write_d = write_q;
    read_d = read_q;
    usage_d = usage_q;
    if (push) write_d = write_q == LastPointer ? '0 : write_q + 1'b1;
    if (pop) read_d = read_q == LastPointer ? '0 : read_q + 1'b1;
    if (push && !pop) usage_d = usage_q + 1'b1;
    if (pop && !push) usage_d = usage_q - 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
      usage_q <= '0;
    end else begin
      write_q <= write_d;
      read_q <= read_d;
      usage_q <= usage_d;
    end
    if (push) memory[write_q] <= data_i;
  end

endmodule
