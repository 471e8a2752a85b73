// SPDX-License-Identifier: Apache-2.0

/// One DSP slice of a cascade: p = a x b + addend, all registers of the DSP48E1 path on.
///
/// The head of a cascade takes its addend from the C port, which has a register; the others take
/// it from the slice before them (PCIN), which has none. The tail gives its result to the fabric
/// (P), the others to the next slice (PCOUT). `p_o` follows `a_i` and `b_i` by three cycles, the
/// addend of a head by two and that of the others by one. One result per cycle, no enable, no reset.
///
/// With UsePrimitive the slice is an instance of DSP48E1 (Xilinx UG479): synthesis then cannot move
/// its registers into fabric or break the cascade. Without it the same arithmetic is plain
/// SystemVerilog, for simulation and for other devices.
module conv_dsp48 #(
  parameter bit Head = 1'b1,
  parameter bit Tail = 1'b1,
  parameter bit UsePrimitive = 1'b0
) (
  input  logic               clk_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic        [47:0] addend_i,
  output logic        [47:0] p_o
);

  if (UsePrimitive) begin : gen_primitive
    // Every attribute has its default: one register in front of each port, no pre-adder, no SIMD,
    // no pattern detector. Pins that a slice does not use stay open, so that nothing is routed.
    logic [47:0] p, pcout;
    assign p_o = Tail ? p : pcout;

    if (Head) begin : gen_head
      DSP48E1 u_dsp48e1 (
        .CLK(clk_i),
        .A({5'b0, a_i}),
        .B(b_i),
        .C(addend_i),
        .P(p),
        .PCOUT(pcout),
        .OPMODE(7'b0110101),  // P = C + M
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
        .CEC(1'b1),
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
    end else begin : gen_cascaded
      DSP48E1 u_dsp48e1 (
        .CLK(clk_i),
        .A({5'b0, a_i}),
        .B(b_i),
        .PCIN(addend_i),
        .P(p),
        .PCOUT(pcout),
        .OPMODE(7'b0010101),  // P = PCIN + M
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
        .CEC(1'b0),
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
    end
  end else begin : gen_model
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
  end

endmodule
