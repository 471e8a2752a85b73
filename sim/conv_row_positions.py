# SPDX-License-Identifier: Apache-2.0
"""conv_row_positions against the rows of random layers, with late rows and a slow sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import STALLS, parameters, seeded, stalls, start
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel
from lineconv.presets import Array

CONFIGURATIONS = [{"LineBufferBeats": 256}, {"LineBufferBeats": 16384}]
_PARAMETERS = parameters(CONFIGURATIONS)
ARRAY = Array(4, 8, 8, 128, _PARAMETERS["LineBufferBeats"])
OUTPUTS = ["row_beat_o", "row_o", "groups_o", "pass_first_o", "pass_last_o", "layer_last_o"]


def rows(layer: LayerModel) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """(rows that must be loaded, rows that are free afterwards, values of OUTPUTS)."""
    for number in range(layer.passes):
        before, last_pass = layer.rows_before(number), number == layer.passes - 1
        for output_row in range(layer.output_height):
            row = output_row * layer.stride_height - layer.pad_top
            last = output_row == layer.output_height - 1
            yield (
                before + min(row + layer.span_height, layer.input_height),
                layer.rows_free(number, output_row),
                (
                    (before + row) % layer.row_slots * layer.row_beats,
                    row % (1 << 18),
                    len(layer.pass_groups(number)),
                    output_row == 0,
                    last,
                    last and last_pass,
                ),
            )


async def run(
    dut: Any, layer: LayerModel, rng: np.random.Generator, stall: tuple[float, float]
) -> None:
    stall_row, stall_ready = (stalls(rng, probability) for probability in stall)
    expected = list(rows(layer))
    taken = loaded = free = 0
    dut.layer_i.value = pack_layer(**layer.fields)
    dut.rows_loaded_i.value = dut.row_ready_i.value = 0
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    for _ in range(100_000):
        if loaded < min(layer.rows_to_load, free + layer.row_slots) and not next(stall_row):
            loaded += 1
        dut.rows_loaded_i.value = loaded
        ready = not next(stall_ready)
        dut.row_ready_i.value = int(ready)
        await ReadOnly()
        if dut.row_valid_o.value:
            needed, free_after, values = expected[taken]
            assert needed <= loaded, (taken, layer)
            assert tuple(int(getattr(dut, name).value) for name in OUTPUTS) == values
            if not layer.resident:
                assert dut.rows_free_o.value == free_after
            if ready:
                taken += 1
                free = free_after
        elif taken == len(expected) and loaded == layer.rows_to_load:
            return
        await RisingEdge(dut.clk_i)
    raise AssertionError(f"hangs after {taken} of {len(expected)} rows: {layer}")


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_layers(dut: Any, stall: tuple[float, float]) -> None:
    """All rows of one layer after the other; none before its input is loaded, none left out."""
    rng = seeded(f"random_layers {stall}")
    await start(dut, start_i=0, layer_i=0, rows_loaded_i=0, row_ready_i=0)
    for layer in [*edge_layers(ARRAY), *(draw(rng, ARRAY, 2000) for _ in range(20))]:
        if layer.legal:
            await run(dut, layer, rng, stall)
            await RisingEdge(dut.clk_i)


@cocotb.test()
async def throughput(dut: Any) -> None:
    """A row per cycle, over the end of a pass, too."""
    await start(dut, start_i=0, layer_i=0, rows_loaded_i=0, row_ready_i=1)
    layer = LayerModel(
        array=ARRAY,
        input_height=9,
        output_height=9,
        output_channels=4 * ARRAY.output_lanes,
        row_slots=9,
    )
    dut.layer_i.value = pack_layer(**layer.fields)
    dut.rows_loaded_i.value = 9
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    seen = ""
    for _ in range(60):
        await ReadOnly()
        seen += str(int(dut.row_valid_o.value))
        await RisingEdge(dut.clk_i)
    assert seen.strip("0") == "1" * 36
