# SPDX-License-Identifier: Apache-2.0
"""conv_line_buffer against an array of bytes: any address, wrap at the end, writes in between."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, parameters, seeded

CONFIGURATIONS = [
    {"ReadLanes": 1, "LineBufferBeats": 16},
    {"ReadLanes": 16, "LineBufferBeats": 512},
    {"ReadLanes": 13, "LineBufferBeats": 64},
    {"ReadLanes": 26, "LineBufferBeats": 64},
    {"ReadLanes": 48, "LineBufferBeats": 16384},
    {"ReadLanes": 50, "LineBufferBeats": 16},
    {"ReadLanes": 1, "LineBufferBeats": 16, "BeatBytes": 16},
    {"ReadLanes": 96, "LineBufferBeats": 64, "BeatBytes": 16},
]
_PARAMETERS = parameters(CONFIGURATIONS)
LANES, BEATS = _PARAMETERS["ReadLanes"], _PARAMETERS["LineBufferBeats"]
_PACKAGE = Path(__file__).resolve().parents[1] / "rtl" / "conv_pkg.sv"
_LATENCY = re.search(r"LineBufferLatency = (\d+);", _PACKAGE.read_text())
LATENCY = int(_LATENCY.group(1)) if _LATENCY else 0


@cocotb.test()
@cocotb.parametrize(write=[0.0, 0.5, 1.0])
async def read_and_write(dut: Any, write: float) -> None:
    """Every byte at every alignment; a beat is new for the address of the cycle after its write."""
    rng = seeded(f"read_and_write {write}")
    Clock(dut.clk_i, 10, "ns").start()
    content = rng.integers(0, 256, BEATS * BEAT_BYTES, np.uint8)
    dut.rd_address_i.value = 0
    for beat in range(BEATS):
        dut.wr_valid_i.value, dut.wr_beat_i.value = 1, beat
        dut.wr_data_i.value = word(content[BEAT_BYTES * beat :][:BEAT_BYTES])
        await RisingEdge(dut.clk_i)

    expected: deque[int] = deque()
    recent = 0
    for _ in range(4000):
        beat = int(rng.integers(BEATS))
        data = rng.integers(0, 256, BEAT_BYTES, np.uint8)
        writing = rng.random() < write
        dut.wr_valid_i.value, dut.wr_beat_i.value = int(writing), beat
        dut.wr_data_i.value = word(data)
        # Anywhere, around the end, around what was just written.
        center = [int(rng.integers(BEATS * BEAT_BYTES)), BEATS * BEAT_BYTES, recent * BEAT_BYTES][
            rng.integers(3)
        ]
        address = (center + int(rng.integers(-LANES - BEAT_BYTES, BEAT_BYTES + 1))) % (
            BEATS * BEAT_BYTES
        )
        lanes = (address + np.arange(LANES)) % (BEATS * BEAT_BYTES)
        dut.rd_address_i.value = address
        if writing:
            content[BEAT_BYTES * beat :][:BEAT_BYTES] = data
            recent = beat
        await ReadOnly()
        # The memory is read a cycle after the address came: writes of this cycle are seen as well.
        expected.append(word(content[lanes]))
        if len(expected) > LATENCY:
            assert dut.rd_bytes_o.value == expected.popleft()
        await RisingEdge(dut.clk_i)


def word(values: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    return int.from_bytes(values.tobytes(), "little")
