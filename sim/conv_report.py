# SPDX-License-Identifier: Apache-2.0
"""conv_report: blocks reach a write master that stalls, whole and in order; a stop drops them."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import STALLS, Sink, cycles, seeded, stalls, start
from lineconv.regs import DESCRIPTOR_BYTES

CONFIGURATIONS = [{}, {"BeatBytes": 16}]

INPUTS = ["start_i", "stop_i", "address_i", "result_i", "run_ready_i", "data_ready_i"]
RESULT_OFFSET, RESULT_BYTES = 192, 32


async def send(dut: Any, rng: Any) -> tuple[int, int]:
    """Start a block of random content, which is gone in the next cycle."""
    address = DESCRIPTOR_BYTES * int(rng.integers(1 << 24))
    block = int.from_bytes(rng.bytes(RESULT_BYTES), "little")
    dut.start_i.value, dut.address_i.value, dut.result_i.value = 1, address, block
    await RisingEdge(dut.clk_i)
    dut.start_i.value, dut.address_i.value, dut.result_i.value = 0, 0, 0
    return address, block


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def blocks(dut: Any, stall: tuple[float, float]) -> None:
    rng = seeded(f"blocks {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    ports = ["run_address_o", "run_beats_o"]
    runs = Sink(dut, "run_valid_o", "run_ready_i", ports, stalls(rng, stall[0]))
    beats = Sink(dut, "data_valid_o", "data_ready_i", ["data_o"], stalls(rng, stall[1]))
    count = RESULT_BYTES * 8 // len(dut.data_o)
    for _ in range(100):
        address, block = await send(dut, rng)
        runs.received.clear()
        beats.received.clear()
        while True:
            await ReadOnly()
            busy = dut.busy_o.value == 1
            await RisingEdge(dut.clk_i)
            if not busy:
                break
        assert runs.received == [(address + RESULT_OFFSET, count)]
        assert len(beats.received) == count
        whole = sum(beat << i * len(dut.data_o) for i, beat in enumerate(beats.received))
        assert whole == block
        await cycles(dut, int(rng.integers(3)))


@cocotb.test()
async def stop(dut: Any) -> None:
    """After a stop nothing is offered, and the next block is whole."""
    rng = seeded("stop")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    for _ in range(100):
        await send(dut, rng)
        for _ in range(int(rng.integers(8))):
            dut.run_ready_i.value, dut.data_ready_i.value = (
                int(bit) for bit in rng.integers(2, size=2)
            )
            await RisingEdge(dut.clk_i)
        dut.stop_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.stop_i.value = 0
        await ReadOnly()
        assert not dut.busy_o.value
        assert not dut.run_valid_o.value
        assert not dut.data_valid_o.value
        await RisingEdge(dut.clk_i)
        _, block = await send(dut, rng)
        dut.run_ready_i.value = dut.data_ready_i.value = 1
        whole = runs = 0
        for shift in range(0, 8 * RESULT_BYTES, len(dut.data_o)):
            await ReadOnly()
            runs += int(dut.run_valid_o.value)
            assert dut.data_valid_o.value
            whole |= int(dut.data_o.value) << shift
            await RisingEdge(dut.clk_i)
        assert (whole, runs) == (block, 1)
        dut.run_ready_i.value = dut.data_ready_i.value = 0
