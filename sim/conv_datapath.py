# SPDX-License-Identifier: Apache-2.0
"""conv_datapath between a memory that always answers and one that takes what comes.

Random layers go through all stages, one behind the other; the bytes that the runs and strobes put
into memory are compared with golden.
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
    {
        "InputLanes": 4,
        "OutputLanes": 16,
        "VectorLanes": 24,
        "WeightWords": 64,
        "LineBufferBeats": 256,
    },
]
ARRAY = engine_array(parameters(CONFIGURATIONS))
SIZE = 1 << 18
LIMIT = 50_000  # cycles of a layer
STAGES = 3
INPUTS = ["start_i", "layer_i", "weight_layer_valid_i", "weight_layer_i", "weight_data_last_i"]
INPUTS += ["run_ready_i", "data_ready_i"]
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
        beats: deque[tuple[int, bool]] = deque()  # address, last of its request
        pause = stalls(self._rng, self._stall)
        while True:
            sends = bool(beats) and not next(pause)
            if sends:
                address, last = beats.popleft()
                word = self.data[address : address + 8].tobytes()
                ports["data_i"].value = int.from_bytes(word, "little")
                if name == "weight":
                    self._dut.weight_data_last_i.value = int(last)
            ports["data_valid_i"].value = int(sends)
            ready = not next(pause)
            ports["req_ready_i"].value = int(ready)
            await ReadOnly()
            if ready and ports["req_valid_o"].value == 1:
                first, count = int(ports["req_address_o"].value), int(ports["req_beats_o"].value)
                beats.extend((first + 8 * beat, beat == count - 1) for beat in range(count))
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


async def offer_weights(dut: Any, layers: list[int], started: list[int]) -> None:
    """Hand out the layers to the weight loader, each as soon as the one before it has started."""
    for index, layer in enumerate(layers):
        while len(started) < index:
            await RisingEdge(dut.clk_i)
        dut.weight_layer_valid_i.value, dut.weight_layer_i.value = 1, layer
        taken = False
        while not taken:
            await ReadOnly()
            taken = dut.weight_layer_ready_o.value == 1
            await RisingEdge(dut.clk_i)
        dut.weight_layer_valid_i.value = 0


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def random_layers(dut: Any, stall: float) -> None:
    """Layers one behind the other, the weights of the next one loaded in between."""
    rng = seeded(f"random_layers {stall}")
    memory = Memory(dut, rng, stall)
    await start(dut, **dict.fromkeys([*INPUTS, *SOURCES], 0))
    works = [work.draw(rng, ARRAY, 800) for _ in range(10)]
    expected, layers, address = memory.data.copy(), [], 0
    for drawn in works:
        descriptor, _, address = drawn.place(memory.data, 0, address, expected)
        fields = {name: int(descriptor[name]) for name in descriptor.dtype.names}
        layers.append(pack_layer(**derive(fields, ARRAY)))
    started: list[int] = []
    cocotb.start_soon(offer_weights(dut, layers, started))
    for drawn, layer in zip(works, layers, strict=True):
        dut.layer_i.value = layer
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        started.append(layer)
        done = issued = 0
        for _ in range(LIMIT):
            await ReadOnly()
            done |= int(dut.done_o.value)
            issued += int(dut.issue_o.value)
            await RisingEdge(dut.clk_i)
            if done == (1 << STAGES) - 1:
                break
        assert done == (1 << STAGES) - 1, f"stages done: {done:04b} after {LIMIT} cycles: {drawn}"
        assert issued == drawn.mac_cycles
    wrong = np.flatnonzero(memory.data != expected)
    assert not wrong.size, f"{wrong.size} bytes from {wrong[0]:#x} on differ: {works}"
