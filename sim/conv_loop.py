# SPDX-License-Identifier: Apache-2.0
"""conv_loop against a counter: steps at random, restarts in between, every limit."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded

CONFIGURATIONS = [{"Width": 1}, {"Width": 3}, {"Width": 16}]


@cocotb.test()
@cocotb.parametrize(step=[0.3, 1.0])
async def count(dut: Any, step: float) -> None:
    """last_o is high in the last iteration, for every limit."""
    rng = seeded(f"count {step}")
    Clock(dut.clk_i, 10, "ns").start()
    width = len(dut.limit_i)
    for _ in range(40):
        limit = int(rng.integers(1, min(1 << width, 40)))
        dut.limit_i.value, dut.step_i.value, dut.restart_i.value = limit, 0, 1
        for _ in range(2):
            await RisingEdge(dut.clk_i)
        dut.restart_i.value = 0
        index = 0
        for _ in range(100):
            stepping, restarting = rng.random() < step, rng.random() < 0.02
            dut.step_i.value, dut.restart_i.value = int(stepping), int(restarting)
            await ReadOnly()
            assert dut.last_o.value == (index == limit - 1)
            await RisingEdge(dut.clk_i)
            if restarting:
                index = 0
            elif stepping:
                index = (index + 1) % limit


@cocotb.test()
async def largest(dut: Any) -> None:
    """The largest limit."""
    Clock(dut.clk_i, 10, "ns").start()
    limit = (1 << len(dut.limit_i)) - 1
    dut.limit_i.value, dut.step_i.value, dut.restart_i.value = limit, 0, 1
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    dut.restart_i.value, dut.step_i.value = 0, 1
    for index in range(limit + 1):
        await ReadOnly()
        assert dut.last_o.value == (index % limit == limit - 1)
        await RisingEdge(dut.clk_i)
