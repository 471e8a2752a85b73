# SPDX-License-Identifier: Apache-2.0
"""conv_datapath between a memory that always answers and one that takes what comes.

Random layers go through all stages; the bytes that the runs and strobes put into memory are
compared with golden.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

import work
from bench import engine_array, parameters, seeded, stalls, start
from layer import derive, pack_layer

CONFIGURATIONS = [
    {"InputLanes": 4, "OutputLanes": 16, "WeightWords": 64, "LineBufferBeats": 256},
]
ARRAY = engine_array(parameters(CONFIGURATIONS))
SIZE = 1 << 17
LIMIT = 50_000  # cycles of a layer
STAGES = 4
INPUTS = ["start_i", "layer_i", "run_ready_i", "data_ready_i"]
SOURCES = [f"{name}_{port}_i" for name in ("row", "weight") for port in ("req_ready", "data_valid")]


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
        fields = {name: int(descriptor[name]) for name in descriptor.dtype.names}
        dut.layer_i.value = pack_layer(**derive(fields, ARRAY))
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
