# SPDX-License-Identifier: Apache-2.0
"""conv_program on real descriptors, in an environment that plays memory masters and stages.

How runs fail on the bus is the business of conv_run's bench; this one holds the parts together:
layers arrive as they were derived, weights ahead, every event is counted once, and a bad descriptor
ends the run after the layers before it.
"""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

import work
from bench import BEAT_BYTES, cycles, engine_array, parameters, seeded, start
from layer import derive, pack_layer
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error

CONFIGURATIONS = [
    {
        "InputLanes": 4,
        "OutputLanes": 16,
        "VectorLanes": 24,
        "WeightWords": 64,
        "LineBufferBeats": 256,
    },
    {
        "InputLanes": 5,
        "OutputLanes": 32,
        "VectorLanes": 48,
        "WeightWords": 64,
        "LineBufferBeats": 256,
        "BeatBytes": 16,
    },
]
ARRAY = engine_array(parameters(CONFIGURATIONS))
SIZE = 1 << 18
STAGES = 3
DELAY = 12  # longest that the environment takes for anything by itself
RESULT_OFFSET, RESULT_BYTES, READ_BYTES = 192, 32, 128
EVENTS = ["issue", "stall_input", "stall_weights", "stall_output", "read_beat", "output_beat"]
COUNTS = ["mac_cycles", "stall_input", "stall_weights", "stall_output", "read_beats", "write_beats"]
INPUTS = (
    "start_i soft_reset_i program_address_i descriptor_count_i window_base_i fetch_req_ready_i "
    "fetch_data_valid_i fetch_data_i fetch_data_last_i result_run_ready_i result_data_ready_i "
    "read_error_i write_error_i weight_layer_ready_i layer_done_i issue_i stall_input_i "
    "stall_weights_i stall_output_i read_beat_i output_beat_i write_beat_i"
)


class Environment:
    """Answers the module cycle by cycle."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.memory = np.zeros(SIZE, np.uint8)
        self.layers: list[int] = []
        self.forget()

    def forget(self) -> None:
        self.started = self.weights = self.fetched = 0
        self.counts = np.zeros(len(EVENTS), np.int64)
        self._beats: list[bytes] = []
        self._stages: list[int] = []  # cycles until each is done
        self._write_busy = 0
        self._run_address: int | None = None
        self._block = b""
        self._events = [0] * len(EVENTS)

    def program(self, count: int) -> Any:
        """Random layers; returns their descriptors, which `store` writes."""
        self.layers, records, address = [], [], count * DESCRIPTOR_BYTES
        for _ in range(count):
            drawn = work.draw(self.rng, ARRAY, 100)
            record, _, address = drawn.place(self.memory, 0, address, self.memory)
            fields = {name: int(record[name]) for name in record.dtype.names}
            self.layers.append(pack_layer(**derive(fields, ARRAY)))
            records.append(record)
        return np.array(records, DESCRIPTOR)

    def store(self, descriptors: Any) -> None:
        raw = descriptors.view(np.uint8)
        self.memory[: raw.size] = raw

    async def run(self) -> None:
        for _ in itertools.count():
            await ReadOnly()
            self._observe()
            await RisingEdge(self.dut.clk_i)
            self._drive()

    def _observe(self) -> None:
        dut = self.dut
        if dut.start_i.value:
            self.forget()
        self.counts += [event.bit_count() for event in self._events]
        if dut.abort_o.value:
            counts = self.counts
            self.forget()
            self.counts = counts
            return
        if dut.fetch_req_valid_o.value and dut.fetch_req_ready_i.value:
            address = int(dut.fetch_req_address_o.value)
            assert address == self.fetched * DESCRIPTOR_BYTES
            assert int(dut.fetch_req_beats_o.value) * BEAT_BYTES == READ_BYTES
            raw = self.memory[address:][:READ_BYTES].tobytes()
            self._beats = [raw[i : i + BEAT_BYTES] for i in range(0, READ_BYTES, BEAT_BYTES)]
            self.fetched += 1
            assert self.fetched <= self.started + 1, "more than one ahead"
        if dut.weight_layer_valid_o.value and dut.weight_layer_ready_i.value:
            assert int(dut.weight_layer_o.value) == self.layers[self.weights]
            self.weights += 1
        if dut.layer_start_o.value:
            assert not self._stages, "the layer before is not complete"
            self._stages = [int(self.rng.integers(1, 4 * DELAY)) for _ in range(STAGES)]
            self._write_busy = int(self.rng.integers(6 * DELAY))
            self.started += 1
        if self._stages:
            assert int(dut.layer_o.value) == self.layers[self.started - 1]
            assert dut.stages_rst_no.value == 1
        self._take_block()

    def _take_block(self) -> None:
        dut = self.dut
        if dut.result_run_valid_o.value or dut.result_data_valid_o.value:
            assert dut.result_busy_o.value
        if dut.result_run_valid_o.value and dut.result_run_ready_i.value:
            assert int(dut.result_run_beats_o.value) * BEAT_BYTES == RESULT_BYTES
            self._run_address = int(dut.result_run_address_o.value)
        if dut.result_data_valid_o.value and dut.result_data_ready_i.value:
            self._block += int(dut.result_data_o.value).to_bytes(BEAT_BYTES, "little")
        if self._run_address is not None and len(self._block) == RESULT_BYTES:
            assert self._run_address % DESCRIPTOR_BYTES == RESULT_OFFSET
            block = np.frombuffer(self._block, np.uint8)
            self.memory[self._run_address :][:RESULT_BYTES] = block
            self._run_address, self._block = None, b""
            self._write_busy = max(self._write_busy, int(self.rng.integers(1, DELAY)))

    def _drive(self) -> None:
        dut, rng = self.dut, self.rng
        beat = bool(self._beats) and rng.random() < 0.5
        data = self._beats.pop(0) if beat else b""
        dut.fetch_data_valid_i.value = int(beat)
        dut.fetch_data_last_i.value = int(beat and not self._beats)
        dut.fetch_data_i.value = int.from_bytes(data, "little")
        for name in ("fetch_req_ready", "weight_layer_ready", "result_run_ready"):
            getattr(dut, f"{name}_i").value = int(rng.integers(2))
        dut.result_data_ready_i.value = int(rng.integers(2))
        self._stages = [left - 1 for left in self._stages]
        done = sum((left == 0) << stage for stage, left in enumerate(self._stages))
        dut.layer_done_i.value = done
        if self._stages and max(self._stages) <= 0:
            self._stages = []
        self._write_busy = max(self._write_busy - 1, 0)
        idle = self._write_busy == 0 and self._run_address is None and not self._block
        dut.write_idle_i.value = int(idle)
        dut.idle_i.value = int(idle and not self._beats)
        for index, name in enumerate(EVENTS):
            port = getattr(dut, f"{name}_i")
            self._events[index] = int(rng.integers(1 << len(port)))
            port.value = self._events[index]
        dut.write_beat_i.value = self._events[-1]


async def begin(dut: Any, name: str) -> Environment:
    idle = dict.fromkeys(["idle_i", "write_idle_i"], 1)
    window = {"window_last_i": SIZE - 1, "watchdog_cycles_i": 2000}
    await start(dut, **idle, **window, **dict.fromkeys(INPUTS.split(), 0))
    environment = Environment(dut, seeded(name))
    cocotb.start_soon(environment.run())
    return environment


async def launch(dut: Any, count: int) -> None:
    while not dut.idle_o.value:
        await RisingEdge(dut.clk_i)
    dut.descriptor_count_i.value = count
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    dut.descriptor_count_i.value = 0


async def wait_done(dut: Any, count: int) -> Error:
    for _ in range(1000 * (count + 1)):
        await ReadOnly()
        done = bool(dut.done_o.value)
        await RisingEdge(dut.clk_i)
        if done:
            return Error(int(dut.status_o.value))
    raise AssertionError("not done")


async def run(dut: Any, env: Environment, count: int) -> Error:
    await launch(dut, count)
    return await wait_done(dut, count)


@cocotb.test()
async def good_programs(dut: Any) -> None:
    """Layers in order, weights ahead; all that happened is in one block or behind the last."""
    env = await begin(dut, "good_programs")
    for count in [0, 1, 2, 3, *env.rng.integers(1, 6, 12), 25]:
        env.store(env.program(int(count)))
        assert await run(dut, env, int(count)) is Error.OK
        assert env.started == env.weights == env.fetched == count == int(dut.completed_o.value)
        blocks = env.memory[: count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
        assert not blocks["status"].any()
        rest = int(dut.cycles_o.value) - int(blocks["cycles"].sum())
        assert 0 <= rest < 5 * DELAY
        for name, events in zip(COUNTS, env.counts, strict=True):
            # Up to two events a cycle, from the last completion to the end of the run.
            assert 0 <= int(events) - int(blocks[name].sum()) <= 2 * (rest + 5) or count == 0
        assert env.counts.min() > 100 or count < 2


@cocotb.test()
async def bad_descriptors(dut: Any) -> None:
    """The layers before it run and have their blocks; what lies behind is not read."""
    env = await begin(dut, "bad_descriptors")
    for field, code in (
        ("kind", Error.BAD_KIND),
        ("input_height", Error.BAD_SHAPE),
        ("kernel_height", Error.BAD_KERNEL),
        ("output_row_stride", Error.BAD_STRIDE),
        ("row_slots", Error.BAD_TILING),
    ):
        for index in range(4):
            descriptors = env.program(4)
            descriptors[field][index] = 1 if field == "output_row_stride" else 0
            env.store(descriptors)
            assert await run(dut, env, 4) is code
            assert int(dut.completed_o.value) == env.started == env.weights == index
            assert env.fetched == index + 1
            blocks = env.memory[: 4 * DESCRIPTOR_BYTES].view(DESCRIPTOR)
            assert list(blocks["status"]) == [0] * index + [code] + [0] * (3 - index)
            assert [bool(count) for count in blocks["cycles"]] == [i <= index for i in range(4)]


@cocotb.test()
async def soft_reset_at_any_time(dut: Any) -> None:
    env = await begin(dut, "soft_reset_at_any_time")
    for _ in range(40):
        env.store(env.program(3))
        await launch(dut, 3)
        await cycles(dut, int(env.rng.integers(1, 900)))
        dut.soft_reset_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.soft_reset_i.value = 0
        await cycles(dut, 3)
        assert dut.stages_rst_no.value == 0
        env.store(env.program(2))
        assert await run(dut, env, 2) is Error.OK
        assert env.started == env.weights == 2
