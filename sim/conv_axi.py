# SPDX-License-Identifier: Apache-2.0
"""The whole IP on its buses: programs of random layers, and everything that can go wrong.

After every run the complete memory is compared with what it must hold, so that a byte written
beside the result is found as well.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave

import work
from bench import engine_array, parameters, seeded, stalls
from lineconv import regs
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error

CONFIGURATIONS = [
    {
        "InputLanes": 4,
        "OutputLanes": 8,
        "VectorLanes": 16,
        "WeightWords": 128,
        "LineBufferBeats": 512,
    },
    {
        "InputLanes": 13,
        "OutputLanes": 32,
        "VectorLanes": 8,
        "WeightWords": 64,
        "LineBufferBeats": 256,
    },
    {
        "InputLanes": 26,
        "OutputLanes": 16,
        "VectorLanes": 48,
        "WeightWords": 64,
        "LineBufferBeats": 512,
    },
    {
        "InputLanes": 5,
        "OutputLanes": 32,
        "VectorLanes": 48,
        "WeightWords": 64,
        "LineBufferBeats": 512,
        "BeatBytes": 16,
    },
]

ARRAY = engine_array(parameters(CONFIGURATIONS))
BASE = 0x1000_0000
SIZE = 1 << 20
START, AUTO_RESTART = 1, 1 << 7
DONE, IDLE, READY, INTERRUPT = 1 << 1, 1 << 2, 1 << 3, 1 << 9
RESULTS = [name for name, (_, at, *_) in dict(DESCRIPTOR.fields or {}).items() if at >= 192]
CHANNELS = ("ar", "r", "aw", "w", "b")


class Memory:
    """What both ports see. Accesses that touch `bad` get SLVERR."""

    def __init__(self) -> None:
        self.data = np.zeros(SIZE, np.uint8)
        self.bad: range = range(0)

    def _index(self, address: int, length: int) -> int:
        if max(address, self.bad.start) < min(address + length, self.bad.stop):
            raise ValueError("bad address")
        assert BASE <= address <= BASE + SIZE - length, f"access at {address:#x}"
        return address - BASE

    async def read(self, address: int, length: int) -> bytes:
        return self.data[self._index(address, length) :][:length].tobytes()

    async def write(self, address: int, data: bytes) -> None:
        self.data[self._index(address, len(data)) :][: len(data)] = np.frombuffer(data, np.uint8)


class Engine:
    """The IP with its buses."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng, self.memory = dut, rng, Memory()
        clock, reset = dut.ap_clk, dut.ap_rst_n
        self.control = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_control"), clock, reset, reset_active_level=False
        )
        self.ports = [
            AxiSlave(AxiBus.from_prefix(dut, name), clock, reset, self.memory, False)
            for name in ("m_axi_gmem0", "m_axi_gmem1")
        ]

        for name in ("s_axi_control", "m_axi_gmem0", "m_axi_gmem1"):
            logging.getLogger(f"cocotb.{dut._name}.{name}").setLevel(logging.WARNING)

    async def reset(self) -> None:
        self.dut.ap_rst_n.value = 0
        Clock(self.dut.ap_clk, 10, "ns").start()
        await ClockCycles(self.dut.ap_clk, 4)
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 2)
        await self.write(regs.GIER, 1)
        await self.write(regs.IP_IER, 1)

    async def read(self, offset: int) -> int:
        return int(await self.control.read_dword(offset))

    async def write(self, offset: int, value: int) -> None:
        await self.control.write_dword(offset, value)

    def channel(self, port: int, name: str) -> Any:
        slave = self.ports[port]
        side = slave.read_if if name in ("ar", "r") else slave.write_if
        return getattr(side, f"{name}_channel")

    def stall(self, probability: float) -> None:
        """Stall every channel of both ports at random."""
        for port in range(2):
            for name in CHANNELS:
                pattern = stalls(self.rng, probability)
                self.channel(port, name).set_pause_generator(pattern if probability else None)
                self.channel(port, name).pause = False

    async def start(self, address: int, count: int, watchdog: int = 5000) -> None:
        for offset, value in (
            (regs.PROGRAM_1, address),
            (regs.DESCRIPTOR_COUNT, count),
            (regs.WINDOW_BASE_1, BASE),
            (regs.WINDOW_LAST_1, BASE + SIZE - 1),
            (regs.WATCHDOG_CYCLES, watchdog),
            (regs.CTRL, START),
        ):
            await self.write(offset, value)

    async def wait(self, limit: int = 200_000) -> Error:
        """Wait for the interrupt, acknowledge it, and return the status."""
        if not self.dut.interrupt.value:
            await First(RisingEdge(self.dut.interrupt), ClockCycles(self.dut.ap_clk, limit))
        assert self.dut.interrupt.value == 1, f"no interrupt within {limit} cycles"
        await self.write(regs.IP_ISR, 1)
        assert self.dut.interrupt.value == 0
        assert await self.read(regs.CTRL) & DONE
        assert not await self.read(regs.CTRL) & DONE
        return Error(await self.read(regs.STATUS))

    async def wait_idle(self) -> int:
        """Poll CTRL until AP_IDLE, and return it."""
        for _ in range(5000):
            ctrl = await self.read(regs.CTRL)
            if ctrl & IDLE:
                return ctrl
        raise AssertionError("not idle after 5000 polls")


class Program:
    """Layers in memory, and the memory as it must be after them.

    Most read what the one before wrote, or all have an input of their own if `chained` is not set.
    """

    def __init__(
        self, engine: Engine, count: int, max_mac_cycles: int = 1500, *, chained: bool = True
    ) -> None:
        rng = engine.rng
        self._engine = engine
        self.count = count
        self.works = (
            work.draw_chain(rng, ARRAY, count, max_mac_cycles)
            if chained
            else [work.draw(rng, ARRAY, max_mac_cycles) for _ in range(count)]
        )
        memory = engine.memory.data
        memory[:] = rng.integers(256, size=memory.size, dtype=np.uint8)
        self.expected = memory.copy()
        self.address = BASE + DESCRIPTOR_BYTES * int(rng.integers(8))
        first = self.address + count * DESCRIPTOR_BYTES
        self.placed = work.place_chain(self.works, memory, BASE, first, self.expected)
        self.descriptors = np.array([layer.descriptor for layer in self.placed], DESCRIPTOR)
        self.store()

    def store(self) -> None:
        """Write the descriptors to memory, again after they were changed."""
        self._program = raw = self.descriptors.view(np.uint8).copy()
        for target in (self._engine.memory.data, self.expected):
            target[self.address - BASE :][: raw.size] = raw

    async def run(self, watchdog: int = 5000) -> Error:
        await self._engine.start(self.address, self.count, watchdog)
        return await self._engine.wait()

    async def check(self, status: Error = Error.OK, allowed: Iterable[int] = ()) -> None:
        """Compare registers and result blocks and, if the program ran to its end, memory.

        `allowed` are the indices that a failure may have.
        """
        engine, memory = self._engine, self._engine.memory.data
        assert await engine.read(regs.STATUS) == status
        completed = await engine.read(regs.COMPLETED)
        assert await engine.read(regs.FAILED_INDEX) == completed
        blocks = memory[self.address - BASE :][: self.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
        if status is not Error.OK:
            assert completed in allowed
            assert not blocks["status"][:completed].any()
            # All blocks before are written, if that is not what failed.
            assert blocks["cycles"][:completed].all() or status is Error.WRITE_ERROR
            assert blocks["status"][completed] == status
            untouched = slice((completed + 1) * DESCRIPTOR_BYTES, None)
            assert (blocks.view(np.uint8)[untouched] == self._program[untouched]).all()
            return
        assert completed == self.count
        for layer, (_, model, _), block in zip(self.works, self.placed, blocks, strict=True):
            assert block["status"] == Error.OK
            assert block["mac_cycles"] == model["mac_cycles"], layer
            assert block["write_beats"] == model["write_beats"], layer
            stalled = sum(int(block[f"stall_{why}"]) for why in ("input", "weights", "output"))
            assert layer.mac_cycles + stalled < block["cycles"], layer
        # What is read ahead counts for the layer that runs; nothing is read twice or left out.
        read_beats = sum(int(model["read_beats"]) for _, model, _ in self.placed)
        assert blocks["read_beats"].sum() == read_beats
        cycles = await engine.read(regs.CYCLES_1)
        assert sum(int(c) for c in blocks["cycles"]) < cycles
        expected = self.expected.copy()
        where = slice(self.address - BASE, self.address - BASE + blocks.nbytes)
        expected_blocks = expected[where].view(DESCRIPTOR)
        for name in RESULTS:
            expected_blocks[name] = blocks[name]
        wrong = np.flatnonzero(memory != expected)
        assert not wrong.size, (
            f"{wrong.size} bytes from {BASE + wrong[0]:#x} on differ: {self.works}"
        )


async def begin(dut: Any, name: str) -> Engine:
    engine = Engine(dut, seeded(name))
    await engine.reset()
    return engine


async def good_run(engine: Engine, count: int = 1) -> None:
    """What must work after every failure."""
    program = Program(engine, count, 300)
    assert await program.run() is Error.OK
    await program.check()


@cocotb.test()
async def identity(dut: Any) -> None:
    engine = await begin(dut, "identity")
    assert await engine.read(regs.MAGIC) == int.from_bytes(b"LCNV", "big")
    assert await engine.read(regs.LANES) == ARRAY.output_lanes << 16 | ARRAY.input_lanes
    assert await engine.read(regs.VECTOR) == ARRAY.vector_lanes
    assert await engine.read(regs.WEIGHT_WORDS) == ARRAY.weight_words
    assert await engine.read(regs.LINE_BUFFER_BEATS) == ARRAY.line_buffer_beats


@cocotb.test()
@cocotb.parametrize(probability=[0.0, 0.2, 0.7])
async def random_programs(dut: Any, probability: float) -> None:
    engine = await begin(dut, f"random_programs {probability}")
    engine.stall(probability)
    for _ in range(10):
        program = Program(engine, int(engine.rng.integers(1, 5)))
        assert await program.run() is Error.OK
        await program.check()


@cocotb.test()
async def empty_program(dut: Any) -> None:
    engine = await begin(dut, "empty_program")
    await engine.start(BASE, 0)
    assert await engine.wait() is Error.OK
    assert await engine.read(regs.COMPLETED) == 0
    assert await engine.read(regs.CTRL) & IDLE


@cocotb.test()
async def bad_descriptors(dut: Any) -> None:
    """The layers before the bad one run, those behind do not."""
    engine = await begin(dut, "bad_descriptors")
    for field, value, code in (
        ("kind", 0, Error.BAD_KIND),
        ("rounding", 3, Error.BAD_FORMAT),
        ("input_height", 0, Error.BAD_SHAPE),
        ("stride_width", 0, Error.BAD_KERNEL),
        ("output_pixel_stride", 0, Error.BAD_STRIDE),
        ("segment_words", 0, Error.BAD_TILING),
        ("weights_address", BASE + SIZE - 8, Error.BAD_ADDRESS),
    ):
        program = Program(engine, 3, 200)
        program.descriptors[1][field] = value
        program.store()
        assert await program.run() is code
        await program.check(code, [1])
        await good_run(engine)


@cocotb.test()
async def bad_program_address(dut: Any) -> None:
    engine = await begin(dut, "bad_program_address")
    before = engine.memory.data.copy()
    for address in (BASE + 8, BASE - 256, BASE + SIZE):
        await engine.start(address, 1)
        assert await engine.wait() is Error.BAD_ADDRESS
        assert np.array_equal(engine.memory.data, before)
    await good_run(engine)


def _bad_ranges(program: Program) -> Iterator[tuple[str, range, Error, list[int]]]:
    """(what, addresses that answer with an error, code, indices) for the second layer.

    Descriptor and weights are read ahead, while the first layer runs; the result block is written
    while the third one runs.
    """
    d = program.descriptors[1]
    descriptor = program.address + DESCRIPTOR_BYTES
    for name, start, code, indices in (
        ("descriptor", descriptor + 40, Error.READ_ERROR, [0, 1]),
        ("input", int(d["input_address"]), Error.READ_ERROR, [1]),
        ("weights", int(d["weights_address"]) + 16, Error.READ_ERROR, [0, 1]),
        ("output", int(d["output_address"]), Error.WRITE_ERROR, [1]),
        ("result", descriptor + 200, Error.WRITE_ERROR, [2]),
    ):
        yield name, range(start, start + 1), code, indices


@cocotb.test()
@cocotb.parametrize(probability=[0.0, 0.4])
async def bus_errors(dut: Any, probability: float) -> None:
    engine = await begin(dut, f"bus_errors {probability}")
    for index in range(5):
        engine.stall(probability)
        program = Program(engine, 3, 200, chained=False)
        name, engine.memory.bad, code, allowed = list(_bad_ranges(program))[index]
        assert await program.run() is code, name
        engine.memory.bad = range(0)
        await program.check(code, allowed)
        await good_run(engine)


@cocotb.test()
async def watchdog(dut: Any) -> None:
    """Each memory channel stops in mid-run and goes on after the run has ended."""
    engine = await begin(dut, "watchdog")
    for port, names in ((0, CHANNELS), (1, ("ar", "r"))):
        for name in names:
            program = Program(engine, 2, 400)
            await engine.start(program.address, 2, watchdog=300)
            await ClockCycles(dut.ap_clk, int(engine.rng.integers(1, 600)))
            channel = engine.channel(port, name)
            channel.pause = True
            status = await engine.wait(20_000)
            # The run may have been over, or short enough not to need the channel again.
            assert status in (Error.WATCHDOG, Error.OK), (port, name)
            completed = await engine.read(regs.COMPLETED)
            assert (completed == 2) == (status is Error.OK)
            channel.pause = False
            await engine.wait_idle()  # until then, what was on its way still reaches the memory
            await good_run(engine)


@cocotb.test()
async def soft_reset(dut: Any) -> None:
    engine = await begin(dut, "soft_reset")
    for _ in range(12):
        engine.stall(float(engine.rng.choice([0.0, 0.4])))
        program = Program(engine, 4, 300)
        await engine.start(program.address, 4)
        await ClockCycles(dut.ap_clk, int(engine.rng.integers(1, 2000)))
        await engine.write(regs.SOFT_RESET, 1)
        ctrl = await engine.wait_idle()
        assert not ctrl & (START | DONE | READY | INTERRUPT)
        assert dut.interrupt.value == 0
        await good_run(engine)


@cocotb.test()
async def polling_and_masked_interrupts(dut: Any) -> None:
    engine = await begin(dut, "polling_and_masked_interrupts")
    for gier, ier in ((0, 1), (1, 0)):
        await engine.write(regs.GIER, gier)
        await engine.write(regs.IP_IER, ier)
        program = Program(engine, 1, 100)
        await engine.start(program.address, 1)
        for _ in range(10_000):
            if await engine.read(regs.CTRL) & DONE:
                break
            assert dut.interrupt.value == 0
        assert await engine.read(regs.IP_ISR) == (1 if ier else 0)
        await program.check()
        await engine.write(regs.GIER, 1)
        assert dut.interrupt.value == ier
        await engine.write(regs.IP_ISR, ier)
        assert dut.interrupt.value == 0


@cocotb.test()
async def queued_start(dut: Any) -> None:
    """A start during a run waits; the arguments of the first run were taken before."""
    engine = await begin(dut, "queued_start")
    program = Program(engine, 2, 400)
    await engine.start(program.address, 2)
    while not await engine.read(regs.CTRL) & READY:
        pass
    await engine.start(program.address + DESCRIPTOR_BYTES, 1)
    assert await engine.read(regs.CTRL) & START
    assert await engine.wait() is Error.OK
    assert await engine.wait() is Error.OK
    await ClockCycles(dut.ap_clk, 10)
    assert await engine.read(regs.COMPLETED) == 1


@cocotb.test()
async def auto_restart(dut: Any) -> None:
    """With AUTO_RESTART a run follows the other until the bit is cleared."""
    engine = await begin(dut, "auto_restart")
    program = Program(engine, 1, 200)
    await engine.start(program.address, 1)
    await engine.write(regs.CTRL, START | AUTO_RESTART)
    for _ in range(4):
        assert await engine.wait() is Error.OK
    await engine.write(regs.CTRL, 0)
    await engine.wait_idle()
    await program.check()
