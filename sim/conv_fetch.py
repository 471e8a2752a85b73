# SPDX-License-Identifier: Apache-2.0
"""conv_fetch between a memory, a checker, and the two that take its offers, all late at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded, stalls, start
from lineconv.regs import DESCRIPTOR_BYTES, Error

CONFIGURATIONS = [{}, {"BeatBytes": 16}]

WINDOW = (0x1000_0000, 0x1FFF_FFFF)
READ_BYTES = 128  # of a descriptor
INPUTS = (
    "start_i stop_i program_address_i descriptor_count_i window_base_i window_last_i req_ready_i "
    "data_valid_i data_i data_last_i check_done_i check_error_i ready_i weights_ready_i"
)


@dataclass
class Program:
    """What is fetched, and what must come of it."""

    base: int
    codes: list[Error]  # of the checks
    window: tuple[int, int] = WINDOW

    def legal(self, index: int) -> bool:
        address = self.base + DESCRIPTOR_BYTES * index
        first, last = self.window
        inside = first <= address and address + DESCRIPTOR_BYTES - 1 <= last
        return inside and address % DESCRIPTOR_BYTES == 0 and address < 1 << 32

    @property
    def offers(self) -> list[tuple[int, Error]]:
        """(address, error) up to the first error."""
        out = []
        for index, code in enumerate(self.codes):
            code = code if self.legal(index) else Error.BAD_ADDRESS
            out.append(((self.base + DESCRIPTOR_BYTES * index) % (1 << 32), code))
            if code is not Error.OK:
                break
        return out

    @property
    def fetched(self) -> int:
        """Descriptors that are read."""
        return sum(self.legal(index) for index in range(len(self.offers)))


class Environment:
    """One step per cycle; collects the offers that were taken."""

    def __init__(self, dut: Any, rng: Any, stall: float) -> None:
        self.dut, self.rng = dut, rng
        self._stall = stalls(rng, stall)
        self.hold = ""  # who does not take offers
        self.clear()

    def clear(self) -> None:
        self.fetched: list[int] = []
        self.taken: list[tuple[int, Error]] = []
        self.weights: list[int] = []
        self._beats: list[int] = []
        self._descriptor = 0
        self._check_in: int | None = None

    async def launch(self, program: Program) -> None:
        dut = self.dut
        self.program = program
        self.clear()
        dut.program_address_i.value = program.base
        dut.descriptor_count_i.value = len(program.codes)
        dut.window_base_i.value, dut.window_last_i.value = program.window
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        for name in ("program_address_i", "descriptor_count_i", "window_base_i", "window_last_i"):
            getattr(dut, name).value = 0  # the module keeps its own copy

    async def step(self) -> None:
        dut, rng, beat_bits = self.dut, self.rng, len(self.dut.data_i)
        beat = bool(self._beats) and not next(self._stall)
        dut.data_valid_i.value = int(beat)
        dut.data_last_i.value = int(len(self._beats) == 1 if beat else rng.integers(2))
        dut.data_i.value = self._beats.pop(0) if beat else 0
        done = self._check_in == 0
        self._check_in = None if done or self._check_in is None else self._check_in - 1
        dut.check_done_i.value = int(done)
        index = len(self.fetched) - 1
        dut.check_error_i.value = self.program.codes[index] if done else Error.OK
        req_ready = not next(self._stall)
        ready = not next(self._stall) and self.hold != "ready"
        weights_ready = not next(self._stall) and self.hold != "weights_ready"
        dut.req_ready_i.value, dut.ready_i.value = int(req_ready), int(ready)
        dut.weights_ready_i.value = int(weights_ready)
        await ReadOnly()
        if dut.req_valid_o.value and req_ready:
            assert int(dut.req_beats_o.value) * beat_bits == 8 * READ_BYTES
            self.fetched.append(int(dut.req_address_o.value))
            self._descriptor = int.from_bytes(rng.bytes(READ_BYTES), "little")
            mask = (1 << beat_bits) - 1
            shifts = range(0, 8 * READ_BYTES, beat_bits)
            self._beats = [self._descriptor >> shift & mask for shift in shifts]
        if dut.check_start_o.value:
            self._check_in = int(rng.integers(0, 20))
        if dut.check_start_o.value or self._check_in is not None:
            assert dut.checking_o.value
        if dut.valid_o.value or dut.weights_valid_o.value:
            self._check_offer(ready, weights_ready)
        await RisingEdge(dut.clk_i)

    def _check_offer(self, ready: bool, weights_ready: bool) -> None:
        dut = self.dut
        number = len(self.taken) - (not dut.valid_o.value)
        address, error = self.program.offers[number]
        assert int(dut.address_o.value) == address
        assert int(dut.error_o.value) == error
        assert dut.legal_o.value == self.program.legal(number)
        if self.program.legal(number):
            # The descriptor stays for the check and as long as it is offered.
            assert int(dut.descriptor_o.value) == self._descriptor
            window = int(dut.window_base_o.value), int(dut.window_last_o.value)
            assert window == self.program.window
        if dut.weights_valid_o.value and weights_ready:
            assert error is Error.OK
            self.weights.append(number)
        if dut.valid_o.value and ready:
            self.taken.append((address, error))


async def begin(dut: Any, name: str, stall: float) -> Environment:
    await start(dut, **dict.fromkeys(INPUTS.split(), 0))
    return Environment(dut, seeded(name), stall)


def draw(rng: Any) -> Program:
    count = int(rng.integers(6))
    codes = [Error.OK] * count
    if count and rng.random() < 0.5:
        bad = [c for c in Error if Error.OK < c <= Error.BAD_ADDRESS]
        codes[int(rng.integers(count))] = Error(int(rng.choice(bad)))
    first, last = WINDOW
    base = first + DESCRIPTOR_BYTES * int(rng.integers(1000))
    if rng.random() < 0.2:  # leaves the window sooner or later
        base = last + 1 - DESCRIPTOR_BYTES * int(rng.integers(3))
    return Program(base, codes)


async def expect(env: Environment) -> None:
    """Run until nothing moves any more, and compare."""
    program = env.program
    for _ in range(400 * (len(program.codes) + 1)):
        await env.step()
    assert env.taken == program.offers
    good = sum(error is Error.OK for _, error in program.offers)
    assert env.weights == list(range(good))
    addresses = [program.base + DESCRIPTOR_BYTES * i for i in range(program.fetched)]
    assert env.fetched == addresses


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5, 0.8])
async def programs(dut: Any, stall: float) -> None:
    """Every descriptor up to the first error is fetched, checked and offered, once."""
    env = await begin(dut, f"programs {stall}", stall)
    for _ in range(20):
        await env.launch(draw(env.rng))
        await expect(env)


@cocotb.test()
async def bad_addresses(dut: Any) -> None:
    """Misaligned, below or beyond the window, beyond 32 bits: memory stays alone."""
    env = await begin(dut, "bad_addresses", 0.2)
    first, last = WINDOW
    for base in (first + 8, first + 128, first - 256, last + 1, first + (1 << 32), 1 << 63):
        await env.launch(Program(base, [Error.OK]))
        await expect(env)
        assert env.fetched == []
    # The second descriptor ends on the last byte of the window, or one beyond.
    for end, fetched in ((first + 511, 2), (first + 510, 1)):
        await env.launch(Program(first, [Error.OK] * 2, (first, end)))
        await expect(env)
        assert len(env.fetched) == fetched


@cocotb.test()
async def one_ahead(dut: Any) -> None:
    """The next descriptor is fetched when both have taken the layer, and no sooner."""
    env = await begin(dut, "one_ahead", 0.0)
    for slow in ("ready", "weights_ready"):
        env.hold = slow
        await env.launch(Program(WINDOW[0], [Error.OK] * 3))
        for _ in range(200):
            await env.step()
        assert len(env.fetched) == 1
        assert (len(env.taken), len(env.weights)) == ((0, 1) if slow == "ready" else (1, 0))
        env.hold = ""
        for _ in range(400):
            await env.step()
        assert len(env.fetched) == len(env.taken) == len(env.weights) == 3


@cocotb.test()
async def stop_at_any_time(dut: Any) -> None:
    env = await begin(dut, "stop_at_any_time", 0.3)
    for _ in range(150):
        await env.launch(draw(env.rng))
        for _ in range(int(env.rng.integers(1, 150))):
            await env.step()
        dut.stop_i.value = 1
        dut.data_valid_i.value = dut.check_done_i.value = 0
        await RisingEdge(dut.clk_i)
        dut.stop_i.value = 0
        env.clear()
        for _ in range(20):
            await env.step()
            assert not dut.valid_o.value
            assert not dut.weights_valid_o.value
        assert env.fetched == []
        await env.launch(Program(WINDOW[0], [Error.OK] * 2))
        await expect(env)
