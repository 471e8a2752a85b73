# SPDX-License-Identifier: Apache-2.0
"""conv_ring_add against modulo: every ring, step and position of a small width."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded

CONFIGURATIONS = [{"Width": 1}, {"Width": 4}, {"Width": 14}]


@cocotb.test()
async def modulo(dut: Any) -> None:
    """(position + step) mod ring, up to a ring of 2^Width places and a step all around it."""
    rng = seeded("modulo")
    Clock(dut.clk_i, 10, "ns").start()
    size = 1 << len(dut.position_i)
    size = 1 << len(dut.position_i)

    def some(low: int, high: int) -> list[int]:
        """All of low .. high if they are few, else both ends and some between."""
        if high - low < 20:
            return list(range(low, high + 1))
        return [low, low + 1, *rng.integers(low, high, 9).tolist(), high - 1, high]

    for ring in some(1, size):
        for step in some(0, ring):
            dut.ring_i.value, dut.step_i.value = ring, step
            await RisingEdge(dut.clk_i)
            for position in some(0, ring - 1):
                dut.position_i.value = position
                await ReadOnly()
                assert dut.position_o.value == (position + step) % ring, (ring, step, position)
                await RisingEdge(dut.clk_i)
