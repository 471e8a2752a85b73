# SPDX-License-Identifier: Apache-2.0
"""conv_core on its plain memory ports: random programs, memory compared as a whole afterwards.

What can go wrong on the buses is the business of conv_axi's bench; this one holds the wiring.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

import work
from axi_memory import Behaviour, ReadMemory, WriteMemory
from bench import engine_array, parameters, seeded, start
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error

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
OUTSTANDING = 8  # what the masters are built for
LIMIT = 100_000  # cycles of a run
INPUTS = ["start_i", "soft_reset_i", "program_address_i", "descriptor_count_i", "window_base_i"]


class Port:
    """The signals of one memory port, under the names that axi_memory knows."""

    def __init__(self, dut: Any, prefix: str) -> None:
        self._dut, self._prefix = dut, prefix

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, name.replace("axi_", self._prefix, 1))


class Runner:
    """Core, memory, and programs that run on both."""

    def __init__(self, dut: Any, rng: np.random.Generator, stall: float) -> None:
        self._dut, self._rng = dut, rng
        self.memory = rng.integers(256, size=SIZE, dtype=np.uint8)
        behaviour = Behaviour(
            latency=int(rng.integers(1, 40)), address_stall=stall, data_stall=stall
        )
        # Late enough that a layer would read what is not there if it did not wait.
        late = replace(behaviour, latency=int(rng.integers(1, 150)))
        for prefix in ("gmem0_", "gmem1_"):
            ReadMemory(Port(dut, prefix), self.memory, rng, behaviour, OUTSTANDING)
        WriteMemory(Port(dut, "gmem0_"), self.memory, rng, late, OUTSTANDING)

    def program(
        self, count: int, max_mac_cycles: int = 600
    ) -> tuple[list[Any], np.ndarray[Any, Any]]:
        """Descriptors of random layers, placed, and the memory as it must be after them."""
        expected = self.memory.copy()
        works = work.draw_chain(self._rng, ARRAY, count, max_mac_cycles)
        address = count * DESCRIPTOR_BYTES
        placed = work.place_chain(works, self.memory, 0, address, expected)
        return [layer.descriptor for layer in placed], expected

    async def run(self, descriptors: list[Any]) -> Error:
        dut = self._dut
        raw = np.array(descriptors, DESCRIPTOR).view(np.uint8)
        self.memory[: raw.size] = raw
        dut.descriptor_count_i.value = len(descriptors)
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        for _ in range(LIMIT):
            await RisingEdge(dut.clk_i)
            if dut.done_o.value:
                return Error(int(dut.status_o.value))
        raise AssertionError(f"not done after {LIMIT} cycles")


async def begin(dut: Any, name: str, stall: float) -> Runner:
    runner = Runner(dut, seeded(name), stall)
    await start(dut, window_last_i=SIZE - 1, watchdog_cycles_i=5000, **dict.fromkeys(INPUTS, 0))
    return runner


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.4, 0.8])
async def chained_layers(dut: Any, stall: float) -> None:
    """Layers that read what the one before wrote, few long ones and many short ones."""
    runner = await begin(dut, f"chained_layers {stall}", stall)
    for count, max_mac_cycles in ((1, 600), (4, 600), (6, 600), (30, 20)):
        descriptors, expected = runner.program(count, max_mac_cycles)
        assert await runner.run(descriptors) is Error.OK
        assert int(dut.completed_o.value) == count
        data = slice(count * DESCRIPTOR_BYTES, None)  # results are written into the descriptors
        wrong = np.flatnonzero(runner.memory[data] != expected[data])
        assert not wrong.size, f"{wrong.size} bytes differ, the first {wrong[0]} bytes in"
        blocks = runner.memory[: count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
        assert not blocks["status"].any()
        # Every cycle counts for one descriptor, but for the end of the last block.
        rest = int(dut.cycles_o.value) - int(blocks["cycles"].sum())
        assert 0 < rest < 200 + (200 if stall else 0), rest


@cocotb.test()
async def bad_descriptor_ends_the_program(dut: Any) -> None:
    runner = await begin(dut, "bad_descriptor_ends_the_program", 0.2)
    descriptors, _ = runner.program(3)
    descriptors[1]["kernel_height"] = 0
    assert await runner.run(descriptors) is Error.BAD_KERNEL
    assert int(dut.completed_o.value) == 1
    descriptors, _ = runner.program(2)
    assert await runner.run(descriptors) is Error.OK
