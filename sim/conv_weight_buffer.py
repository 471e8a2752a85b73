# SPDX-License-Identifier: Apache-2.0
"""conv_weight_buffer: columns written one by one and read at once while others are written."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, parameters, seeded

CONFIGURATIONS = [
    {"InputLanes": 1, "WeightWords": 2, "ColumnBits": 1, "FirstColumn": 0},
    {"InputLanes": 5, "WeightWords": 10, "ColumnBits": 4, "FirstColumn": 5},
    {"InputLanes": 26, "WeightWords": 512, "ColumnBits": 6, "FirstColumn": 26},
]
PARAMETERS = parameters(CONFIGURATIONS)
LANES, WORDS = PARAMETERS["InputLanes"], PARAMETERS["WeightWords"]
COLUMNS, FIRST = 1 << PARAMETERS["ColumnBits"], PARAMETERS["FirstColumn"]


def beat(rng: np.random.Generator) -> int:
    return int.from_bytes(rng.bytes(8), "little")


@cocotb.test()
async def write_and_read(dut: Any) -> None:
    """Every column at its own address; a word is new in the cycle after its write."""
    rng = seeded("write_and_read")
    Clock(dut.clk_i, 10, "ns").start()
    dut.wr_valid_i.value = 1
    content = np.zeros((WORDS, COLUMNS), object)
    for word, column in np.ndindex(content.shape):
        content[word, column] = beat(rng)
        dut.wr_word_i.value, dut.wr_column_i.value = word, column
        dut.wr_data_i.value = content[word, column]
        await cycles(dut, 1)

    expected: list[list[int]] = []
    written = 0
    for n in range(4000):
        valid, column, data = rng.random() < 0.7, int(rng.integers(COLUMNS)), beat(rng)
        word = int(rng.integers(WORDS))
        dut.wr_valid_i.value, dut.wr_data_i.value = int(valid), data
        dut.wr_word_i.value, dut.wr_column_i.value = word, column
        read = rng.integers(WORDS, size=LANES)
        read[rng.random(LANES) < 0.5] = written
        if valid:  # a word is not read while it is written
            read[read == word] = (word + 1) % WORDS
        for i in range(LANES):
            dut.rd_word_i[i].value = int(read[i])
        expected.append([content[read[i], FIRST + i] for i in range(LANES)])
        if valid:
            content[word, column] = data
            written = word
        await ReadOnly()
        if n >= 2:
            assert [int(dut.rd_data_o[i].value) for i in range(LANES)] == expected[n - 2]
        await RisingEdge(dut.clk_i)
