# SPDX-License-Identifier: Apache-2.0
"""conv_read_share: two clients on a master with latency; each gets its own data, all in order."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded, stalls, start

CONFIGURATIONS = [{"MaxRequests": 2}, {"MaxRequests": 16}]
MAX_REQUESTS = parameters(CONFIGURATIONS)["MaxRequests"]
INPUTS = ["abort_i", "req_valid_i", "req_address_i", "req_beats_i"]
INPUTS += ["req_ready_i", "data_valid_i", "data_last_i"]
Request = tuple[int, int]  # address, beats


class Master:
    """Clients, master and checks; one step per cycle."""

    def __init__(self, dut: Any, rng: Any, stall: tuple[float, float, float]) -> None:
        self._dut, self._rng = dut, rng
        self._stall_client, self._stall_master, self._stall_data = (
            stalls(rng, probability) for probability in stall
        )
        self._offers: list[Request | None] = [None, None]
        self._beats: deque[tuple[int, int, bool]] = deque()  # due cycle, client, last
        self._cycle = 0
        self.requests = [0, 0]
        self.beats = [0, 0]
        self.most = 0  # requests under way

    async def step(self, abort: bool = False) -> None:
        dut, rng = self._dut, self._rng
        for client in range(2):
            if self._offers[client] is None and not next(self._stall_client):
                self._offers[client] = int(rng.integers(1 << 32)), int(rng.integers(1, 9))
        offers = [offer or (0, 0) for offer in self._offers]
        valid = sum((offer is not None) << client for client, offer in enumerate(self._offers))
        ready = not abort and not next(self._stall_master)
        sends = bool(self._beats) and self._beats[0][0] <= self._cycle
        sends = sends and not next(self._stall_data)
        dut.abort_i.value, dut.req_ready_i.value = int(abort), int(ready)
        dut.req_valid_i.value = valid
        dut.req_address_i.value = offers[1][0] << 32 | offers[0][0]
        dut.req_beats_i.value = offers[1][1] << 24 | offers[0][1]
        dut.data_valid_i.value = int(sends)
        dut.data_last_i.value = int(self._beats[0][2] if sends else rng.integers(2))
        await ReadOnly()
        owner = 0
        if sends:
            _, client, _ = self._beats.popleft()
            self.beats[client] += 1
            owner = 1 << client
        assert int(dut.data_valid_o.value) == owner
        self._take(int(dut.req_ready_o.value) & valid, ready)
        if abort:
            self._beats.clear()
        await RisingEdge(dut.clk_i)
        self._cycle += 1

    def _take(self, taken: int, ready: bool) -> None:
        dut = self._dut
        assert bool(taken) == (ready and dut.req_valid_o.value == 1)
        if not taken:
            return
        client = 0 if self._offers[0] is not None else 1
        assert taken == 1 << client, "client 0 comes first"
        offer = self._offers[client]
        assert offer == (int(dut.req_address_o.value), int(dut.req_beats_o.value))
        assert offer is not None
        self._offers[client] = None
        self.requests[client] += 1
        due = self._cycle + int(self._rng.integers(1, 20))
        self._beats.extend((due, client, i == offer[1] - 1) for i in range(offer[1]))
        under_way = sum(last for _, _, last in self._beats)
        assert under_way <= MAX_REQUESTS
        self.most = max(self.most, under_way)


@cocotb.test()
@cocotb.parametrize(stall=[(0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.5, 0.5, 0.5), (0.0, 0.0, 0.9)])
async def own_data(dut: Any, stall: tuple[float, float, float]) -> None:
    """Owners of all beats, order and priority of requests, room in the queue."""
    rng = seeded(f"own_data {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    master = Master(dut, rng, stall)
    for _ in range(3000):
        await master.step()
    assert min(master.beats) > 0 or stall[0] == 0.0  # without a pause client 0 is always first
    assert master.most >= min(MAX_REQUESTS, 2)


@cocotb.test()
async def abort(dut: Any) -> None:
    """What was under way is forgotten, and the next data go to those who ask next."""
    rng = seeded("abort")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    master = Master(dut, rng, (0.5, 0.2, 0.3))
    for _ in range(100):
        for _ in range(int(rng.integers(1, 40))):
            await master.step()
        await master.step(abort=True)
    assert min(master.requests) > 0
