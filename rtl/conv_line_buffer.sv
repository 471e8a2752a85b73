// SPDX-License-Identifier: Apache-2.0

/// Input rows on chip: written in beats, read as ReadLanes bytes from any byte address per cycle.
///
/// Consecutive beats lie in different banks, enough of them for ReadLanes bytes at the worst
/// alignment, so that every read finds each bank at most once. `rd_bytes_o` follows `rd_address_i`
/// after LineBufferLatency cycles: bank addresses, memory, its output register, bank rotation,
/// byte shift. Reads wrap at the end. A beat written in cycle n may be read from cycle n + 1 on.
module conv_line_buffer
  import conv_pkg::*;
#(
  parameter int unsigned ReadLanes = 48,
  parameter int unsigned LineBufferBeats = 16384,
  parameter string RamStyle = "block",  // of synthesis: "block" or "ultra"
  localparam int unsigned BeatAddressBits = $clog2(LineBufferBeats),
  localparam int unsigned ByteBits = $clog2(LineBufferBeats * BeatBytes)
) (
  input logic clk_i,

  input logic wr_valid_i,
  input logic [BeatAddressBits-1:0] wr_beat_i,
  input beat_t wr_data_i,

  input logic [ByteBits-1:0] rd_address_i,
  output logic [ReadLanes*8-1:0] rd_bytes_o  // lowest address in the low bits
);

  localparam int unsigned SpanBeats = (ReadLanes + 2 * BeatBytes - 2) / BeatBytes;
  localparam int unsigned SelectBits = $clog2(SpanBeats) > 0 ? $clog2(SpanBeats) : 1;
  localparam int unsigned NumBanks = 2 ** SelectBits;
  localparam int unsigned BankDepth = LineBufferBeats / NumBanks;
  localparam int unsigned DepthBits = $clog2(BankDepth);

  if (LineBufferBeats != 2 ** BeatAddressBits || BankDepth < 2) begin : gen_bad_depth
    $fatal(1, "LineBufferBeats=%0d is no power of two of at least %0d", LineBufferBeats,
           2 * NumBanks);
  end
  if (RamStyle != "block" && RamStyle != "ultra") begin : gen_bad_ram_style
    $fatal(1, "RamStyle=%s is not block or ultra", RamStyle);
  end

  typedef logic [SelectBits-1:0] select_t;
  typedef logic [DepthBits-1:0] depth_t;

  select_t rd_bank, wr_bank;
  depth_t rd_depth, wr_depth;
  assign rd_bank = rd_address_i[AlignBits+:SelectBits];
  assign rd_depth = rd_address_i[ByteBits-1-:DepthBits];
  assign wr_bank = wr_beat_i[SelectBits-1:0];
  assign wr_depth = wr_beat_i[BeatAddressBits-1-:DepthBits];

  beat_t bank_data[NumBanks];

  for (genvar b = 0; b < NumBanks; b++) begin : gen_bank
    (* ram_style = RamStyle *) beat_t memory[BankDepth];
    depth_t address_q;
    beat_t data_q, data_q2;
    assign bank_data[b] = data_q2;

    always_ff @(posedge clk_i) begin
      if (wr_valid_i && wr_bank == select_t'(b)) memory[wr_depth] <= wr_data_i;
      // Banks below the first one hold the beats after the wrap.
      address_q <= rd_depth + depth_t'(int'(rd_bank) > b);
      data_q <= memory[address_q];
      data_q2 <= data_q;
    end
  end

  select_t bank_q, bank_q2, bank_q3;
  align_t byte_q, byte_q2, byte_q3, byte_q4;
  logic [SpanBeats*BeatBits-1:0] span_d, span_q;
  logic [ReadLanes*8-1:0] bytes_q;

  always_comb begin
    for (int unsigned i = 0; i < SpanBeats; i++) begin
      span_d[i*BeatBits+:BeatBits] = bank_data[bank_q3+select_t'(i)];
    end
  end

  always_ff @(posedge clk_i) begin
    bank_q <= rd_bank;
    bank_q2 <= bank_q;
    bank_q3 <= bank_q2;
    byte_q <= rd_address_i[AlignBits-1:0];
    byte_q2 <= byte_q;
    byte_q3 <= byte_q2;
    byte_q4 <= byte_q3;
    span_q <= span_d;
    bytes_q <= (ReadLanes * 8)'(span_q >> {byte_q4, 3'b000});
  end

  assign rd_bytes_o = bytes_q;

endmodule
