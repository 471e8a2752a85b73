# SPDX-License-Identifier: Apache-2.0
"""conv_mac_pair: both lanes exact for every mix of int8 operands, restarts, gaps, wrapping."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer

from bench import parameters, seeded
from mac import MIXES, Bool, Geometry, Int8, accumulate, draw

CONFIGURATIONS = [
    {"InputLanes": 1},
    {"InputLanes": 2},
    {"InputLanes": 3},
    {"InputLanes": 4},
    {"InputLanes": 5},
    {"InputLanes": 13},
    {"InputLanes": 16},
    {"InputLanes": 26},
    {"InputLanes": 32},
]
PARAMETERS = parameters(CONFIGURATIONS)
LANES = PARAMETERS["InputLanes"]
GEOMETRY = Geometry(LANES)


def packed(weights: Int8) -> npt.NDArray[np.int64]:
    """Operands {hi, lo with bit 7 flipped} of int8 weights [..., (lo, hi)]."""
    byte = weights.astype(np.int64) & 0xFF
    return byte[..., 1] << 8 | byte[..., 0] ^ 0x80


async def run(
    dut: Any, x: Int8, weights: Int8, first: Bool, hold: tuple[int, int] = (-1, 0)
) -> npt.NDArray[np.int32]:
    """Feed words, one per cycle; accumulators [word, (lo, hi)] after each of them.

    hold=(word, cycles) keeps all inputs as they are in the cycle of this word for more cycles.
    """
    words = len(x)
    operands, corrections = packed(weights), GEOMETRY.corrections(x)
    idle = int(packed(np.zeros(2, np.int8)))
    sums = np.empty((words, 2), np.int32)
    for n in range(words + GEOMETRY.pair_latency):
        for i, stage in enumerate(GEOMETRY.stage):
            inside = 0 <= n - stage < words
            dut.x_i[i].value = int(x[n - stage, i]) if inside else 0
            dut.weights_i[i].value = int(operands[n - stage, i]) if inside else idle
        for c, stage in enumerate(GEOMETRY.head_stage):
            inside = 0 <= n - stage - 1 < words
            dut.correction_i[c].value = int(corrections[n - stage - 1, c]) if inside else 511
        flag = n - (GEOMETRY.pair_latency - 2)
        dut.first_i.value = int(0 <= flag < words and first[flag])
        if n == hold[0]:
            await Timer(10 * hold[1] - 5, "ns")
            await RisingEdge(dut.clk_i)
        await ReadOnly()
        if n >= GEOMETRY.pair_latency:
            acc = dut.acc_lo_o.value, dut.acc_hi_o.value
            sums[n - GEOMETRY.pair_latency] = [value.to_signed() for value in acc]
        await RisingEdge(dut.clk_i)
    return sums


async def power_up(dut: Any) -> None:
    Clock(dut.clk_i, 10, "ns").start()
    zero = np.zeros((1, LANES), np.int8)
    await run(dut, zero, np.zeros((1, LANES, 2), np.int8), np.array([True]))


@cocotb.test()
async def operand_mixes(dut: Any) -> None:
    """All kinds of x, low and high weights against each other, back to back and with idle words."""
    rng = seeded("operand_mixes")
    await power_up(dut)
    parts: list[tuple[Int8, Int8]] = []
    for x_kind, lo_kind, hi_kind in rng.permutation(MIXES):
        words = 8
        lanes = [draw(rng, kind, (words, LANES)) for kind in (lo_kind, hi_kind)]
        parts.append((draw(rng, x_kind, (words, LANES)), np.stack(lanes, axis=2)))
    x = np.concatenate([part[0] for part in parts])
    weights = np.concatenate([part[1] for part in parts])
    x[rng.random(len(x)) < 0.2] = 0
    first = rng.random(len(x)) < 0.3
    first[0] = True
    expected = accumulate(x, weights, first)
    np.testing.assert_array_equal(await run(dut, x, weights, first), expected)


@cocotb.test()
async def wrapping(dut: Any) -> None:
    """Sums pass both ends of int32 and go on modulo 2^32, one lane up and one down."""
    await power_up(dut)
    words, hold = 100, 2**31 // (LANES * 127 * 128)
    x = np.full((words, LANES), -128, np.int8)
    weights = np.empty((words, LANES, 2), np.int8)
    weights[..., 0], weights[..., 1] = -128, 127
    sums = await run(dut, x, weights, np.arange(words) == 0, (words // 2, hold))
    exact = (words + hold) * LANES * np.array([128 * 128, -127 * 128], np.int64)
    assert exact[0] >= 2**31
    assert exact[1] < -(2**31)
    np.testing.assert_array_equal(sums[-1], exact.astype(np.int32))
