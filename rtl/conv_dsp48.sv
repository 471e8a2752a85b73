// SPDX-License-Identifier: Apache-2.0

/// One DSP slice of a cascade: p = a x b + addend, all registers of the DSP48 path on.
///
/// The head of a cascade takes its addend from the C port, which has a register; the others take
/// it from the slice before them (PCIN), which has none. The tail gives its result to the fabric
/// (P), the others to the next slice (PCOUT). `p_o` follows `a_i` and `b_i` by three cycles, the
/// addend of a head by two and that of the others by one. One result per cycle, no enable, no reset.
///
/// DspPrimitive may name the slice of a device, of which then an instance is made: "DSP48E1" (Xilinx
/// UG479) or "DSP48E2" (AMD UG579). Synthesis cannot move its registers into fabric or break the
/// cascade. With "none" the same arithmetic is plain SystemVerilog, for simulation and for other
/// devices.
module conv_dsp48 #(
  parameter bit Head = 1'b1,
  parameter bit Tail = 1'b1,
  parameter string DspPrimitive = "none"
) (
  input  logic               clk_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic        [47:0] addend_i,
  output logic        [47:0] p_o
);

  if (DspPrimitive == "DSP48E1") begin : gen_dsp48e1
    // Every attribute has its default: one register in front of each port, no pre-adder, no SIMD,
    // no pattern detector. Pins that a slice does not use are open or constant, so that nothing is
    // routed.
    logic [47:0] p, pcout;
    assign p_o = Tail ? p : pcout;

    DSP48E1 u_dsp48e1 (
      .CLK(clk_i),
      .A(30'(a_i)),  // of which the multiplier takes 25 bits
      .B(b_i),
      .C(Head ? addend_i : '0),
      .PCIN(Head ? '0 : addend_i),
      .P(p),
      .PCOUT(pcout),
      .OPMODE(Head ? 7'b0110101 : 7'b0010101),  // P = C + M, P = PCIN + M
      .ALUMODE(4'b0),
      .INMODE(5'b0),
      .CARRYINSEL(3'b0),
      .CARRYIN(1'b0),
      .CEA1(1'b0),
      .CEA2(1'b1),
      .CEAD(1'b0),
      .CEALUMODE(1'b1),
      .CEB1(1'b0),
      .CEB2(1'b1),
      .CEC(Head),
      .CECARRYIN(1'b1),
      .CECTRL(1'b1),
      .CED(1'b0),
      .CEINMODE(1'b1),
      .CEM(1'b1),
      .CEP(1'b1),
      .RSTA(1'b0),
      .RSTALLCARRYIN(1'b0),
      .RSTALUMODE(1'b0),
      .RSTB(1'b0),
      .RSTC(1'b0),
      .RSTCTRL(1'b0),
      .RSTD(1'b0),
      .RSTINMODE(1'b0),
      .RSTM(1'b0),
      .RSTP(1'b0)
    );
  end else if (DspPrimitive == "DSP48E2") begin : gen_dsp48e2
    // As above: by default AMULTSEL and BMULTSEL pass the pre-adder by, and the multiplier has the
    // registers of A and B in front of it.
    logic [47:0] p, pcout;
    assign p_o = Tail ? p : pcout;

    DSP48E2 u_dsp48e2 (
      .CLK(clk_i),
      .A(30'(a_i)),  // of which the multiplier takes 27 bits
      .B(b_i),
      .C(Head ? addend_i : '0),
      .PCIN(Head ? '0 : addend_i),
      .P(p),
      .PCOUT(pcout),
      .OPMODE(Head ? 9'b000110101 : 9'b000010101),  // P = C + M, P = PCIN + M
      .ALUMODE(4'b0),
      .INMODE(5'b0),
      .CARRYINSEL(3'b0),
      .CARRYIN(1'b0),
      .CEA1(1'b0),
      .CEA2(1'b1),
      .CEAD(1'b0),
      .CEALUMODE(1'b1),
      .CEB1(1'b0),
      .CEB2(1'b1),
      .CEC(Head),
      .CECARRYIN(1'b1),
      .CECTRL(1'b1),
      .CED(1'b0),
      .CEINMODE(1'b1),
      .CEM(1'b1),
      .CEP(1'b1),
      .RSTA(1'b0),
      .RSTALLCARRYIN(1'b0),
      .RSTALUMODE(1'b0),
      .RSTB(1'b0),
      .RSTC(1'b0),
      .RSTCTRL(1'b0),
      .RSTD(1'b0),
      .RSTINMODE(1'b0),
      .RSTM(1'b0),
      .RSTP(1'b0)
    );
  end else if (DspPrimitive == "none") begin : gen_model
    logic signed [24:0] a_q;
    logic signed [17:0] b_q;
    logic signed [42:0] m_q;
    logic [47:0] addend;
    logic [47:0] p_q;

    if (Head) begin : gen_head
      logic [47:0] c_q;
      always_ff @(posedge clk_i) c_q <= addend_i;
      assign addend = c_q;
    end else begin : gen_cascaded
      assign addend = addend_i;
    end

    always_ff @(posedge clk_i) begin
      a_q <= a_i;
      b_q <= b_i;
      m_q <= a_q * b_q;
      p_q <= addend + 48'(m_q);
    end

    assign p_o = p_q;
  end else begin : gen_bad_primitive
    $fatal(1, "DspPrimitive=%s is not none, DSP48E1 or DSP48E2", DspPrimitive);
  end

endmodule
