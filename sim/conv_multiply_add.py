# SPDX-License-Identifier: Apache-2.0
"""conv_multiply_add against Python integers, with its latency, restarts included."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded, start

CONFIGURATIONS = [
    {"AWidth": 32, "BWidth": 18, "SumWidth": 52},
    {"AWidth": 5, "BWidth": 7, "SumWidth": 12},
]


@cocotb.test()
async def products(dut: Any) -> None:
    rng = seeded("products")
    await start(dut, start_i=0, a_i=0, b_i=0, c_i=0)
    widths = [len(port) for port in (dut.a_i, dut.b_i, dut.c_i)]
    for _ in range(2000):
        # Every number of significant bits is as likely; all ones are frequent.
        bits = [int(rng.integers(width + 1)) for width in widths]
        full = rng.random() < 0.2
        a, b, c = ((1 << n) - 1 if full else int(rng.integers(1 << n)) for n in bits)
        dut.a_i.value, dut.b_i.value, dut.c_i.value = a, b, c
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        if rng.random() < 0.1:  # the next start cuts this one short
            continue
        cycles = 0
        while True:
            await ReadOnly()
            if dut.done_o.value:
                break
            cycles += 1
            await RisingEdge(dut.clk_i)
        assert cycles == b.bit_length()
        assert int(dut.sum_o.value) == (a * b + c) % (1 << widths[2])
        await RisingEdge(dut.clk_i)
