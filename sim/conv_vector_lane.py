# SPDX-License-Identifier: Apache-2.0
"""conv_vector_lane: every product, and sums and maxima of random ones, wrapping."""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded
from mac import KINDS, Bool, Int8, draw

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]
DIGIT_DELAY, FIRST_DELAY, LATENCY = 2, 3, 4  # from the operands of a product

Digits = npt.NDArray[np.int64]


def accumulate(x: Int8, weights: Int8, digits: Digits, first: Bool, maximum: bool) -> list[int]:
    """The accumulator after each product; int32, wrapping."""
    products = (x.astype(np.int64) * weights).tolist()
    out: list[int] = []
    total = 0
    for product, digit, restart in zip(products, digits.tolist(), first.tolist(), strict=True):
        term = product << 8 * digit
        if restart:
            total = term
        elif maximum:
            total = max(total, term)
        else:
            total += term
        total = (total + (1 << 31)) % (1 << 32) - (1 << 31)
        out.append(total)
    return out


async def run(dut: Any, x: Int8, weights: Int8, digits: Digits, first: Bool, maximum: bool) -> None:
    """Products in consecutive cycles; the accumulator is compared after each of them."""
    expected = accumulate(x, weights, digits, first, maximum)
    dut.maximum_i.value = int(maximum)
    for cycle in range(len(x) + LATENCY):
        if cycle < len(x):
            dut.x_i.value, dut.weight_i.value = int(x[cycle]), int(weights[cycle])
        if 0 <= cycle - DIGIT_DELAY < len(x):
            dut.digit_i.value = int(digits[cycle - DIGIT_DELAY])
        if 0 <= cycle - FIRST_DELAY < len(x):
            dut.first_i.value = int(first[cycle - FIRST_DELAY])
        await ReadOnly()
        if cycle >= LATENCY:
            assert dut.acc_o.value.to_signed() == expected[cycle - LATENCY], (
                f"product {cycle - LATENCY}"
            )
        await RisingEdge(dut.clk_i)


async def start(dut: Any) -> None:
    """There is nothing to reset: a first product needs no past."""
    dut.x_i.value = dut.weight_i.value = dut.digit_i.value = dut.first_i.value = 0
    Clock(dut.clk_i, 10, "ns").start()
    await RisingEdge(dut.clk_i)


@cocotb.test()
async def every_product(dut: Any) -> None:
    """All 65536 pairs of operands, shifted in every way."""
    rng = seeded("every_product")
    await start(dut)
    values = np.arange(-128, 128, dtype=np.int8)
    x, weights = (grid.ravel() for grid in np.meshgrid(values, values))
    order = rng.permutation(x.size)
    digits = rng.integers(3, size=x.size)
    await run(dut, x[order], weights[order], digits, np.ones(x.size, bool), maximum=False)


@cocotb.test()
@cocotb.parametrize(maximum=[False, True])
async def sequences(dut: Any, maximum: bool) -> None:
    """Sequences of all lengths, of random operands and those at the ends of the range."""
    rng = seeded(f"sequences {maximum}")
    await start(dut)
    for x_kind, weight_kind in itertools.product(KINDS, repeat=2):
        count = 400
        first = rng.random(count) < rng.choice([0.02, 0.1, 0.5])
        first[0] = True
        digits = np.zeros(count, np.int64) if maximum else rng.integers(3, size=count)
        x, weights = draw(rng, x_kind, (count,)), draw(rng, weight_kind, (count,))
        await run(dut, x, weights, digits, first, maximum)


@cocotb.test()
async def wrapping(dut: Any) -> None:
    """Sums pass both ends of int32 and go on modulo 2^32."""
    await start(dut)
    count = 20
    first = np.arange(count) == 0
    x = np.full(count, -128, np.int8)
    for weight in (-128, 127):
        weights = np.full(count, weight, np.int8)
        total = int(x[0]) * weight * (count << 16)
        assert abs(total) > 1 << 31
        await run(dut, x, weights, np.full(count, 2), first, maximum=False)
