# SPDX-License-Identifier: Apache-2.0
"""conv_multiply_24 against Python integers: ends of the range, every Booth digit, random."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]

LATENCY = 4
TOP = 1 << 23  # the top bit of a mantissa
ENDS = [TOP, TOP + 1, 2 * TOP - 2, 2 * TOP - 1]


def mantissas(rng: np.random.Generator, count: int) -> list[int]:
    """Random ones, and long runs of equal bits, on which the recoding of b depends."""
    any_bits = rng.integers(TOP, 2 * TOP, count)
    low = (1 << rng.integers(0, 24, count)) - 1
    runs = np.where(rng.random(count) < 0.5, any_bits | low, any_bits & ~low)
    values: list[int] = (np.where(rng.random(count) < 0.5, any_bits, runs) | TOP).tolist()
    return values


@cocotb.test()
async def products(dut: Any) -> None:
    """One product per cycle."""
    rng = seeded("products")
    Clock(dut.clk_i, 10, "ns").start()
    await RisingEdge(dut.clk_i)
    pairs = [(a, b) for a in ENDS for b in ENDS]
    # The six bits that are recoded, with the sign of the low part.
    pairs += [(a, TOP | high << 17 | low) for a in ENDS for high in range(64) for low in (0, 1)]
    pairs += zip(mantissas(rng, 15000), mantissas(rng, 15000), strict=True)
    for cycle in range(len(pairs) + LATENCY):
        a, b = pairs[min(cycle, len(pairs) - 1)]
        dut.a_i.value, dut.b_i.value = a, b - TOP
        await ReadOnly()
        if cycle >= LATENCY:
            a, b = pairs[cycle - LATENCY]
            got = int(dut.product_o.value)
            assert got == a * b, f"{a:#x} x {b:#x}: {got:#x} instead of {a * b:#x}"
        await RisingEdge(dut.clk_i)
