# SPDX-License-Identifier: Apache-2.0
"""conv_burst_split: the exact bursts of every request, under stalls; throughput; flush."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from axi_memory import (
    BURST_BEATS,
    Request,
    boundary_requests,
    checked_burst,
    random_requests,
)
from bench import BEAT_BYTES, STALLS, Sink, Source, cycles, seeded, stalls, start

CONFIGURATIONS = [{}, {"BeatBytes": 16}]  # type: list[dict[str, int]]

REQUEST = ("req_valid_i", "req_ready_o", ["req_address_i", "req_beats_i"])
BURST = ("burst_valid_o", "burst_ready_i", ["burst_address_o", "burst_len_o", "burst_last_o"])


def expected(requests: list[Request]) -> list[tuple[int, int, int]]:
    """(address, length, last) of the bursts: each ends where its block of 16 beats ends."""
    bursts = []
    for address, beats in requests:
        while beats:
            room = BURST_BEATS - address // BEAT_BYTES % BURST_BEATS
            taken = min(room, beats)
            checked_burst(address, taken - 1)
            bursts.append((address, taken - 1, int(taken == beats)))
            address += taken * BEAT_BYTES
            beats -= taken
    return bursts


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def split(dut: Any, stall: tuple[float, float]) -> None:
    """Corner alignments and lengths, random requests, the largest and the last one in memory."""
    rng = seeded(f"split {stall}")
    await start(dut, flush_i=0, req_address_i=0, req_beats_i=1)
    source = Source(dut, *REQUEST, stalls(rng, stall[0]))
    sink = Sink(dut, *BURST, stalls(rng, stall[1]))
    requests = boundary_requests() + random_requests(rng, 200, 1 << 32)
    requests.append(((1 << 32) - 40 * BEAT_BYTES, 40))
    await source.send(requests)
    bursts = expected(requests)
    assert await sink.wait(len(bursts)) == bursts
    await cycles(dut, 20)
    assert len(sink.received) == len(bursts)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def largest(dut: Any) -> None:
    """The first thousand bursts of the largest request, whose count of blocks takes every bit."""
    rng = seeded("largest")
    await start(dut, flush_i=0)
    source = Source(dut, *REQUEST, stalls(rng, 0))
    sink = Sink(dut, *BURST, stalls(rng, 0))
    first = 15 * BEAT_BYTES
    await source.send([(first, (1 << 24) - 1)])
    bursts = expected([(first, 1 + 1000 * BURST_BEATS)])[:1000]
    assert (await sink.wait(1000))[:1000] == bursts


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def throughput(dut: Any) -> None:
    """One burst per cycle, also from request to request."""
    rng = seeded("throughput")
    await start(dut, flush_i=0)
    source = Source(dut, *REQUEST, stalls(rng, 0))
    sink = Sink(dut, *BURST, stalls(rng, 0))
    requests = [
        (BEAT_BYTES * first, beats)
        for first, beats in ((0, 1), (1, 1), (15, 2), (0, 48), (8, 16), (0, 1))
    ]
    bursts = expected(requests)
    cocotb.start_soon(source.send(requests))
    await cycles(dut, len(bursts) + 1)  # one of latency
    await ReadOnly()
    assert sink.received == bursts


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def flush(dut: Any) -> None:
    """A flush drops the rest of a request; the next request is whole."""
    rng = seeded("flush")
    await start(dut, flush_i=0)
    source = Source(dut, *REQUEST, stalls(rng, 0))
    sink = Sink(dut, *BURST, stalls(rng, 0))
    for length in range(1, 8):
        await source.send([(0, 10 * BURST_BEATS)])
        await cycles(dut, length)
        dut.flush_i.value = 1
        await cycles(dut, 1)
        dut.flush_i.value = 0
        await ReadOnly()
        assert dut.burst_valid_o.value == 0
        await RisingEdge(dut.clk_i)
        sink.received.clear()
        await source.send([(BEAT_BYTES, 20)])
        bursts = expected([(BEAT_BYTES, 20)])
        assert await sink.wait(len(bursts)) == bursts
        sink.received.clear()
