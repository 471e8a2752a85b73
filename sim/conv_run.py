# SPDX-License-Identifier: Apache-2.0
"""conv_run in an environment that plays conv_fetch, memory masters, stages and conv_report.

A plan says what happens to each descriptor; from it, and from how many layers were complete when it
happened, follows how the run ends and which result blocks are written. Every run is followed by
others.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, seeded, start
from lineconv.regs import Error

CONFIGURATIONS = [{"Stages": 3}]

STAGES = 3
WATCHDOG = 60
DELAY = 12  # longest that the environment takes for anything by itself
FOREVER = 1 << 30
# What can go wrong, where, and what the run reports.
FAILURES = {
    "check": Error.OK,  # stands for the code that comes with the plan
    "address": Error.BAD_ADDRESS,
    "fetch read error": Error.READ_ERROR,
    "fetch hang": Error.WATCHDOG,
    "layer read error": Error.READ_ERROR,
    "layer write error": Error.WRITE_ERROR,
    "layer hang": Error.WATCHDOG,
    "result write error": Error.WRITE_ERROR,
    "result hang": Error.WATCHDOG,
}
INPUTS = (
    "start_i soft_reset_i descriptor_count_i watchdog_cycles_i next_valid_i next_error_i "
    "next_address_i next_legal_i next_layer_i read_error_i write_error_i progress_i "
    "layer_done_i report_busy_i"
)


@dataclass(frozen=True)
class Plan:
    """What happens to one descriptor."""

    failure: str = "none"
    code: Error = Error.OK  # of the check
    drains: bool = True  # whether the masters come to rest after an abort


class Environment:
    """Answers the module cycle by cycle; `reports` collects (address, status) of the blocks."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.plans: list[Plan] = []
        self.base = 0
        self.reports: list[tuple[int, int]] = []
        self.aborts = self.dones = 0
        self._events: dict[str, int] = {}  # name of a pulse -> cycles until it comes
        self._busy = {"read": 0, "write": 0, "report": 0}  # cycles until idle
        self._stuck = False
        self._errors = {"read": 0, "write": 0}
        self._offering = False
        self._index = 0  # of the front
        self._layers: list[int] = []
        self._running: int | None = None
        self._stages_left = 0

    def begin(self, plans: list[Plan]) -> None:
        """A program; what was collected is forgotten, a stuck memory answers at last."""
        self.plans = plans
        self.base = 256 * int(self.rng.integers(1 << 23))
        bits = len(self.dut.next_layer_i)
        self._layers = [int.from_bytes(self.rng.bytes(bits // 8), "little") for _ in plans]
        self.reports = []
        self.aborts = self.dones = self._index = 0

    def release(self) -> None:
        """A memory that was stuck answers."""
        if self._stuck:
            self._stuck = False
            self._busy = dict.fromkeys(self._busy, 5)

    def fetch(self) -> None:
        """The front turns to the descriptor at _index."""
        if self._index >= len(self.plans):
            return
        failure = self.plans[self._index].failure
        if failure == "fetch hang":
            self._busy["read"], self._stuck = FOREVER, True
        elif failure == "fetch read error":
            self._later("read error")
        else:
            self._later("offer")

    @property
    def next_address(self) -> int:
        return (self.base + 256 * self._index) % (1 << 32)

    def _plan(self) -> Plan:
        """That of the descriptor at which the front is."""
        return self.plans[self._index] if self._index < len(self.plans) else Plan()

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
            assert dut.soft_reset_i.value or not self._busy["report"], "drops a result block"
            self.aborts += 1
            self._errors = dict.fromkeys(self._errors, 0)
            self._events.clear()
            self._offering, self._running = False, None
            drains = all(plan.drains for plan in self.plans)
            self._stuck = self._stuck and not drains
            rest = FOREVER if self._stuck else int(self.rng.integers(1, DELAY))
            self._busy = {"read": rest, "write": rest, "report": 0}
            return
        if dut.report_start_o.value:
            self._report()
        if self._offering and dut.next_ready_o.value:
            self._offering = False
            if self._plan().failure not in ("check", "address"):
                self._events["front"] = 2
        if dut.layer_start_o.value:
            self._start_layer()
        if self._running is not None:
            assert int(dut.layer_o.value) == self._layers[self._running]
            assert dut.stages_rst_no.value == 1

    def _start_layer(self) -> None:
        assert self._running is None, "the layer before is not complete"
        self._running = len(self.reports)
        plan = self.plans[self._running]
        self._stages_left = STAGES
        for stage in range(STAGES):
            if plan.failure != "layer hang" or stage != 1:
                self._later(f"stage {stage}")
        # What the layer writes is acknowledged before or after its stages are done.
        self._busy["write"] = max(self._busy["write"], int(self.rng.integers(2 * DELAY)))
        if plan.failure in ("layer read error", "layer write error"):
            del self._events["stage 1"]
            self._later(plan.failure.removeprefix("layer "))
        self._stuck = self._stuck or plan.failure == "layer hang"

    def _report(self) -> None:
        status = int(self.dut.status_o.value)
        assert not any(self._busy[name] for name in ("write", "report"))
        if status == Error.OK:
            assert self._running == len(self.reports)
            assert self._stages_left == 0, "a stage is not done"
            self._running = None
        self.reports.append((int(self.dut.report_address_o.value), status))
        self._busy["report"] = int(self.rng.integers(1, 8))
        self._busy["write"] = self._busy["report"] + int(self.rng.integers(1, DELAY))
        failure = self.plans[len(self.reports) - 1].failure
        if failure == "result write error":  # comes with the acknowledgement
            self._later("write error")
            self._busy["write"] = self._busy["report"] + DELAY
        if failure == "result hang":
            self._busy["write"], self._stuck = FOREVER, True

    def _drive(self) -> None:
        dut, rng = self.dut, self.rng
        for name in self._errors:
            self._errors[name] |= int(self._due(f"{name} error"))
        for name in self._busy:
            self._busy[name] = max(self._busy[name] - 1, 0)
        if self._running is not None and not self._stuck and rng.random() < 0.1:
            # The loaders read ahead while a layer runs.
            self._busy["read"] = int(rng.integers(1, 5))
        if self._due("front"):
            self._index += 1
            self.fetch()
        if self._due("offer"):
            self._offering = True
        plan = self._plan()
        dut.next_valid_i.value = int(self._offering)
        error = {"check": plan.code, "address": Error.BAD_ADDRESS}.get(plan.failure, Error.OK)
        dut.next_error_i.value = error
        dut.next_address_i.value = self.next_address
        dut.next_legal_i.value = int(plan.failure != "address")
        layers = self._layers
        dut.next_layer_i.value = layers[self._index] if self._index < len(layers) else 0
        done = [self._due(f"stage {stage}") for stage in range(STAGES)]
        self._stages_left -= sum(done)
        dut.layer_done_i.value = sum(bit << stage for stage, bit in enumerate(done))
        dut.progress_i.value = int(any(done))
        dut.write_idle_i.value = int(not self._busy["write"])
        dut.idle_i.value = int(not self._busy["write"] and not self._busy["read"])
        dut.report_busy_i.value = int(self._busy["report"] > 0)
        dut.read_error_i.value = self._errors["read"]
        dut.write_error_i.value = self._errors["write"]


async def begin(dut: Any, rng: np.random.Generator) -> Environment:
    await start(dut, idle_i=1, write_idle_i=1, **dict.fromkeys(INPUTS.split(), 0))
    environment = Environment(dut, rng)
    cocotb.start_soon(environment.run())
    return environment


async def launch(dut: Any, env: Environment, plans: list[Plan], watchdog: int = WATCHDOG) -> None:
    """Start a program as soon as the module is idle."""
    env.release()
    while True:
        await ReadOnly()
        idle = bool(dut.idle_o.value)
        await RisingEdge(dut.clk_i)
        if idle:
            break
    env.begin(plans)
    env.fetch()
    dut.descriptor_count_i.value = len(plans)
    dut.watchdog_cycles_i.value = watchdog
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    dut.descriptor_count_i.value = dut.watchdog_cycles_i.value = 0  # taken with the start


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
    dut, count = env.dut, len(plans)
    index = next((i for i, plan in enumerate(plans) if plan.failure != "none"), count)
    good = [report for report in env.reports if report[1] == Error.OK]
    complete, where = len(good), f"{plans}, reports {env.reports}"
    assert env.dones == 1
    if index == count:
        assert int(dut.status_o.value) == Error.OK, where
        assert int(dut.completed_o.value) == complete == count, where
        assert env.reports == good
        assert env.aborts == 0
    else:
        plan = plans[index]
        status = plan.code if plan.failure == "check" else FAILURES[plan.failure]
        # What fails while a layer runs counts for that layer, whatever it belongs to.
        allowed = {
            "fetch": {max(index - 1, 0), index},
            "result": {index + 1},
        }.get(plan.failure.split()[0], {index})
        assert complete in allowed, where
        assert int(dut.status_o.value) == status, where
        assert int(dut.completed_o.value) == min(complete, count - 1), where
        owed = complete < count and plan.failure != "address" and plan.drains
        if plan.failure == "result write error" and complete < count:
            owed = plans[complete].failure != "address"
        blocks = complete + owed
        assert [status for _, status in env.reports] == [Error.OK] * complete + [status] * owed
        assert len(env.reports) == blocks, where
    addresses = [(env.base + 256 * i) % (1 << 32) for i in range(len(env.reports))]
    assert [address for address, _ in env.reports] == addresses


def draw(rng: np.random.Generator, failure: str) -> list[Plan]:
    good = [Plan() for _ in range(int(rng.integers(4)))]
    if failure == "none":
        return good
    codes = [c for c in Error if Error.OK < c <= Error.BAD_ADDRESS]
    code = Error(int(rng.choice(codes))) if failure == "check" else Error.OK
    drains = "hang" not in failure or bool(rng.random() < 0.5)
    return [*good, Plan(failure, code, drains), *[Plan() for _ in range(int(rng.integers(3)))]]


@cocotb.test()
async def runs_end_as_planned(dut: Any) -> None:
    rng = seeded("runs_end_as_planned")
    env = await begin(dut, rng)
    for _ in range(40):
        for failure in ["none", *FAILURES]:
            plans = draw(rng, failure)
            await launch(dut, env, plans)
            took = await wait_done(dut, 20 * DELAY * (len(plans) + 1) + 4 * WATCHDOG)
            await RisingEdge(dut.clk_i)
            expect(env, plans)
            for _ in range(2 * DELAY):
                assert dut.done_o.value == 0
                assert dut.stages_rst_no.value == 0
                assert int(dut.cycles_o.value) == took + 1
                await RisingEdge(dut.clk_i)
            # Idle, unless the memory still owes responses.
            assert dut.idle_o.value == int(all(plan.drains for plan in plans))


@cocotb.test()
async def layers_follow_at_once(dut: Any) -> None:
    """The layer after a complete one starts two cycles later, though its block is not written."""
    rng = seeded("layers_follow_at_once")
    env = await begin(dut, rng)
    await launch(dut, env, [Plan() for _ in range(30)])
    reported = -100
    gaps = []
    for cycle in range(30 * 4 * DELAY):
        await ReadOnly()
        if dut.report_start_o.value:
            reported = cycle
        if dut.layer_start_o.value and reported >= 0:
            gaps.append(cycle - reported)
        done = bool(dut.done_o.value)
        await RisingEdge(dut.clk_i)
        if done:
            break
    assert len(gaps) == 29
    assert min(gaps) == 2  # the offer was there before
    assert max(gaps) <= 2 + DELAY + 2  # the front of this bench needs a while


@cocotb.test()
async def soft_reset_at_any_time(dut: Any) -> None:
    rng = seeded("soft_reset_at_any_time")
    env = await begin(dut, rng)
    for _ in range(200):
        failure = ["none", *FAILURES][rng.integers(len(FAILURES) + 1)]
        plans = [*draw(rng, failure), Plan()]
        await launch(dut, env, [replace(plan, drains=True) for plan in plans])
        await cycles(dut, int(rng.integers(1, 150)))
        dut.soft_reset_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.soft_reset_i.value = 0
        dones = env.dones
        await cycles(dut, 2 * DELAY)
        assert env.dones == dones, "a soft reset must not report done"
        assert dut.stages_rst_no.value == 0
        await launch(dut, env, [Plan(), Plan()])
        await wait_done(dut, 100 * DELAY)
        expect(env, [Plan(), Plan()])


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
