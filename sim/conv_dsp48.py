# SPDX-License-Identifier: Apache-2.0
"""conv_dsp48: p = a x b + addend in all 48 bits, with the register counts of each port."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, parameters, seeded

CONFIGURATIONS = [
    {"Head": 1, "Tail": 0},
    {"Head": 0, "Tail": 1},
]
PARAMETERS = parameters(CONFIGURATIONS)
WORDS = 4000


def operands(rng: np.random.Generator, bits: int) -> list[int]:
    """Signed numbers of `bits` bits: half of them random, half at or next to a corner."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    corners = rng.choice([low, low + 1, -1, 0, 1, high - 1, high], WORDS)
    random = rng.integers(low, high, WORDS, endpoint=True)
    return [int(value) for value in np.where(rng.random(WORDS) < 0.5, corners, random)]


@cocotb.test()
async def multiply_add(dut: Any) -> None:
    """New operands every cycle, random and at the ends of their ranges."""
    rng = seeded("multiply_add")
    a, b, addend = operands(rng, 25), operands(rng, 18), operands(rng, 48)
    addend_delay = 2 if PARAMETERS["Head"] else 1
    dut.a_i.value, dut.b_i.value, dut.addend_i.value = 0, 0, 0
    Clock(dut.clk_i, 10, "ns").start()
    await cycles(dut, 5)
    for n in range(WORDS):
        dut.a_i.value, dut.b_i.value = a[n], b[n]
        dut.addend_i.value = addend[n] % (1 << 48)
        await ReadOnly()
        if n >= 3:
            expected = a[n - 3] * b[n - 3] + addend[n - addend_delay]
            assert int(dut.p_o.value) == expected % (1 << 48), f"word {n - 3}"
        await RisingEdge(dut.clk_i)
