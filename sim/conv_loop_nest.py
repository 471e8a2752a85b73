# SPDX-License-Identifier: Apache-2.0
"""conv_loop_nest against nested loops over random layers, row after row, with and without gaps."""

from __future__ import annotations

from itertools import product
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel
from lineconv.presets import Array
from lineconv.regs import Kind

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]
ARRAY = Array(4, 8, 16, 128, 512)


def flags(indices: tuple[int, ...], sizes: list[int]) -> tuple[int, int]:
    """first_o and last_o of a word; the outermost loop is the highest bit."""
    first = last = 0
    for index, size in zip(indices, sizes, strict=True):
        first = first << 1 | (index == 0)
        last = last << 1 | (index == size - 1)
    return first, last


async def run(dut: Any, layer: LayerModel, rng: np.random.Generator, gap: float) -> None:
    """All output rows of a layer; groups of the next row are there with the last column."""
    groups = [len(layer.pass_groups(number)) for number in range(layer.passes)]
    row_groups = [count for count in groups for _ in range(layer.output_height)]
    dut.layer_i.value, dut.groups_i.value = pack_layer(**layer.fields), row_groups[0]
    dut.restart_i.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    dut.restart_i.value = 0
    for count, following in zip(row_groups, [*row_groups[1:], 1], strict=True):
        sizes = [layer.output_width, count, layer.kernel_height, layer.segments]
        sizes.append(layer.segment_words)
        for indices in product(*map(range, sizes)):
            dut.groups_i.value = following if indices[0] == sizes[0] - 1 else count
            stepping = False
            while not stepping:
                stepping = bool(rng.random() >= gap)
                dut.step_i.value = int(stepping)
                await ReadOnly()
                seen = int(dut.first_o.value), int(dut.last_o.value)
                assert seen == flags(indices, sizes), (indices, sizes, layer)
                assert dut.digit_o.value == (indices[3] if layer.kind == Kind.ADD else 0)
                await RisingEdge(dut.clk_i)
    dut.step_i.value = 0


@cocotb.test()
@cocotb.parametrize(gap=[0.0, 0.6])
async def random_layers(dut: Any, gap: float) -> None:
    """Flags of all words; a restart in the middle of a row goes to its begin."""
    rng = seeded(f"random_layers {gap}")
    dut.step_i.value = 0
    Clock(dut.clk_i, 10, "ns").start()
    for layer in [*edge_layers(ARRAY), *(draw(rng, ARRAY, 500) for _ in range(30))]:
        await run(dut, layer, rng, gap)
        dut.step_i.value = 1
        for _ in range(int(rng.integers(5))):
            await RisingEdge(dut.clk_i)
        dut.step_i.value = 0
