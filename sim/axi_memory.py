# SPDX-License-Identifier: Apache-2.0
"""AXI4 memory behind the plain ports of conv_read_master and conv_write_master.

It answers in order after a fixed latency, stalls each channel at random, returns error responses
on request, and holds the master to the rules: VALID and payload stay until READY, bursts of at
most 16 beats within 4 KB, WLAST on the last beat, never more bursts in flight than allowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from numpy.typing import NDArray

from bench import BEAT_BYTES, stalls

BURST_BEATS = 16
BOUNDARY = 4096
OKAY, SLVERR, DECERR = 0, 2, 3

Memory = NDArray[np.uint8]
Burst = tuple[int, int]  # byte address, beats
Request = tuple[int, int]  # the same, before the split


@dataclass
class Behaviour:
    """How the memory answers; a stall is a probability per cycle."""

    latency: int = 1  # cycles from an address (read) or the last data beat (write) to the answer
    address_stall: float = 0.0
    data_stall: float = 0.0
    response_stall: float = 0.0
    order: str = "any"  # a write memory may want all data first ("data") or "address" first
    response: Callable[[int], int] = field(default=lambda address: OKAY)


class Channel:
    """A channel whose VALID the module drives, sampled once per cycle."""

    def __init__(self, dut: Any, name: str, payload: list[str]) -> None:
        self._dut, self._name = dut, name
        self._valid = getattr(dut, f"axi_{name}_valid_o")
        self._ready = getattr(dut, f"axi_{name}_ready_i")
        self._payload = [getattr(dut, f"axi_{name}_{item}_o") for item in payload]
        self._waiting: tuple[int, ...] | None = None
        self.valid = False

    def drive(self, ready: bool) -> None:
        self._ready.value = int(ready)

    def sample(self) -> tuple[int, ...] | None:
        """Payload of the transfer that this cycle ends with, if any; call after ReadOnly()."""
        self.valid = self._valid.value == 1
        if self._dut.rst_ni.value == 0:
            self._waiting = None
            return None
        value = tuple(int(port.value) for port in self._payload) if self.valid else None
        if self._waiting is not None:
            assert value == self._waiting, f"{self._name}: {self._waiting} became {value}"
        ready = self._ready.value == 1
        self._waiting = None if ready else value
        return value if ready else None


def checked_burst(address: int, length: int) -> Burst:
    """The burst of an address transfer, if it is a legal one."""
    beats = length + 1
    assert address % BEAT_BYTES == 0, f"{address:#x} is not aligned"
    assert beats <= BURST_BEATS, f"{beats} beats at {address:#x}"
    assert address % BOUNDARY + beats * BEAT_BYTES <= BOUNDARY, f"{address:#x}+{beats} over 4 KB"
    return address, beats


class ReadMemory:
    """Serves AR and R from `memory`."""

    def __init__(
        self,
        dut: Any,
        memory: Memory,
        rng: np.random.Generator,
        behaviour: Behaviour,
        outstanding: int,
    ) -> None:
        self._dut, self._memory, self._rng = dut, memory, rng
        self._behaviour, self._outstanding = behaviour, outstanding
        self._ar = Channel(dut, "ar", ["addr", "len"])
        self._beats: deque[tuple[int, int, bool]] = deque()  # due cycle, address, last
        self.in_flight = 0
        self.bursts: list[Burst] = []
        self.beat_cycles: list[int] = []  # when each data beat was transferred
        dut.axi_r_valid_i.value = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut, behaviour = self._dut, self._behaviour
        address_stall = stalls(self._rng, behaviour.address_stall)
        data_stall = stalls(self._rng, behaviour.data_stall)
        cycle = 0
        while True:
            self._ar.drive(not next(address_stall))
            sends = bool(self._beats) and self._beats[0][0] <= cycle and not next(data_stall)
            if sends:
                _, address, last = self._beats.popleft()
                word = self._memory[address : address + BEAT_BYTES]
                dut.axi_r_data_i.value = int.from_bytes(word.tobytes(), "little")
                dut.axi_r_resp_i.value = behaviour.response(address)
                dut.axi_r_last_i.value = int(last)
                self.beat_cycles.append(cycle)
            else:  # what the data channel carries now must not matter
                dut.axi_r_data_i.value = int.from_bytes(self._rng.bytes(BEAT_BYTES), "little")
                dut.axi_r_resp_i.value = SLVERR
                dut.axi_r_last_i.value = 1
            dut.axi_r_valid_i.value = int(sends)
            await ReadOnly()
            assert dut.axi_r_ready_o.value == 1
            transfer = self._ar.sample()
            if transfer is not None:
                address, beats = checked_burst(*transfer)
                self.bursts.append((address, beats))
                self.in_flight += 1
                for beat in range(beats):
                    where = address + beat * BEAT_BYTES
                    self._beats.append((cycle + behaviour.latency, where, beat == beats - 1))
            assert self.in_flight <= self._outstanding
            self.in_flight -= int(sends and last)
            await RisingEdge(dut.clk_i)
            cycle += 1


class WriteMemory:
    """Takes AW and W into `memory`, answers on B; what was written can be read from then on."""

    def __init__(
        self,
        dut: Any,
        memory: Memory,
        rng: np.random.Generator,
        behaviour: Behaviour,
        outstanding: int,
    ) -> None:
        self._dut, self._memory, self._rng = dut, memory, rng
        self._behaviour, self._outstanding = behaviour, outstanding
        self._aw = Channel(dut, "aw", ["addr", "len"])
        self._w = Channel(dut, "w", ["data", "strb", "last"])
        self._addresses: deque[Burst] = deque()  # accepted, data not complete
        self._data: list[tuple[int, int]] = []  # of the burst that is coming
        self._complete: deque[list[tuple[int, int]]] = deque()  # data of bursts without address
        # Due cycle, response, and what it makes visible: address, data, strobe of each beat.
        self._responses: deque[tuple[int, int, list[tuple[int, int, int]]]] = deque()
        self.in_flight = 0  # addresses without response
        self.bursts: list[Burst] = []
        self.beat_cycles: list[int] = []
        dut.axi_b_valid_i.value = 0
        cocotb.start_soon(self._run())

    @property
    def settled(self) -> bool:
        """Every address has got its data and its response, and there is no other data."""
        return not (self.in_flight or self._complete or self._data)

    async def _run(self) -> None:
        dut, behaviour = self._dut, self._behaviour
        address_stall = stalls(self._rng, behaviour.address_stall)
        data_stall = stalls(self._rng, behaviour.data_stall)
        response_stall = stalls(self._rng, behaviour.response_stall)
        cycle = 0
        while True:
            takes_address = behaviour.order != "data" or bool(self._complete)
            takes_data = behaviour.order != "address" or bool(self._addresses)
            self._aw.drive(takes_address and not next(address_stall))
            self._w.drive(takes_data and not next(data_stall))
            answers = bool(self._responses) and self._responses[0][0] <= cycle
            answers = answers and not next(response_stall)
            dut.axi_b_valid_i.value = int(answers)
            dut.axi_b_resp_i.value = self._answer() if answers else SLVERR
            await ReadOnly()
            assert dut.axi_b_ready_o.value == 1
            self._take_address(self._aw.sample())
            self._take_data(self._w.sample(), cycle)
            if self._addresses and self._complete:
                self._write(*self._addresses.popleft(), self._complete.popleft(), cycle)
            assert self.in_flight <= self._outstanding
            self.in_flight -= int(answers)
            await RisingEdge(dut.clk_i)
            cycle += 1

    def _take_address(self, transfer: tuple[int, ...] | None) -> None:
        if transfer is not None:
            self._addresses.append(checked_burst(*transfer))
            self.bursts.append(self._addresses[-1])
            self.in_flight += 1

    def _take_data(self, transfer: tuple[int, ...] | None, cycle: int) -> None:
        assert self._w.valid or not self._data, "W waits inside a burst"
        if transfer is not None:
            data, strobe, last = transfer
            self.beat_cycles.append(cycle)
            self._data.append((data, strobe))
            if last:
                self._complete.append(self._data)
                self._data = []

    def _write(self, address: int, beats: int, data: list[tuple[int, int]], cycle: int) -> None:
        assert len(data) == beats, f"WLAST at beat {len(data)} of {beats}"
        stores = [(address + i * BEAT_BYTES, *item) for i, item in enumerate(data)]
        due = cycle + self._behaviour.latency
        self._responses.append((due, self._behaviour.response(address), stores))

    def _answer(self) -> int:
        _, response, stores = self._responses.popleft()
        for address, value, strobe in stores:
            store(self._memory, address, value, strobe)
        return response


async def wait_idle(dut: Any, limit: int = 100_000) -> None:
    """Wait for a cycle in which idle_o is 1; fails after `limit` cycles."""
    for _ in range(limit):
        await ReadOnly()
        idle = dut.idle_o.value == 1
        await RisingEdge(dut.clk_i)
        if idle:
            return
    raise AssertionError(f"not idle after {limit} cycles")


def store(memory: Memory, address: int, value: int, strobe: int) -> None:
    """Write the bytes of one beat whose strobe bit is set."""
    for lane in range(BEAT_BYTES):
        if strobe >> lane & 1:
            memory[address + lane] = value >> 8 * lane & 0xFF


def random_requests(rng: np.random.Generator, count: int, memory_bytes: int) -> list[Request]:
    """Requests inside the memory, with many short ones and many near a 4 KB boundary."""
    requests = []
    for _ in range(count):
        beats = int(rng.choice([1, 2, 16, 17, rng.integers(1, 34), rng.integers(1, 200)]))
        last = memory_bytes - beats * BEAT_BYTES
        address = int(rng.integers(last // BEAT_BYTES + 1)) * BEAT_BYTES
        if rng.random() < 0.5:
            boundary = BOUNDARY * int(rng.integers(1, memory_bytes // BOUNDARY))
            address = min(boundary - BEAT_BYTES * int(rng.integers(20)), last)
        requests.append((address, beats))
    return requests


def boundary_requests() -> list[Request]:
    """Every alignment to a burst, before and over a 4 KB boundary, with the corner lengths."""
    return [
        (2 * BOUNDARY - before * BEAT_BYTES, beats)
        for before in range(BURST_BEATS + 1)
        for beats in (1, 2, 15, 16, 17, 33)
    ]


def beat_addresses(transfers: list[Request]) -> list[int]:
    """Address of every beat, in order: equal for requests and the bursts that serve them."""
    return [address + beat * BEAT_BYTES for address, beats in transfers for beat in range(beats)]
