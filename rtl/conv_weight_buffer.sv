// SPDX-License-Identifier: Apache-2.0

/// Weights of one slice: a RAM column per input lane, each word one weight of all SliceLanes lanes.
///
/// Columns are written one at a time (`wr_column_i`, this buffer holds FirstColumn and the
/// InputLanes - 1 that follow) and read all at once, each at its own address. `rd_data_o` follows
/// `rd_word_i` by two cycles. A word may be read from the cycle after its write on.
module conv_weight_buffer
  import conv_pkg::*;
#(
  parameter  int unsigned InputLanes  = 26,
  parameter  int unsigned WeightWords = 512,
  parameter  int unsigned ColumnBits  = 6,
  parameter  int unsigned FirstColumn = 0,
  localparam int unsigned WordBits    = $clog2(WeightWords)
) (
  input  logic                  clk_i,
  input  logic                  wr_valid_i,
  input  logic [  WordBits-1:0] wr_word_i,
  input  logic [ColumnBits-1:0] wr_column_i,
  input  beat_t                 wr_data_i,
  input  logic [  WordBits-1:0] rd_word_i  [InputLanes],
  output beat_t                 rd_data_o  [InputLanes]
);

  if (WeightWords < 2) begin : gen_bad_weight_words
    $fatal(1, "WeightWords=%0d is less than 2", WeightWords);
  end
  if (FirstColumn + InputLanes > 2 ** ColumnBits) begin : gen_bad_column_bits
    $fatal(1, "ColumnBits=%0d cannot address column %0d", ColumnBits, FirstColumn + InputLanes - 1);
  end

  for (genvar i = 0; i < InputLanes; i++) begin : gen_column
    (* ram_style = "block" *)
    beat_t words[WeightWords];
    beat_t word_q;
    beat_t data_q;

    always_ff @(posedge clk_i) begin
      if (wr_valid_i && wr_column_i == ColumnBits'(FirstColumn + i)) words[wr_word_i] <= wr_data_i;
      word_q <= words[rd_word_i[i]];
      data_q <= word_q;  // the RAM's output register
    end

    assign rd_data_o[i] = data_q;
  end

endmodule
