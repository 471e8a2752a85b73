# SPDX-License-Identifier: Apache-2.0
"""conv_parameter_buffer against two arrays: single beats written, both sides read at random."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, parameters, seeded

CONFIGURATIONS = [{"Entries": 2}, {"Entries": 48}, {"Entries": 20, "BeatBytes": 16}]
PARAMETERS = parameters(CONFIGURATIONS)
ENTRIES = PARAMETERS["Entries"]

LANES, LATENCY = BEAT_BYTES, 2
BEAT_LANES = BEAT_BYTES // 8  # whose parameters are in one beat


def packed(words: Any) -> int:
    return int.from_bytes(np.asarray(words, "<u4").tobytes(), "little")


@cocotb.test()
async def reads_what_was_written(dut: Any) -> None:
    """Reads every cycle; each entry is written whole at first, then beats are overwritten."""
    rng = seeded("reads_what_was_written")
    Clock(dut.clk_i, 10, "ns").start()
    dut.wr_valid_i.value = dut.bias_entry_i.value = dut.multiplier_entry_i.value = 0
    await RisingEdge(dut.clk_i)
    biases = np.zeros((ENTRIES, LANES), np.uint32)
    multipliers = np.zeros((ENTRIES, LANES), np.uint32)
    expected: list[tuple[int, int]] = []
    filling = ENTRIES * LANES // BEAT_LANES
    for cycle in range(filling + 3000):
        writing = cycle < filling or bool(rng.random() < 0.5)
        place = cycle if cycle < filling else int(rng.integers(filling))
        entry, beat = divmod(place, LANES // BEAT_LANES)
        lanes = slice(beat * BEAT_LANES, (beat + 1) * BEAT_LANES)
        data = rng.integers(1 << 32, size=(BEAT_LANES, 2), dtype=np.uint32)
        dut.wr_valid_i.value = int(writing)
        dut.wr_entry_i.value, dut.wr_beat_i.value = entry, beat
        dut.wr_data_i.value = packed(data)  # the bias is the low half
        # The entry that is being written may not be read.
        free = [i for i in range(ENTRIES) if not (writing and i == entry)]
        read = rng.choice(free, 2).tolist()
        dut.bias_entry_i.value, dut.multiplier_entry_i.value = read
        expected.append((packed(biases[read[0]]), packed(multipliers[read[1]])))
        await ReadOnly()
        if cycle >= filling + LATENCY:
            got = int(dut.bias_o.value), int(dut.multiplier_o.value)
            assert got == expected[cycle - LATENCY], f"cycle {cycle}"
        if writing:
            biases[entry, lanes], multipliers[entry, lanes] = data.T
        await RisingEdge(dut.clk_i)
