# SPDX-License-Identifier: Apache-2.0
"""conv_to_float against the int32 to float32 conversion of NumPy."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded
from requantize_vectors import hard_pairs

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]

LATENCY = 5


@cocotb.test()
async def equals_numpy(dut: Any) -> None:
    """Every length, ties of the rounding and their neighbours, carries; one value per cycle."""
    rng = seeded("equals_numpy")
    Clock(dut.clk_i, 10, "ns").start()
    await RisingEdge(dut.clk_i)
    powers = np.left_shift(1, np.arange(32))[:, None] + np.arange(-1, 2)
    corners = np.r_[powers.ravel(), -powers.ravel()]
    corners = np.clip(corners, -(1 << 31), (1 << 31) - 1).astype(np.int32)
    values = np.r_[corners, hard_pairs(rng, 12000)[0]]
    bits = values.astype(np.float32).view(np.uint32)
    signs = (bits >> 31).tolist()
    exponents = ((bits >> 23 & 0xFF).astype(int) - 127 - 23).tolist()
    mantissas = (bits & 0x7FFFFF | 1 << 23).tolist()
    sent = values.tolist()
    for cycle in range(len(sent) + LATENCY):
        dut.value_i.value = sent[cycle] if cycle < len(sent) else 0
        await ReadOnly()
        index = cycle - LATENCY
        if index >= 0:
            assert dut.zero_o.value == (sent[index] == 0), f"{sent[index]}"
            if sent[index] != 0:
                got = (
                    int(dut.sign_o.value),
                    int(dut.mantissa_o.value),
                    dut.exponent_o.value.to_signed(),
                )
                expected = signs[index], mantissas[index], exponents[index]
                assert got == expected, f"{sent[index]}: {got} instead of {expected}"
        await RisingEdge(dut.clk_i)
