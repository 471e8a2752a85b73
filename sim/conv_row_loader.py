# SPDX-License-Identifier: Apache-2.0
"""conv_row_loader between a memory with latency and a consumer that frees rows.

What it writes is put into a ring of bytes, in which every row must be whole when it is counted.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, parameters, seeded, stalls, start
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel
from lineconv.presets import Array

CONFIGURATIONS = [
    {"LineBufferBeats": 512},
    {"LineBufferBeats": 16384},
    {"LineBufferBeats": 512, "BeatBytes": 16},
]
_PARAMETERS = parameters(CONFIGURATIONS)
BEATS = _PARAMETERS["LineBufferBeats"]
ARRAY = Array(4, BEAT_BYTES, BEAT_BYTES, 128, BEATS, BEAT_BYTES)
STALLS = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 0.95), (0.9, 0.3, 0.5)]
INPUTS = ["start_i", "layer_i", "req_ready_i", "data_valid_i", "data_i", "rows_free_i"]


def memory(address: int) -> int:
    """Content of a beat of memory."""
    return (address * 0x9E3779B97F4A7C15F39CC0605CEDC835 ^ address >> 3) % (1 << 8 * BEAT_BYTES)


async def run(
    dut: Any, layer: LayerModel, rng: np.random.Generator, stall: tuple[float, float, float]
) -> int:
    """Load one layer; returns the cycles."""
    stall_request, stall_data, stall_free = (stalls(rng, probability) for probability in stall)
    flip = int.from_bytes(b"\x80" * BEAT_BYTES, "little") if layer.input_unsigned else 0
    ring: dict[int, int] = {}
    beats: deque[tuple[int, int]] = deque()  # (cycle from which on, data) of the memory
    requested = loaded = free = written = 0
    done = False
    dut.layer_i.value = pack_layer(**layer.fields)
    dut.rows_free_i.value = dut.data_valid_i.value = dut.req_ready_i.value = 0
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    for cycle in range(100_000):
        ready = not next(stall_request)
        dut.req_ready_i.value = int(ready)
        valid = bool(beats) and beats[0][0] <= cycle and not next(stall_data)
        dut.data_valid_i.value = int(valid)
        dut.data_i.value = beats.popleft()[1] if valid else int(rng.integers(1 << 62))
        if free < loaded and not layer.resident and not next(stall_free):
            free += int(rng.integers(1, min(loaded - free, 3) + 1))
            if rng.random() < 0.05:  # rows below the last kernel are never asked for
                free = max(free, ceil_rows(free, layer.input_height))
        dut.rows_free_i.value = free % (1 << 18)
        await ReadOnly()
        if dut.req_valid_o.value and ready:
            assert requested < layer.rows_to_load
            assert requested < free + layer.row_slots, "a slot that is in use"
            address = layer.row_address(requested % layer.input_height)
            assert dut.req_address_o.value == address
            assert dut.req_beats_o.value == layer.row_beats
            when = cycle + int(rng.integers(1, 30))
            beats.extend((when, memory(address + BEAT_BYTES * i)) for i in range(layer.row_beats))
            requested += 1
        if dut.wr_valid_o.value:
            ring[int(dut.wr_beat_o.value)] = int(dut.wr_data_o.value)
            written += 1
        assert not done or not dut.wr_valid_o.value
        if dut.rows_loaded_o.value != loaded % (1 << 18):
            assert dut.rows_loaded_o.value == (loaded + 1) % (1 << 18)
            address = layer.row_address(loaded % layer.input_height)
            base = loaded % layer.row_slots * layer.row_beats
            for i in range(layer.row_beats):
                assert ring.pop(base + i) == memory(address + BEAT_BYTES * i) ^ flip
            loaded += 1
        if dut.done_o.value:
            assert not done
            done = True
            finished = cycle
            assert loaded == requested == layer.rows_to_load
        await RisingEdge(dut.clk_i)
        if done and cycle > finished + 20:
            assert written == layer.rows_to_load * layer.row_beats
            assert not ring
            return finished
    raise AssertionError(f"hangs: {layer}")


def ceil_rows(row: int, height: int) -> int:
    """End of the pass that a virtual row belongs to."""
    return -(-row // height) * height


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_layers(dut: Any, stall: tuple[float, float, float]) -> None:
    """Requests, writes and counts of one layer after the other."""
    rng = seeded(f"random_layers {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    for layer in [*edge_layers(ARRAY), *(draw(rng, ARRAY, 1000) for _ in range(20))]:
        if layer.row_slots * layer.row_beats <= BEATS:
            await run(dut, layer, rng, stall)


@cocotb.test(skip=BEAT_BYTES != 8)  # a long run, in which beats do not matter
async def counts_wrap(dut: Any) -> None:
    """More rows than a row count holds."""
    await start(dut, **dict.fromkeys(INPUTS, 0))
    layer = LayerModel(array=ARRAY, input_height=999, row_slots=50, output_channels=8 * 300)
    assert layer.rows_to_load > 1 << 18
    requests = loaded = 0
    dut.layer_i.value = pack_layer(**layer.fields)
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value, dut.req_ready_i.value = 0, 1
    # The consumer frees every row as soon as it is loaded; the memory answers at once.
    valid = False
    for _ in range(2 * layer.rows_to_load + 1000):
        dut.data_valid_i.value = int(valid)
        await ReadOnly()
        valid = bool(dut.req_valid_o.value)
        requests += valid
        loaded = int(dut.rows_loaded_o.value)
        if dut.done_o.value:
            break
        await RisingEdge(dut.clk_i)
        dut.rows_free_i.value = loaded
    assert requests == layer.rows_to_load
    assert loaded == layer.rows_to_load % (1 << 18)
