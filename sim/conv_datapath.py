# SPDX-License-Identifier: Apache-2.0
"""conv_datapath between a memory that always answers and one that takes what comes.

Random layers go through all stages; the bytes that the runs and strobes put into memory are
compared with golden.
"""

from __future__ import annotations

import ast
import os
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

import work
from bench import seeded, stalls, start
from layer import FIELDS, pack_layer
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.regs import OutputType

CONFIGURATIONS = [
    {"InputLanes": 4, "OutputLanes": 16, "WeightWords": 64, "LineBufferBeats": 256},
]
_PARAMETERS = ast.literal_eval(os.environ.get("PARAMETERS", repr(CONFIGURATIONS[0])))
ARRAY = Array(
    _PARAMETERS["InputLanes"],
    _PARAMETERS["OutputLanes"],
    _PARAMETERS["WeightWords"],
    _PARAMETERS["LineBufferBeats"],
)
SIZE = 1 << 17
LIMIT = 50_000  # cycles of a layer
STAGES = 4
INPUTS = ["start_i", "layer_i", "run_ready_i", "data_ready_i"]
SOURCES = [f"{name}_{port}_i" for name in ("row", "weight") for port in ("req_ready", "data_valid")]


def layer_fields(d: Any) -> dict[str, int]:
    """layer_t of a good descriptor."""
    names = d.dtype.names or ()
    v = {name: int(d[name]) for name in names}
    dense = v["dilation_width"] == 1 and v["input_pixel_stride"] == v["input_channels"]
    segments = 1 if v["kernel_width"] == 1 or dense else v["kernel_width"]
    row_bytes = (v["input_width"] - 1) * v["input_pixel_stride"] + v["input_channels"]
    row_beats = ceil_div(v["input_address"] % 8 + row_bytes, 8)
    groups = ceil_div(v["output_channels"], ARRAY.output_lanes)
    element = 4 if v["output_type"] == OutputType.INT32 else 1
    pixel_bytes = v["output_channels"] * element
    return {name: v[name] for name, _ in FIELDS if name in v} | {
        "input_address": v["input_address"] // 8 * 8,
        "input_align": v["input_address"] % 8,
        "input_unsigned": v["flags"],
        "row_bytes": row_bytes,
        "row_beats": row_beats,
        "ring_beats": v["row_slots"] * row_beats,
        "segments": segments,
        # A kernel of one row never steps; its dilation may be anything.
        "kernel_row_step": v["dilation_height"] * row_beats % (1 << 24),
        "segment_step": v["dilation_width"] * v["input_pixel_stride"],
        "output_row_step": v["stride_height"] * row_beats,
        "pixel_step": v["stride_width"] * v["input_pixel_stride"],
        "pad_left_bytes": v["pad_left"] * v["input_pixel_stride"],
        "pad_top_step": v["pad_top"] * row_beats,
        "group_words": v["kernel_height"] * segments * v["segment_words"],
        "groups": groups,
        "passes": ceil_div(groups, v["groups_per_pass"]),
        "output_row_bytes": (v["output_width"] - 1) * v["output_pixel_stride"] + pixel_bytes,
    }


class Memory:
    """Answers requests in order, and puts beats where the runs say."""

    def __init__(self, dut: Any, rng: np.random.Generator, stall: float) -> None:
        self._dut, self._rng, self._stall = dut, rng, stall
        self.data = rng.integers(256, size=SIZE, dtype=np.uint8)
        for name in ("row", "weight"):
            cocotb.start_soon(self._serve(name))
        cocotb.start_soon(self._collect())

    async def _serve(self, name: str) -> None:
        ports = {port: getattr(self._dut, f"{name}_{port}") for port in (
            "req_valid_o", "req_ready_i", "req_address_o", "req_beats_o", "data_valid_i", "data_i"
        )}  # fmt: skip
        beats: deque[int] = deque()
        pause = stalls(self._rng, self._stall)
        while True:
            sends = bool(beats) and not next(pause)
            if sends:
                address = beats.popleft()
                word = self.data[address : address + 8].tobytes()
                ports["data_i"].value = int.from_bytes(word, "little")
            ports["data_valid_i"].value = int(sends)
            ready = not next(pause)
            ports["req_ready_i"].value = int(ready)
            await ReadOnly()
            if ready and ports["req_valid_o"].value == 1:
                first, count = int(ports["req_address_o"].value), int(ports["req_beats_o"].value)
                beats.extend(range(first, first + 8 * count, 8))
            await RisingEdge(self._dut.clk_i)

    async def _collect(self) -> None:
        dut = self._dut
        places: deque[int] = deque()
        arrived: deque[tuple[int, int]] = deque()
        pause = stalls(self._rng, self._stall)
        while True:
            run_ready, data_ready = not next(pause), not next(pause)
            dut.run_ready_i.value, dut.data_ready_i.value = int(run_ready), int(data_ready)
            await ReadOnly()
            if run_ready and dut.run_valid_o.value == 1:
                first, count = int(dut.run_address_o.value), int(dut.run_beats_o.value)
                places.extend(range(first, first + 8 * count, 8))
            if data_ready and dut.data_valid_o.value == 1:
                arrived.append((int(dut.data_o.value), int(dut.strobe_o.value)))
            while places and arrived:
                address, (word, strobe) = places.popleft(), arrived.popleft()
                for byte in range(8):
                    if strobe >> byte & 1:
                        self.data[address + byte] = word >> 8 * byte & 0xFF
            await RisingEdge(dut.clk_i)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def random_layers(dut: Any, stall: float) -> None:
    rng = seeded(f"random_layers {stall}")
    memory = Memory(dut, rng, stall)
    await start(dut, **dict.fromkeys([*INPUTS, *SOURCES], 0))
    for _ in range(8):
        layer = work.draw(rng, ARRAY, 800)
        expected = memory.data.copy()
        descriptor, _ = layer.place(memory.data, 0, 0, expected)
        dut.layer_i.value = pack_layer(**layer_fields(descriptor))
        # As conv_program does: a layer does not see the remains of another.
        dut.rst_ni.value = 0
        await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        done = issued = 0
        for _ in range(LIMIT):
            await ReadOnly()
            done |= int(dut.done_o.value)
            issued += int(dut.issue_o.value)
            await RisingEdge(dut.clk_i)
            if done == (1 << STAGES) - 1:
                break
        assert done == (1 << STAGES) - 1, f"stages done: {done:04b} after {LIMIT} cycles"
        assert issued == layer.mac_cycles
        wrong = np.flatnonzero(memory.data != expected)
        assert not wrong.size, f"{wrong.size} bytes from {wrong[0]:#x} on differ: {layer}"
