# SPDX-License-Identifier: Apache-2.0
"""conv_check against the host's model of the descriptor rules, in unbounded integers.

Random legal descriptors give the derived fields. From each, every field is moved towards both ends
of its type until the verdict changes; both sides of that edge are tried, so each limit is met
exactly.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

import descriptors
from bench import cycles, engine_array, parameters, seeded, start
from descriptors import MOVED, Descriptor, packed
from layer import FIELDS, derive, unpack_layer
from lineconv.regs import Error, Kind

CONFIGURATIONS = [
    {
        "InputLanes": 26,
        "OutputLanes": 16,
        "VectorLanes": 48,
        "WeightWords": 512,
        "LineBufferBeats": 16384,
    },
    {
        "InputLanes": 4,
        "OutputLanes": 8,
        "VectorLanes": 16,
        "WeightWords": 128,
        "LineBufferBeats": 512,
    },
    {
        "InputLanes": 13,
        "OutputLanes": 24,
        "VectorLanes": 40,
        "WeightWords": 100,
        "LineBufferBeats": 1000,
    },
    {
        "InputLanes": 32,
        "OutputLanes": 32,
        "VectorLanes": 96,
        "WeightWords": 512,
        "LineBufferBeats": 16384,
        "BeatBytes": 16,
    },
]

ARRAY = engine_array(parameters(CONFIGURATIONS))


def check(d: Descriptor) -> Error:
    """The verdict of the host's model of these rules."""
    return descriptors.check(d, ARRAY)


def draw(rng: np.random.Generator) -> Descriptor:
    """A random legal descriptor."""
    return descriptors.draw(rng, ARRAY)


def edges(d: Descriptor, name: str, low: int, high: int) -> list[Descriptor]:
    """`d` with a field just before and just after the verdict changes."""
    return descriptors.edges(d, (name, low, high), ARRAY)


class Tester:
    """Runs descriptors through the module and compares code and layer with the model."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self.seen = dict.fromkeys(Error, 0)
        self.kinds = dict.fromkeys(Kind, 0)  # of those that are legal
        self.cycles: list[int] = []

    async def start(self) -> None:
        await start(self._dut, start_i=0, descriptor_i=0, window_base_i=0, window_last_i=0)

    async def run(self, d: Descriptor) -> None:
        dut, code = self._dut, check(d)
        dut.descriptor_i.value = packed(d)
        dut.window_base_i.value = d["window_base"]
        dut.window_last_i.value = d["window_last"]
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        began = cocotb.utils.get_sim_time("ns")
        await RisingEdge(dut.done_o)
        self.cycles.append(int(cocotb.utils.get_sim_time("ns") - began) // 10)
        assert int(dut.error_o.value) == code, (
            f"{Error(int(dut.error_o.value)).name} instead of {code.name}: {d}"
        )
        if code is Error.OK:
            got, expected = unpack_layer(int(dut.layer_o.value)), derive(d, ARRAY)
            for name, bits in FIELDS:
                assert got[name] == expected[name] & ((1 << bits) - 1), (
                    f"{name} is {got[name]} instead of {expected[name]}: {d}"
                )
        await cycles(dut, 2)
        assert dut.done_o.value == 0
        self.seen[code] += 1
        if code is Error.OK:
            self.kinds[Kind(d["kind"])] += 1


@cocotb.test()
async def legal(dut: Any) -> None:
    rng = seeded("legal")
    tester = Tester(dut)
    await tester.start()
    for _ in range(800):
        await tester.run(draw(rng))
    assert tester.seen[Error.OK] == 800
    assert min(tester.kinds.values()) >= 100
    dut._log.info("%.0f cycles in the mean, %d at most", np.mean(tester.cycles), max(tester.cycles))


@cocotb.test()
async def every_limit(dut: Any) -> None:
    rng = seeded("every_limit")
    tester = Tester(dut)
    await tester.start()
    for _ in range(30):
        d = draw(rng)
        for name, low, high in MOVED:
            for moved in edges(d, name, low, high):
                await tester.run(moved)
        for kind in (0, max(Kind) + 1):
            await tester.run({**d, "kind": kind})
    dut._log.info("%s", {code.name: count for code, count in tester.seen.items()})
    for code in Error:
        if code not in (Error.READ_ERROR, Error.WRITE_ERROR, Error.WATCHDOG):
            assert tester.seen[code] >= 30, f"{code.name} came up {tester.seen[code]} times"


@cocotb.test()
async def several_fields_broken(dut: Any) -> None:
    rng = seeded("several_fields_broken")
    tester = Tester(dut)
    await tester.start()
    for _ in range(1500):
        d = draw(rng)
        for index in rng.integers(len(MOVED), size=int(rng.integers(1, 6))):
            name, low, high = MOVED[index]
            choices = [
                low,
                high,
                0,
                1,
                d[name] + 1,
                d[name] - 1,
                d[name] ^ 1 << int(rng.integers(16)),
            ]
            value = int(choices[rng.integers(len(choices))])
            d[name] = min(max(value, low), high)
        await tester.run(d)
