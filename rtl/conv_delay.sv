// SPDX-License-Identifier: Apache-2.0

/// Delays a value by `Cycles` clock cycles. No enable, no reset: becomes shift register LUTs.
module conv_delay #(
  parameter int unsigned Width = 1,
  parameter int unsigned Cycles = 2
) (
  input logic clk_i,
  input logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  if (Width < 1 || Cycles < 1) begin : gen_bad_size
    $fatal(1, "Width and Cycles must be at least 1");
  end

  logic [Width-1:0] data_q[Cycles];
  assign data_o = data_q[Cycles-1];

  always_ff @(posedge clk_i) begin
    data_q[0] <= data_i;
    for (int unsigned i = 1; i < Cycles; i++) data_q[i] <= data_q[i-1];
  end

endmodule
