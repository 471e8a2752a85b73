# SPDX-License-Identifier: Apache-2.0
"""conv_read_master: data and request ends under stalls, throughput, errors, abort."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from axi_memory import (
    BOUNDARY,
    DECERR,
    OKAY,
    SLVERR,
    Behaviour,
    Memory,
    ReadMemory,
    Request,
    beat_addresses,
    boundary_requests,
    random_requests,
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
    "stalls": Behaviour(latency=3, address_stall=0.5, data_stall=0.5),
    "slow_address": Behaviour(latency=3, address_stall=0.95),
    "slow_data": Behaviour(latency=12, data_stall=0.8),
}


class Bench:
    """The module between a request source and a memory; collects (data, last) of every beat."""

    def __init__(self, dut: Any, rng: np.random.Generator, behaviour: Behaviour) -> None:
        self.dut = dut
        self.memory: Memory = rng.integers(0, 256, MEMORY_BYTES, np.uint8)
        self.axi = ReadMemory(dut, self.memory, rng, behaviour, OUTSTANDING)
        self.received: list[tuple[int, int]] = []
        self.requested = 0  # beats of accepted requests

    async def begin(self) -> None:
        await start(self.dut, abort_i=0, req_valid_i=0, req_address_i=0, req_beats_i=1)
        cocotb.start_soon(self._collect())

    def source(self, rng: np.random.Generator, stall: float) -> Source:
        payload = ["req_address_i", "req_beats_i"]
        return Source(self.dut, "req_valid_i", "req_ready_o", payload, stalls(rng, stall))

    async def _collect(self) -> None:
        dut = self.dut
        aborting = False
        while True:
            await ReadOnly()
            assert not (aborting and dut.error_o.value == 1)
            aborting = dut.abort_i.value == 1 or (aborting and dut.idle_o.value == 0)
            assert not (aborting and dut.req_ready_o.value == 1)
            if dut.data_valid_o.value == 1:
                self.received.append((int(dut.data_o.value), int(dut.data_last_o.value)))
            if dut.abort_i.value == 1:  # the rest does not come
                self.requested = len(self.received)
            if dut.idle_o.value == 1:
                assert len(self.received) == self.requested
                assert self.axi.in_flight == 0
                assert dut.axi_ar_valid_o.value == 0
                assert dut.data_valid_o.value == 0
            if dut.req_valid_i.value == 1 and dut.req_ready_o.value == 1:
                self.requested += int(dut.req_beats_i.value)
            await RisingEdge(dut.clk_i)

    def expected(self, requests: list[Request]) -> list[tuple[int, int]]:
        def beat_at(address: int) -> int:
            return int.from_bytes(self.memory[address : address + BEAT_BYTES].tobytes(), "little")

        return [
            (beat_at(address + BEAT_BYTES * beat), int(beat == beats - 1))
            for address, beats in requests
            for beat in range(beats)
        ]


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(behaviour=list(BEHAVIOURS), request_stall=[0.0, 0.9])
async def read(dut: Any, behaviour: str, request_stall: float) -> None:
    """Every beat of corner and random requests arrives once, in order, with its request's end."""
    rng = seeded(f"read {behaviour} {request_stall}")
    bench = Bench(dut, rng, BEHAVIOURS[behaviour])
    await bench.begin()
    requests = boundary_requests() + random_requests(rng, 50, MEMORY_BYTES)
    rng.shuffle(requests)
    await bench.source(rng, request_stall).send(requests)
    await wait_idle(dut)
    assert bench.received == bench.expected(requests)
    assert beat_addresses(bench.axi.bursts) == beat_addresses(requests)
    assert dut.error_o.value == 0


@cocotb.test(timeout_time=10, timeout_unit="ms", skip=OUTSTANDING < 8)
async def throughput(dut: Any) -> None:
    """With 30 cycles of latency the data channel never pauses after the first beat."""
    rng = seeded("throughput")
    bench = Bench(dut, rng, Behaviour(latency=30))
    await bench.begin()
    source = bench.source(rng, 0)
    streams = {
        "one long request": [(0, 2000)],
        "rows of 84 beats at any alignment": [(BEAT_BYTES * 85 * row, 84) for row in range(20)],
        "rows of 21 beats": [(BEAT_BYTES * (32 * row + 3), 21) for row in range(60)],
    }
    for name, requests in streams.items():
        bench.axi.beat_cycles.clear()
        await source.send(requests)
        await wait_idle(dut)
        beats = len(bench.axi.beat_cycles)
        taken = bench.axi.beat_cycles[-1] - bench.axi.beat_cycles[0] + 1
        dut._log.warning(
            "%s: %d beats in %d cycles, %.3f per cycle", name, beats, taken, beats / taken
        )
        assert beats == sum(count for _, count in requests)
        assert taken == beats


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(code=[SLVERR, DECERR])
async def error(dut: Any, code: int) -> None:
    """One bad beat raises error_o; it stays, data goes on, and an abort clears it for good."""
    rng = seeded(f"error {code}")
    bad = BEAT_BYTES * 100
    response = Behaviour(latency=5, response=lambda address: code if address == bad else OKAY)
    bench = Bench(dut, rng, response)
    await bench.begin()
    source = bench.source(rng, 0)
    good, failing = [(bad + BEAT_BYTES, 40), (0, 100)], [(bad - 10 * BEAT_BYTES, 60)]
    await source.send(good)
    await wait_idle(dut)
    assert dut.error_o.value == 0
    await source.send(failing)
    await wait_idle(dut)
    await source.send(good)
    await wait_idle(dut)
    assert dut.error_o.value == 1
    assert bench.received == bench.expected(good + failing + good)
    await source.send(failing)
    await cycles(dut, 4)  # the next error arrives after the abort and is not reported
    assert bench.axi.in_flight >= 2
    dut.abort_i.value = 1
    await cycles(dut, 1)
    dut.abort_i.value = 0
    await wait_idle(dut)
    assert dut.error_o.value == 0


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(behaviour=list(BEHAVIOURS))
async def abort(dut: Any, behaviour: str) -> None:
    """An abort at any moment: no more data, legal to the end, then idle and as good as new."""
    rng = seeded(f"abort {behaviour}")
    bench = Bench(dut, rng, BEHAVIOURS[behaviour])
    await bench.begin()
    source = bench.source(rng, 0.2)
    for _ in range(30):
        requests = random_requests(rng, 20, MEMORY_BYTES)
        sending = cocotb.start_soon(source.send(requests))
        await cycles(dut, int(rng.integers(1, 120)))
        sending.cancel()
        dut.req_valid_i.value = int(rng.integers(2))  # a request that is not taken any more
        dut.abort_i.value = 1
        await ReadOnly()
        offered = dut.axi_ar_valid_o.value == 1 and dut.axi_ar_ready_i.value == 0
        await RisingEdge(dut.clk_i)
        bursts = len(bench.axi.bursts) + int(offered)
        dut.req_valid_i.value = 0
        received = bench.received.copy()
        if rng.random() < 0.5:
            await wait_idle(dut)  # a level, else a pulse
        dut.abort_i.value = 0
        await wait_idle(dut)
        assert bench.received == received == bench.expected(requests)[: len(received)]
        assert len(bench.axi.bursts) == bursts
        bench.received.clear()
        bench.requested = 0
        again = random_requests(rng, 3, MEMORY_BYTES)
        await source.send(again)
        await wait_idle(dut)
        assert bench.received == bench.expected(again)
        assert dut.error_o.value == 0
        bench.received.clear()
        bench.requested = 0
