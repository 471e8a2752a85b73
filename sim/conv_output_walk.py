# SPDX-License-Identifier: Apache-2.0
"""conv_output_walk against nested loops: every step, the end, restarts, the largest sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, seeded, start

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]
SIZES = ["output_height", "output_width", "groups", "groups_per_pass", "slices_per_group"]
Flags = tuple[bool, bool, bool, bool]  # last slice, group, pixel, row


def walk(sizes: dict[str, int]) -> Iterator[Flags]:
    """The flags of every slice of a layer, in order."""
    per_pass, slices = sizes["groups_per_pass"], sizes["slices_per_group"]
    for first_group in range(0, sizes["groups"], per_pass):
        pass_groups = min(per_pass, sizes["groups"] - first_group)
        for row in range(1, sizes["output_height"] + 1):
            for pixel in range(1, sizes["output_width"] + 1):
                for group in range(1, pass_groups + 1):
                    for slice_ in range(1, slices + 1):
                        yield (
                            slice_ == slices,
                            group == pass_groups,
                            pixel == sizes["output_width"],
                            row == sizes["output_height"],
                        )


def flags(dut: Any) -> Flags:
    return (
        bool(dut.last_slice_o.value),
        bool(dut.last_group_o.value),
        bool(dut.last_pixel_o.value),
        bool(dut.last_row_o.value),
    )


async def begin(dut: Any, sizes: dict[str, int]) -> None:
    """The sizes may change with the start, while an earlier walk is still busy."""
    for name, value in sizes.items():
        getattr(dut, f"{name}_i").value = value
    dut.start_i.value, dut.step_i.value = 1, 0
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0


async def follow(dut: Any, rng: np.random.Generator, sizes: dict[str, int], step: float) -> None:
    """Walks through a layer; some walks are left before their end."""
    await begin(dut, sizes)
    cut_short = rng.random() < 0.2
    for index, expected in enumerate(walk(sizes)):
        stepping = False
        while not stepping:
            stepping = bool(rng.random() < step)
            dut.step_i.value = int(stepping)
            await ReadOnly()
            assert dut.busy_o.value == 1, f"ended at slice {index} of {sizes}"
            assert flags(dut) == expected, f"slice {index} of {sizes}: {flags(dut)}"
            await RisingEdge(dut.clk_i)
        if cut_short and rng.random() < 0.02:
            return
    dut.step_i.value = 0
    for _ in range(2):
        await ReadOnly()
        assert dut.busy_o.value == 0, f"no end: {sizes}"
        await RisingEdge(dut.clk_i)


@cocotb.test()
@cocotb.parametrize(step=[0.4, 1.0])
async def layers(dut: Any, step: float) -> None:
    rng = seeded(f"layers {step}")
    await start(dut, step_i=0, start_i=0, **{f"{name}_i": 1 for name in SIZES})
    assert dut.busy_o.value == 0
    for _ in range(100):
        sizes = dict(zip(SIZES, rng.integers(1, [5, 5, 8, 9, 8]).tolist(), strict=True))
        await follow(dut, rng, sizes, step)


@cocotb.test()
@cocotb.parametrize(size=["output_height", "output_width", "groups"], slices=[1, 3])
async def largest(dut: Any, size: str, slices: int) -> None:
    """One size of 65535, the others 1: the flags of the first slice and of the last two."""
    sizes = dict.fromkeys(SIZES, 1) | {"groups_per_pass": 0xFFFF, size: 0xFFFF}
    sizes["slices_per_group"] = slices
    await start(dut, step_i=0, start_i=0)
    await begin(dut, sizes)
    counted = ("", "groups", "output_width", "output_height").index(size)

    async def check(last_slice: bool, last: bool) -> None:
        await ReadOnly()
        expected = [True] * 4
        expected[0], expected[counted] = last_slice, last
        assert dut.busy_o.value == 1
        assert flags(dut) == tuple(expected)
        await RisingEdge(dut.clk_i)

    dut.step_i.value = 1
    await check(slices == 1, False)
    await cycles(dut, 0xFFFE * slices - 2)
    await check(True, False)
    await cycles(dut, slices - 1)
    await check(True, True)
    await ReadOnly()
    assert dut.busy_o.value == 0


@cocotb.test()
async def most_slices(dut: Any) -> None:
    """A group of as many slices as a layer can have."""
    sizes = dict.fromkeys(SIZES, 1) | {"slices_per_group": 0xFF}
    await start(dut, step_i=0, start_i=0)
    await follow(dut, np.random.default_rng(0), sizes, 1.0)
