# SPDX-License-Identifier: Apache-2.0
"""conv_program in an environment that plays memory masters, checker and stages.

A plan says what happens to each descriptor; the bench predicts from it how the run ends and which
result blocks are written. Every run is followed by a good one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, cycles, seeded, start
from lineconv.regs import Error

CONFIGURATIONS = [{"Stages": 3}, {"Stages": 3, "BeatBytes": 16}]

FETCH_BEATS, RESULT_BEATS = 128 // BEAT_BYTES, 32 // BEAT_BYTES
HANG_BEATS = 7  # of a fetch that hangs
WATCHDOG = 60
DELAY = 12  # longest that the environment takes for anything by itself
WINDOW = (0x1000_0000, 0x1FFF_FFFF)
# What can go wrong, where, and what the run reports.
FAILURES = {
    "check": Error.OK,  # stands for the code that comes with the plan
    "fetch read error": Error.READ_ERROR,
    "fetch hang": Error.WATCHDOG,
    "layer read error": Error.READ_ERROR,
    "layer write error": Error.WRITE_ERROR,
    "layer hang": Error.WATCHDOG,
    "result write error": Error.WRITE_ERROR,
    "result hang": Error.WATCHDOG,
}


@dataclass(frozen=True)
class Plan:
    """What happens to one descriptor."""

    failure: str = "none"
    code: Error = Error.OK  # of the check
    drains: bool = True  # whether the masters come to rest after an abort


class Environment:
    """Answers the module cycle by cycle; `results` collects the blocks that it writes."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.plans: list[Plan] = []
        self.base, self.window = 0, WINDOW
        self.results: list[tuple[int, int]] = []
        self.fetched: list[int] = []
        self.layers = self.aborts = self.dones = 0
        self.descriptor = self._counts = self._address = self._block = 0
        self._events: dict[str, int] = {}  # name of a pulse -> cycles until it comes
        self._beats = self._words = 0
        self._busy = 0
        self._stuck = False
        self._errors = {"read": 0, "write": 0}
        self._plan = Plan()

    def reset(self) -> None:
        """Forget what was collected; a stuck memory answers at last."""
        self.results, self.fetched = [], []
        self.layers = self.aborts = self.dones = 0
        if self._stuck:
            self._stuck, self._busy = False, 5

    def _later(self, name: str) -> None:
        self._events[name] = int(self.rng.integers(1, DELAY))

    def _due(self, name: str) -> bool:
        if name not in self._events:
            return False
        self._events[name] -= 1
        if self._events[name] > 0:
            return False
        del self._events[name]
        return True

    async def run(self) -> None:
        for _ in itertools.count():
            await ReadOnly()
            self._observe()
            await RisingEdge(self.dut.clk_i)
            self._drive()

    def _observe(self) -> None:
        """What the module did in this cycle."""
        dut = self.dut
        self.dones += int(dut.done_o.value)
        if dut.abort_o.value:
            self.aborts += 1
            self._errors = dict.fromkeys(self._errors, 0)
            self._events.clear()
            self._beats = 0
            self._stuck = self._stuck and not self._plan.drains
            self._busy = 1 << 30 if self._stuck else int(self.rng.integers(1, DELAY))
            return
        if dut.fetch_req_valid_o.value and dut.fetch_req_ready_i.value:
            assert int(dut.fetch_req_beats_o.value) == FETCH_BEATS
            address = int(dut.fetch_req_address_o.value)
            self.fetched.append(address)
            self._plan = self.plans[(address - self.base) // 256]
            self.descriptor = int.from_bytes(self.rng.bytes(128), "little")
            self._counts = int.from_bytes(self.rng.bytes(28), "little")
            self._beats = FETCH_BEATS
            if self._plan.failure == "fetch hang":
                self._beats, self._stuck = HANG_BEATS, True
            if self._plan.failure == "fetch read error":
                self._later("read error")
        if dut.check_start_o.value:
            assert int(dut.descriptor_o.value) == self.descriptor
            assert (int(dut.window_base_o.value), int(dut.window_last_o.value)) == self.window
            self._later("check")
        if dut.layer_start_o.value:
            assert dut.layer_rst_no.value == 1
            self.layers += 1
            for stage in range(3):
                if self._plan.failure != "layer hang" or stage != 2:
                    self._later(f"stage {stage}")
            if self._plan.failure.startswith("layer") and "error" in self._plan.failure:
                del self._events["stage 1"]
                self._later(self._plan.failure.removeprefix("layer "))
            self._stuck = self._plan.failure == "layer hang"
        if dut.result_run_valid_o.value and dut.result_run_ready_i.value:
            assert int(dut.result_run_beats_o.value) == RESULT_BEATS
            self._busy = 1 << 30
            self._words = RESULT_BEATS
            self._address = int(dut.result_run_address_o.value)
            self._block = 0
        if dut.result_data_valid_o.value and dut.result_data_ready_i.value:
            self._block |= int(dut.result_data_o.value) << 8 * BEAT_BYTES * (
                RESULT_BEATS - self._words
            )
            self._words -= 1
            if self._words == 0:
                self._end_of_block()

    def _end_of_block(self) -> None:
        assert self._block >> 32 == self._counts
        self.results.append((self._address, self._block & 0xFFFF_FFFF))
        self._busy = int(self.rng.integers(1, DELAY))
        if self._plan.failure == "result write error":
            self._later("write error")
            self._busy = DELAY
        if self._plan.failure == "result hang":
            self._busy, self._stuck = 1 << 30, True

    def _drive(self) -> None:
        dut, rng = self.dut, self.rng
        for name in ("read", "write"):
            if self._due(f"{name} error"):
                self._errors[name] = 1
        self._busy = max(self._busy - 1, 0)
        beat = self._beats > 0 and rng.random() < 0.5
        if beat:
            hangs = self._plan.failure == "fetch hang"
            bits = 8 * BEAT_BYTES
            index = (HANG_BEATS if hangs else FETCH_BEATS) - self._beats
            dut.fetch_data_i.value = self.descriptor >> bits * index & (1 << bits) - 1
            self._beats -= 1
        dut.fetch_data_valid_i.value = int(beat)
        dut.progress_i.value = int(beat)
        dut.fetch_req_ready_i.value = int(rng.random() < 0.5)
        dut.result_run_ready_i.value = int(rng.random() < 0.5)
        dut.result_data_ready_i.value = int(rng.random() < 0.5)
        dut.idle_i.value = int(self._busy == 0 and self._beats == 0)
        dut.read_error_i.value = self._errors["read"]
        dut.write_error_i.value = self._errors["write"]
        dut.check_done_i.value = int(self._due("check"))
        dut.check_error_i.value = int(self._plan.code)
        dut.layer_done_i.value = sum(self._due(f"stage {s}") << s for s in range(3))
        dut.result_i.value = self._counts << 32 | int(dut.status_o.value)


async def begin(dut: Any, rng: np.random.Generator) -> Environment:
    names = (
        "start_i soft_reset_i program_address_i descriptor_count_i window_base_i "
        "window_last_i watchdog_cycles_i fetch_req_ready_i fetch_data_valid_i fetch_data_i "
        "result_run_ready_i result_data_ready_i read_error_i write_error_i progress_i "
        "check_done_i check_error_i layer_done_i result_i"
    )
    await start(dut, idle_i=1, **dict.fromkeys(names.split(), 0))
    environment = Environment(dut, rng)
    cocotb.start_soon(environment.run())
    return environment


async def launch(
    dut: Any,
    env: Environment,
    plans: list[Plan],
    watchdog: int = WATCHDOG,
    base: int | None = None,
    window: tuple[int, int] = WINDOW,
) -> None:
    """Start a program and return when it is accepted."""
    env.plans, env.window = plans, window
    env.base = WINDOW[0] + 256 * int(env.rng.integers(1000)) if base is None else base
    dut.program_address_i.value = env.base
    dut.descriptor_count_i.value = len(plans)
    dut.window_base_i.value, dut.window_last_i.value = window
    dut.watchdog_cycles_i.value = watchdog
    while True:
        await ReadOnly()
        idle = bool(dut.idle_o.value)
        await RisingEdge(dut.clk_i)
        if idle:
            break
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    for name in ("program_address_i", "descriptor_count_i", "window_base_i", "window_last_i"):
        getattr(dut, name).value = 0  # the module keeps its own copy


async def wait_done(dut: Any, limit: int) -> int:
    for cycle in range(limit):
        await ReadOnly()
        if dut.done_o.value:
            await RisingEdge(dut.clk_i)
            return cycle
        await RisingEdge(dut.clk_i)
    raise AssertionError(f"not done after {limit} cycles")


def expect(env: Environment, plans: list[Plan]) -> None:
    """Compare how a run ended with its plans."""
    dut = env.dut
    status, results, completed = Error.OK, [], 0
    for index, plan in enumerate(plans):
        status = plan.code if plan.failure == "check" else FAILURES.get(plan.failure, Error.OK)
        address = env.base + 256 * index + 192
        if plan.failure.startswith("result"):
            results.append((address, int(Error.OK)))
        elif plan.drains or plan.failure == "check":
            results.append((address, int(status)))
        if status is not Error.OK:
            break
        completed += 1
    assert int(dut.status_o.value) == status, plans
    assert int(dut.completed_o.value) == completed
    assert env.results == results, plans
    assert env.fetched == [env.base + 256 * i for i in range(min(completed + 1, len(plans)))]
    assert env.dones == 1


def draw(rng: np.random.Generator, failure: str) -> list[Plan]:
    codes = [c for c in Error if Error.OK < c <= Error.BAD_ADDRESS]
    code = Error(int(rng.choice(codes))) if failure == "check" else Error.OK
    drains = "hang" not in failure or bool(rng.random() < 0.5)
    good = [Plan() for _ in range(int(rng.integers(4)))]
    return good if failure == "none" else [*good, Plan(failure, code, drains), Plan()]


@cocotb.test()
async def runs_end_as_planned(dut: Any) -> None:
    rng = seeded("runs_end_as_planned")
    env = await begin(dut, rng)
    for _ in range(25):
        for failure in ["none", *FAILURES]:
            plans = draw(rng, failure)
            await launch(dut, env, plans)
            took = await wait_done(dut, 20 * DELAY * (len(plans) + 1) + 4 * WATCHDOG)
            await RisingEdge(dut.clk_i)
            expect(env, plans)
            for _ in range(2 * DELAY):
                assert dut.done_o.value == 0
                assert dut.layer_rst_no.value == 0
                assert int(dut.cycles_o.value) == took + 1
                await RisingEdge(dut.clk_i)
            # Idle, unless the memory still owes responses.
            assert dut.idle_o.value == int(all(plan.drains for plan in plans))
            env.reset()


@cocotb.test()
async def bad_program_address(dut: Any) -> None:
    """Misaligned, below or beyond the window, beyond 32 bits: no memory access at all."""
    rng = seeded("bad_program_address")
    env = await begin(dut, rng)
    first, last = WINDOW
    for base in (first + 8, first + 128, first - 256, last + 1, first + (1 << 32), 1 << 63):
        await launch(dut, env, [Plan()], base=base)
        await wait_done(dut, 10)
        assert int(dut.status_o.value) == Error.BAD_ADDRESS
        assert int(dut.completed_o.value) == 0
        assert env.fetched == []
        await launch(dut, env, [Plan()])
        await wait_done(dut, 100 * DELAY)
        env.reset()
    # The second descriptor ends on the last byte of the window, or one beyond.
    for last, completed in ((first + 511, 2), (first + 510, 1)):
        await launch(dut, env, [Plan(), Plan()], base=first, window=(first, last))
        await wait_done(dut, 100 * DELAY)
        assert int(dut.status_o.value) == (Error.OK if completed == 2 else Error.BAD_ADDRESS)
        assert int(dut.completed_o.value) == completed == len(env.results)
        env.reset()


@cocotb.test()
async def soft_reset_at_any_time(dut: Any) -> None:
    rng = seeded("soft_reset_at_any_time")
    env = await begin(dut, rng)
    for _ in range(200):
        failure = ["none", *FAILURES][rng.integers(len(FAILURES) + 1)]
        await launch(dut, env, [*draw(rng, failure), Plan()])
        await cycles(dut, int(rng.integers(1, 150)))
        dut.soft_reset_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.soft_reset_i.value = 0
        dones = env.dones
        await cycles(dut, 2 * DELAY)
        assert env.dones == dones, "a soft reset must not report done"
        assert dut.layer_rst_no.value == 0
        env.reset()
        await launch(dut, env, [Plan(), Plan()])
        await wait_done(dut, 100 * DELAY)
        expect(env, [Plan(), Plan()])
        env.reset()


@cocotb.test()
async def watchdog_off(dut: Any) -> None:
    """With watchdog 0 a run waits for ever, and a soft reset ends it."""
    env = await begin(dut, seeded("watchdog_off"))
    await launch(dut, env, [Plan("layer hang")], watchdog=0)
    await cycles(dut, 20 * WATCHDOG)
    assert dut.idle_o.value == 0
    dut.soft_reset_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.soft_reset_i.value = 0
    await cycles(dut, 2 * DELAY)
    assert dut.idle_o.value == 1
    assert env.dones == 0
