// SPDX-License-Identifier: Apache-2.0

/// Replaces output bytes by entries of a table of 256, in layers that have one.
///
/// One slice per cycle, a cycle later; all its bytes are looked up at once. Other slices pass as
/// they are. There are two tables: one that a layer uses, and one that may be written meanwhile for
/// the next layer that has any. Tables are written and used in the same order: a table begins where
/// the one before it ended, and `start_i` with `has_table_i` goes on to the next. It must be there
/// when the first slice of its layer comes. `has_table_i` is a setting of the layer.
module conv_table
  import conv_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  input logic has_table_i,

  input logic wr_valid_i,
  input logic [$clog2(TableBeats)-1:0] wr_beat_i,
  input logic [BeatBytes-1:0][7:0] wr_data_i,

  // The output type of the layer tells which of the two is meant.
  input logic in_valid_i,
  output logic in_ready_o,
  input logic [SliceLanes-1:0][7:0] in_bytes_i,
  input logic [SliceLanes-1:0][31:0] in_words_i,

  output logic out_valid_o,
  input logic out_ready_i,
  output logic [SliceLanes-1:0][7:0] out_bytes_o,
  output logic [SliceLanes-1:0][31:0] out_words_o
);

  // The table that is written next, and the one that is used.
  logic wr_table_d, wr_table_q, rd_table_d, rd_table_q;
  assign wr_table_d = wr_table_q ^ (wr_valid_i && 32'(wr_beat_i) == TableBeats - 1);
  assign rd_table_d = rd_table_q ^ (start_i && has_table_i);

  logic [SliceLanes-1:0][7:0] entries, bytes_d, bytes_q;
  logic [SliceLanes-1:0][31:0] words_d, words_q;
  logic valid_d, valid_q;

  // Each lane has its own copy. A beat is a word of the memory, so that a write takes one cycle.
  for (genvar lane = 0; lane < SliceLanes; lane++) begin : gen_lane
    (* ram_style = "distributed" *)
    logic [BeatBytes-1:0][7:0] memory[2*TableBeats];
    logic [BeatBytes-1:0][7:0] beat;

    always_ff @(posedge clk_i) begin
      if (wr_valid_i) memory[{wr_table_q, wr_beat_i}] <= wr_data_i;
    end

    assign beat = memory[{rd_table_q, in_bytes_i[lane][7:AlignBits]}];
    assign entries[lane] = beat[in_bytes_i[lane][AlignBits-1:0]];
  end

  assign in_ready_o = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign out_bytes_o = bytes_q;
  assign out_words_o = words_q;

  always_comb begin
    valid_d = valid_q;
    bytes_d = bytes_q;
    words_d = words_q;
    if (in_ready_o) begin
      valid_d = in_valid_i;
      bytes_d = has_table_i ? entries : in_bytes_i;
      words_d = in_words_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      wr_table_q <= 1'b0;
      rd_table_q <= 1'b1;  // the first start with a table goes on to table 0
    end else begin
      valid_q <= valid_d;
      wr_table_q <= wr_table_d;
      rd_table_q <= rd_table_d;
    end
    bytes_q <= bytes_d;
    words_q <= words_d;
  end

endmodule
