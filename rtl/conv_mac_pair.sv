// SPDX-License-Identifier: Apache-2.0

/// Two output lanes: acc_lo += sum x[i] * lo[i] and acc_hi += sum x[i] * hi[i], one DSP per element.
///
/// A DSP multiplies x by hi * 2^17 + lo + 128, so that one product holds both lanes:
///   - `lo` arrives in offset binary (bit 7 flipped), which makes the operand pure wiring and keeps
///     it a 25-bit number for every pair of weights;
///   - a cascade of at most four DSPs starts at 65535 - 128 * sum(x) (`correction_i`), so its result
///     is H * 2^17 + (L + 65535), where H and L are the sums of the two lanes;
///   - |x * w| <= 2^14 for int8, hence L + 65535 lies in 0 .. 2^17 - 1: the low lane never borrows
///     from the high one, and the split is exact for the whole int8 range of x and w.
///
/// Element i belongs to cascade i % NumChains. All cascades end in the same cycle: element i enters
/// in stage ChainLength - 1 - i / NumChains, and a cascade that is one DSP short starts in stage 1.
///
/// The operands of a word come in at cycle k for stage k, `correction_i` of a cascade that starts
/// in stage k at k + 1, and `first_i`, which restarts the sums with this word, at cycle
/// ChainLength + TreeLevels + 1. The accumulators have it at ChainLength + TreeLevels + 3.
/// One word per cycle. There is no enable: an idle word has x = 0, which adds exactly 0.
module conv_mac_pair #(
  parameter  int unsigned InputLanes   = 26,
  parameter  string       DspPrimitive = "none",
  localparam int unsigned NumChains    = (InputLanes + 3) / 4,
  localparam int unsigned ChainLength  = (InputLanes + NumChains - 1) / NumChains
) (
  input  logic               clk_i,
  input  logic signed [ 7:0] x_i         [InputLanes],
  input  logic        [15:0] weights_i   [InputLanes],  // {hi, lo with bit 7 flipped}
  input  logic        [ 9:0] correction_i[NumChains],   // 511 - sum(x) of the cascade
  input  logic               first_i,
  output logic signed [31:0] acc_lo_o,
  output logic signed [31:0] acc_hi_o
);

  localparam int unsigned TreeLevels = $clog2(NumChains);

  if (InputLanes < 1 || InputLanes > 32) begin : gen_bad_input_lanes
    $fatal(1, "InputLanes=%0d is not in 1..32", InputLanes);
  end

  // Level 0 is the cascades, split; every further level adds neighbours and is registered. The
  // cascades' biases leave by two doors: 2^16 each by the flipped bit 16, and the missing 1 each by
  // the carry inputs of the NumChains - 1 adders here and of the accumulator.
  for (genvar l = 0; l <= TreeLevels; l++) begin : gen_level
    localparam int unsigned Nodes = (NumChains + (1 << l) - 1) >> l;
    logic signed [16+l:0] lo[Nodes];
    logic signed [17+l:0] hi[Nodes];

    if (l > 0) begin : gen_adders
      localparam int unsigned Terms = (NumChains + (1 << (l - 1)) - 1) >> (l - 1);
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        if (2 * n + 1 < Terms) begin : gen_add
          always_ff @(posedge clk_i) begin
            // a - ~b = a + b + 1, in one LUT per bit
            lo[n] <= (17 + l)'(gen_level[l-1].lo[2*n]) - ~(17 + l)'(gen_level[l-1].lo[2*n+1]);
            hi[n] <= (18 + l)'(gen_level[l-1].hi[2*n]) + (18 + l)'(gen_level[l-1].hi[2*n+1]);
          end
        end else begin : gen_pass
          always_ff @(posedge clk_i) begin
            lo[n] <= (17 + l)'(gen_level[l-1].lo[2*n]);
            hi[n] <= (18 + l)'(gen_level[l-1].hi[2*n]);
          end
        end
      end
    end
  end

  for (genvar c = 0; c < NumChains; c++) begin : gen_chain
    logic [47:0] p[ChainLength];

    for (genvar k = 0; k < ChainLength; k++) begin : gen_stage
      localparam int unsigned Element = c + NumChains * (ChainLength - 1 - k);
      if (Element < InputLanes) begin : gen_element
        localparam bit Head = Element + NumChains >= InputLanes;
        logic [47:0] addend;

        if (Head) begin : gen_head
          assign addend = {31'b0, correction_i[c], 7'h7f};
        end else begin : gen_cascaded
          assign addend = p[k-1];
        end

        conv_dsp48 #(
          .Head(Head),
          .Tail(k == ChainLength - 1),
          .DspPrimitive(DspPrimitive)
        ) u_dsp (
          .clk_i,
          .a_i({weights_i[Element][15:8], 9'b0, weights_i[Element][7:0]}),
          .b_i(18'(x_i[Element])),
          .addend_i(addend),
          .p_o(p[k])
        );
      end
    end

    assign gen_level[0].lo[c] = {~p[ChainLength-1][16], p[ChainLength-1][15:0]};
    assign gen_level[0].hi[c] = p[ChainLength-1][34:17];
  end

  logic first_q;  // registered in every pair: it drives 64 accumulator bits
  logic signed [31:0] acc_lo_q, acc_hi_q;
  logic signed [31:0] kept_lo, kept_hi;

  assign kept_lo = first_q ? '0 : acc_lo_q;
  assign kept_hi = first_q ? '0 : acc_hi_q;

  always_ff @(posedge clk_i) begin
    first_q  <= first_i;
    acc_lo_q <= 32'(gen_level[TreeLevels].lo[0]) - ~kept_lo;
    acc_hi_q <= 32'(gen_level[TreeLevels].hi[0]) + kept_hi;
  end

  assign acc_lo_o = acc_lo_q;
  assign acc_hi_o = acc_hi_q;

endmodule
