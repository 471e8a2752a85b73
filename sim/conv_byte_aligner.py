# SPDX-License-Identifier: Apache-2.0
"""conv_byte_aligner against runs of bytes laid out in memory: data, strobes, speed, idle_o."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from bench import BEAT_BYTES, STALLS, Sink, Source, cycles, seeded, stalls, start

CONFIGURATIONS = [{}, {"BeatBytes": 16}]  # type: list[dict[str, int]]

INPUTS = ["in_data_i", "in_bytes_i", "in_first_i", "in_last_i", "in_align_i"]
Chunk = tuple[int, int, bool, bool, int]  # in the order of INPUTS
Beat = tuple[int, int]  # data, strobe


def masked(data: int, strobe: int) -> Beat:
    """Bytes without strobe mean nothing."""
    return sum(data & 0xFF << 8 * i for i in range(BEAT_BYTES) if strobe >> i & 1), strobe


def random_run(rng: np.random.Generator) -> tuple[list[Chunk], list[Beat]]:
    """The chunks of a run, and the beats in which it lies in memory."""
    align = int(rng.integers(BEAT_BYTES))
    count = int(rng.choice([1, 1, 2, rng.integers(1, 20)]))
    full = rng.random() < 0.4  # the packer's usual chunks: full ones but for the last
    sizes = [
        BEAT_BYTES if full and i < count - 1 else int(rng.integers(1, BEAT_BYTES + 1))
        for i in range(count)
    ]
    chunks: list[Chunk] = []
    content = b""
    for i, size in enumerate(sizes):
        data = rng.bytes(BEAT_BYTES)  # bytes beyond the size are not to be seen
        content += data[:size]
        first, last = i == 0, i == count - 1
        place = align if first else int(rng.integers(BEAT_BYTES))
        chunks.append((int.from_bytes(data, "little"), size, first, last, place))
    strobes = ((1 << len(content)) - 1) << align
    memory = int.from_bytes(bytes(align) + content, "little")
    beats = []
    while strobes:
        beats.append((memory & (1 << 8 * BEAT_BYTES) - 1, strobes & (1 << BEAT_BYTES) - 1))
        memory, strobes = memory >> 8 * BEAT_BYTES, strobes >> BEAT_BYTES
    return chunks, beats


async def check_idle(dut: Any) -> None:
    """idle_o is high exactly while no byte is inside."""
    inside = 0
    while True:
        await ReadOnly()
        assert dut.idle_o.value == (inside == 0), f"{inside} bytes inside"
        if dut.in_valid_i.value == 1 and dut.in_ready_o.value == 1:
            inside += int(dut.in_bytes_i.value)
        if dut.out_valid_o.value == 1 and dut.out_ready_i.value == 1:
            inside -= int(dut.out_strobe_o.value).bit_count()
        await RisingEdge(dut.clk_i)


async def send(
    dut: Any, rng: np.random.Generator, count: int, stall: tuple[float, float]
) -> tuple[int, int]:
    """Sends `count` runs and checks their beats; returns the cycles that it took and should."""
    source = Source(dut, "in_valid_i", "in_ready_o", INPUTS, stalls(rng, stall[0]))
    outputs = ["out_data_o", "out_strobe_o"]
    sink = Sink(dut, "out_valid_o", "out_ready_i", outputs, stalls(rng, stall[1]))
    cocotb.start_soon(check_idle(dut))
    chunks: list[Chunk] = []
    beats: list[Beat] = []
    crossing = 0
    for _ in range(count):
        run_chunks, run_beats = random_run(rng)
        chunks += run_chunks
        beats += run_beats
        in_last_beat = run_beats[-1][1].bit_count()
        crossing += len(run_beats) > 1 and in_last_beat < run_chunks[-1][1]
    began = get_sim_time("ns")
    await source.send(chunks)
    received = await sink.wait(len(beats))
    took = int(get_sim_time("ns") - began) // 10
    await cycles(dut, 4)
    assert len(received) == len(beats)
    for index, (got, expected) in enumerate(zip(received, beats, strict=True)):
        assert masked(*got) == expected, f"beat {index}"
    assert dut.idle_o.value == 1
    return took, len(chunks) + crossing + 1


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def runs(dut: Any, stall: tuple[float, float]) -> None:
    rng = seeded(f"runs {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    await send(dut, rng, 300, stall)


@cocotb.test()
async def throughput(dut: Any) -> None:
    """A chunk per cycle, and a cycle more for a run whose last chunk crosses into a beat."""
    rng = seeded("throughput")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    took, expected = await send(dut, rng, 300, (0.0, 0.0))
    assert took == expected
