# SPDX-License-Identifier: Apache-2.0
"""conv_requantize_lane: equal to golden for 430,000 hard values over all modes."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from bench import seeded
from lineconv.regs import OutputType, Overflow, Rounding
from requantize_vectors import Format, hard_pairs

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]

# Of conv_pkg.
SUM_LATENCY, MULTIPLIER_DELAY, BYTE_LATENCY = 1, 6, 17


def pack_format(form: Format) -> int:
    """conv_pkg::byte_format_t."""
    low, high = form.clamp
    if form.overflow is Overflow.SATURATE_SYMMETRIC:
        low = min(max(low, -127), high)
    packed = int(form.rounding is Rounding.HALF_UP)
    packed = packed << 1 | (form.rounding is Rounding.FLOOR)
    packed = packed << 1 | (form.overflow is Overflow.WRAP)
    packed = packed << 1 | (form.output_type is OutputType.UINT8)
    for value in (form.zero_point, low, high):
        packed = packed << 9 | value & 0x1FF
    return packed


@cocotb.test()
@cocotb.parametrize(
    rounding=list(Rounding),
    overflow=list(Overflow),
    output_type=[OutputType.INT8, OutputType.UINT8],
)
async def equals_golden(
    dut: Any, rounding: Rounding, overflow: Overflow, output_type: OutputType
) -> None:
    """One value per cycle; sum and byte come at their latencies."""
    rng = seeded(f"{rounding.name} {overflow.name} {output_type.name}")
    Clock(dut.clk_i, 10, "ns").start()
    for _ in range(6):
        form = Format.random(rng, output_type, rounding, overflow)
        dut.format_i.value = pack_format(form)
        sums, multipliers = hard_pairs(rng, 4000)
        bias = rng.integers(-(1 << 31), 1 << 31, sums.size).astype(np.int32)
        got_sums, got_bytes = await drive(dut, sums - bias, bias, multipliers)
        np.testing.assert_array_equal(got_sums, sums)
        expected = form.requantize(sums, multipliers)
        wrong = np.flatnonzero(got_bytes != expected)
        assert wrong.size == 0, (
            f"{wrong.size} wrong, {form}: sum {sums[wrong[0]]} x {multipliers[wrong[0]]:#010x} "
            f"gave {got_bytes[wrong[0]]}, expected {expected[wrong[0]]}"
        )


async def drive(
    dut: Any, acc: Any, bias: Any, multipliers: Any
) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Streams the values through the lane; returns its sums and bytes."""
    count = acc.size
    tail = [0] * BYTE_LATENCY
    acc_list = acc.tolist() + tail
    bias_list = bias.tolist() + tail
    multiplier_list = [0] * MULTIPLIER_DELAY + multipliers.tolist() + tail
    sums, results = [], []
    for cycle in range(count + BYTE_LATENCY):
        dut.acc_i.value = acc_list[cycle]
        dut.bias_i.value = bias_list[cycle]
        dut.multiplier_i.value = multiplier_list[cycle]
        await RisingEdge(dut.clk_i)
        # Sampled before the edge: registers show what they got at the edge before.
        if SUM_LATENCY <= cycle < count + SUM_LATENCY:
            sums.append(dut.sum_o.value.to_signed())
        if cycle >= BYTE_LATENCY:
            results.append(int(dut.byte_o.value))
    return sums, np.array(results, np.uint8)
