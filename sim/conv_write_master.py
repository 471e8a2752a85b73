# SPDX-License-Identifier: Apache-2.0
"""conv_write_master: memory contents under stalls and channel orders, throughput, errors, abort."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Combine, ReadOnly, RisingEdge

from axi_memory import (
    BOUNDARY,
    DECERR,
    OKAY,
    SLVERR,
    Behaviour,
    Memory,
    Request,
    WriteMemory,
    beat_addresses,
    boundary_requests,
    random_requests,
    store,
    wait_idle,
)
from bench import BEAT_BYTES, Source, cycles, parameters, seeded, stalls, start

CONFIGURATIONS = [{"MaxOutstanding": 8}, {"MaxOutstanding": 2, "BeatBytes": 16}]
PARAMETERS = parameters(CONFIGURATIONS)
OUTSTANDING = PARAMETERS["MaxOutstanding"]
MEMORY_BYTES = 8 * BOUNDARY

BEHAVIOURS = {
    "ideal": Behaviour(),
    "latency": Behaviour(latency=30),
    "stalls": Behaviour(latency=3, address_stall=0.5, data_stall=0.5, response_stall=0.5),
    "slow_address": Behaviour(latency=3, address_stall=0.95),
    "slow_data": Behaviour(data_stall=0.8),
    "slow_response": Behaviour(latency=10, response_stall=0.95),
    "address_first": Behaviour(order="address", address_stall=0.5, data_stall=0.2),
    "data_first": Behaviour(order="data", address_stall=0.5, data_stall=0.2),
}

Beat = tuple[int, int]  # data, strobe


class Bench:
    """The module between sources of runs and data and a memory; checks what it announces."""

    def __init__(self, dut: Any, rng: np.random.Generator, behaviour: Behaviour) -> None:
        self.dut, self._rng = dut, rng
        self.memory: Memory = rng.integers(0, 256, MEMORY_BYTES, np.uint8)
        self.axi = WriteMemory(dut, self.memory, rng, behaviour, OUTSTANDING)
        self.pushed = 0  # beats accepted on the data port
        self.counted = 0  # pulses of beat_o

    async def begin(self) -> None:
        await start(
            self.dut,
            abort_i=0,
            run_valid_i=0,
            run_address_i=0,
            run_beats_i=1,
            data_valid_i=0,
            data_i=0,
            strobe_i=0,
        )
        cocotb.start_soon(self._watch())

    def sources(self, run_stall: float, data_stall: float) -> tuple[Source, Source]:
        dut, rng = self.dut, self._rng
        run = ["run_address_i", "run_beats_i"]
        data = ["data_i", "strobe_i"]
        return (
            Source(dut, "run_valid_i", "run_ready_o", run, stalls(rng, run_stall)),
            Source(dut, "data_valid_i", "data_ready_o", data, stalls(rng, data_stall)),
        )

    def beats(self, runs: list[Request]) -> list[Beat]:
        """Random data for the runs; most strobes are full, as they are in an output row."""
        count = len(beat_addresses(runs))
        data = [int.from_bytes(self._rng.bytes(BEAT_BYTES), "little") for _ in range(count)]
        full = (1 << BEAT_BYTES) - 1
        strobes = np.where(
            self._rng.random(count) < 0.7, full, self._rng.integers(0, full + 1, count)
        ).tolist()
        return list(zip(data, strobes, strict=True))

    async def send(self, sources: tuple[Source, Source], runs: list[Request]) -> None:
        """Send runs with random data; check the memory when the module is idle."""
        beats = self.beats(runs)
        expected = self.memory.copy()
        for address, (data, strobe) in zip(beat_addresses(runs), beats, strict=True):
            store(expected, address, data, strobe)
        pushed, counted, bursts = self.pushed, self.counted, len(self.axi.bursts)
        await Combine(
            cocotb.start_soon(sources[0].send(runs)), cocotb.start_soon(sources[1].send(beats))
        )
        await wait_idle(self.dut)
        np.testing.assert_array_equal(self.memory, expected)
        assert self.pushed - pushed == self.counted - counted == len(beats)
        assert beat_addresses(self.axi.bursts[bursts:]) == beat_addresses(runs)

    async def _watch(self) -> None:
        dut = self.dut
        announced = 0  # beats of bursts that appeared on AW
        offered = False  # the burst on AW is not new
        aborting = False
        while True:
            await ReadOnly()
            assert not (aborting and dut.error_o.value == 1)
            aborting = dut.abort_i.value == 1 or (aborting and dut.idle_o.value == 0)
            assert not (aborting and dut.run_ready_o.value == 1)
            assert not (aborting and dut.data_ready_o.value == 1)
            if dut.axi_aw_valid_o.value == 1 and not offered:
                announced += int(dut.axi_aw_len_o.value) + 1
                assert announced <= self.pushed, "a burst before its data"
            offered = dut.axi_aw_valid_o.value == 1 and dut.axi_aw_ready_i.value == 0
            if dut.idle_o.value == 1:
                assert self.axi.settled
                assert self.pushed == announced
                assert dut.axi_aw_valid_o.value == 0
                assert dut.axi_w_valid_o.value == 0
            self.pushed += int(dut.data_valid_i.value) & int(dut.data_ready_o.value)
            self.counted += int(dut.beat_o.value)
            if dut.abort_i.value == 1:
                self.pushed = announced
            await RisingEdge(dut.clk_i)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(behaviour=list(BEHAVIOURS), source_stalls=[(0.0, 0.0), (0.9, 0.0), (0.0, 0.6)])
async def write(dut: Any, behaviour: str, source_stalls: tuple[float, float]) -> None:
    """Corner and random runs: every byte of the memory, every beat and burst once, in order."""
    rng = seeded(f"write {behaviour} {source_stalls}")
    bench = Bench(dut, rng, BEHAVIOURS[behaviour])
    await bench.begin()
    runs = boundary_requests() + random_requests(rng, 30, MEMORY_BYTES)
    rng.shuffle(runs)
    await bench.send(bench.sources(*source_stalls), runs)
    assert dut.error_o.value == 0


@cocotb.test(timeout_time=10, timeout_unit="ms", skip=OUTSTANDING < 8)
async def throughput(dut: Any) -> None:
    """With 30 cycles to the response, W never pauses after the first beat."""
    rng = seeded("throughput")
    bench = Bench(dut, rng, Behaviour(latency=30))
    await bench.begin()
    sources = bench.sources(0, 0)
    streams = {
        "one long run": [(0, 2000)],
        "rows of 84 beats at any alignment": [(BEAT_BYTES * 85 * row, 84) for row in range(20)],
        "rows of 21 beats": [(BEAT_BYTES * (32 * row + 3), 21) for row in range(60)],
    }
    for name, runs in streams.items():
        bench.axi.beat_cycles.clear()
        await bench.send(sources, runs)
        beats = len(bench.axi.beat_cycles)
        taken = bench.axi.beat_cycles[-1] - bench.axi.beat_cycles[0] + 1
        dut._log.warning(
            "%s: %d beats in %d cycles, %.3f per cycle", name, beats, taken, beats / taken
        )
        assert taken == beats


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(code=[SLVERR, DECERR])
async def error(dut: Any, code: int) -> None:
    """One bad burst raises error_o; it stays, data goes on, and an abort clears it for good."""
    rng = seeded(f"error {code}")
    bad = BEAT_BYTES * 16 * 5
    behaviour = Behaviour(latency=5, response=lambda address: code if address == bad else OKAY)
    bench = Bench(dut, rng, behaviour)
    await bench.begin()
    sources = bench.sources(0, 0)
    await bench.send(sources, [(0, 40)])
    assert dut.error_o.value == 0
    await bench.send(sources, [(bad - 10 * BEAT_BYTES, 60)])
    await bench.send(sources, [(0, 40)])
    assert dut.error_o.value == 1
    await sources[1].send(bench.beats([(bad, 1)]))
    await sources[0].send([(bad, 1)])
    await cycles(dut, 3)  # the next error arrives after the abort and is not reported
    assert not bench.axi.settled
    dut.abort_i.value = 1
    await cycles(dut, 1)
    dut.abort_i.value = 0
    await wait_idle(dut)
    assert dut.error_o.value == 0


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(behaviour=list(BEHAVIOURS))
async def abort(dut: Any, behaviour: str) -> None:
    """An abort at any moment: announced bursts are written whole, nothing else, then as new."""
    rng = seeded(f"abort {behaviour}")
    bench = Bench(dut, rng, BEHAVIOURS[behaviour])
    await bench.begin()
    sources = bench.sources(0.2, 0.2)
    for _ in range(20):
        runs = random_requests(rng, 20, MEMORY_BYTES)
        beats = bench.beats(runs)
        expected = bench.memory.copy()
        before = len(bench.axi.bursts)
        sending = [
            cocotb.start_soon(sources[0].send(runs)),
            cocotb.start_soon(sources[1].send(beats)),
        ]
        await cycles(dut, int(rng.integers(1, 150)))
        for task in sending:
            task.cancel()
        dut.run_valid_i.value = int(rng.integers(2))  # not taken any more
        dut.data_valid_i.value = int(rng.integers(2))
        dut.abort_i.value = 1
        await ReadOnly()
        offered = dut.axi_aw_valid_o.value == 1 and dut.axi_aw_ready_i.value == 0
        await RisingEdge(dut.clk_i)
        dut.run_valid_i.value = 0
        dut.data_valid_i.value = 0
        bursts = len(bench.axi.bursts) + int(offered)
        if rng.random() < 0.5:
            await wait_idle(dut)  # a level, else a pulse
        dut.abort_i.value = 0
        await wait_idle(dut)
        assert len(bench.axi.bursts) == bursts
        written = beat_addresses(bench.axi.bursts[before:])
        assert written == beat_addresses(runs)[: len(written)]
        for address, (data, strobe) in zip(written, beats, strict=False):
            store(expected, address, data, strobe)
        np.testing.assert_array_equal(bench.memory, expected)
        await bench.send(sources, random_requests(rng, 3, MEMORY_BYTES))
        assert dut.error_o.value == 0
