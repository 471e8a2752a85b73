# SPDX-License-Identifier: Apache-2.0
"""conv_delay: what goes in comes out unchanged, exactly `Cycles` cycles later."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded

CONFIGURATIONS = [{"Width": 1, "Cycles": 1}, {"Width": 9, "Cycles": 5}]
PARAMETERS = parameters(CONFIGURATIONS)
CYCLES = PARAMETERS["Cycles"]


@cocotb.test()
async def delayed(dut: Any) -> None:
    rng = seeded("delayed")
    Clock(dut.clk_i, 10, "ns").start()
    await RisingEdge(dut.clk_i)
    sent = rng.integers(1 << PARAMETERS["Width"], size=500).tolist()
    for cycle, data in enumerate(sent):
        dut.data_i.value = data
        await ReadOnly()
        if cycle >= CYCLES:
            assert dut.data_o.value == sent[cycle - CYCLES], f"cycle {cycle}"
        await RisingEdge(dut.clk_i)
