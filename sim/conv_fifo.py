# SPDX-License-Identifier: Apache-2.0
"""conv_fifo: order and data under stalls, exact fill level, full throughput, reset."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import STALLS, Sink, Source, cycles, parameters, seeded, stalls, start

CONFIGURATIONS = [
    {"Width": 8, "Depth": 2},
    {"Width": 1, "Depth": 7},
    {"Width": 72, "Depth": 16},
]
PARAMETERS = parameters(CONFIGURATIONS)
WIDTH, DEPTH = PARAMETERS["Width"], PARAMETERS["Depth"]


def words(rng: np.random.Generator, count: int) -> list[int]:
    return [int.from_bytes(rng.bytes(16), "little") % (1 << WIDTH) for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def stream(dut: Any, stall: tuple[float, float]) -> None:
    """What goes in comes out, and usage_o, ready_o, valid_o follow from the words inside."""
    rng = seeded(f"stream {stall}")
    await start(dut, data_i=0)
    source = Source(dut, "valid_i", "ready_o", ["data_i"], stalls(rng, stall[0]))
    sink = Sink(dut, "valid_o", "ready_i", ["data_o"], stalls(rng, stall[1]))

    async def check_usage() -> None:
        inside = 0
        while True:
            await ReadOnly()
            assert dut.usage_o.value == inside
            assert dut.ready_o.value == (inside < DEPTH)
            assert dut.valid_o.value == (inside > 0)
            inside += int(dut.valid_i.value) & int(dut.ready_o.value)
            inside -= int(dut.valid_o.value) & int(dut.ready_i.value)
            await RisingEdge(dut.clk_i)

    cocotb.start_soon(check_usage())
    sent = words(rng, 1000)
    await source.send(sent)
    assert await sink.wait(len(sent)) == sent


@cocotb.test()
async def throughput(dut: Any) -> None:
    """Without stalls n words take n + 1 cycles: one per cycle, one cycle of latency."""
    rng = seeded("throughput")
    await start(dut, data_i=0)
    source = Source(dut, "valid_i", "ready_o", ["data_i"], stalls(rng, 0))
    sink = Sink(dut, "valid_o", "ready_i", ["data_o"], stalls(rng, 0))
    sent = words(rng, 100)
    await source.send(sent)
    await cycles(dut, 1)
    assert sink.received == sent


@cocotb.test()
async def reset(dut: Any) -> None:
    """Reset empties a full FIFO; the words that follow are intact."""
    rng = seeded("reset")
    await start(dut, data_i=0, ready_i=0)
    source = Source(dut, "valid_i", "ready_o", ["data_i"], stalls(rng, 0))
    await source.send(words(rng, DEPTH))
    await ReadOnly()
    assert dut.usage_o.value == DEPTH
    assert dut.ready_o.value == 0
    await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 0
    await cycles(dut, 1)
    dut.rst_ni.value = 1
    sink = Sink(dut, "valid_o", "ready_i", ["data_o"], stalls(rng, 0.5))
    sent = words(rng, 3 * DEPTH)
    await source.send(sent)
    assert await sink.wait(len(sent)) == sent
