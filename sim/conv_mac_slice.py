# SPDX-License-Identifier: Apache-2.0
"""conv_mac_slice: eight exact lanes from skewed inputs, and the registers to the next slice."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, parameters, seeded, start
from mac import KINDS, Geometry, accumulate, draw

CONFIGURATIONS = [
    {"InputLanes": 1, "WeightWords": 4, "ColumnBits": 2, "FirstColumn": 2},
    {"InputLanes": 7, "WeightWords": 16, "ColumnBits": 4, "FirstColumn": 7},
    {"InputLanes": 26, "WeightWords": 32, "ColumnBits": 6, "FirstColumn": 26},
]
PARAMETERS = parameters(CONFIGURATIONS)
LANES, WORDS = PARAMETERS["InputLanes"], PARAMETERS["WeightWords"]
FIRST_COLUMN = PARAMETERS["FirstColumn"]
GEOMETRY = Geometry(LANES)


@cocotb.test()
async def words(dut: Any) -> None:
    """Words with gaps against the reference; each result in its cycle and nothing else."""
    rng = seeded("words")
    await start(dut, wr_valid_i=0, weight_word_i=0, first_i=0, last_i=0)
    weights = np.stack([draw(rng, rng.choice(KINDS), (LANES, 8)) for _ in range(WORDS)])
    dut.wr_valid_i.value = 1
    for row, i in np.ndindex(WORDS, LANES):
        data = int.from_bytes(weights[row, i].tobytes(), "little") ^ 0x0080_0080_0080_0080
        dut.wr_word_i.value, dut.wr_column_i.value = row, FIRST_COLUMN + i
        dut.wr_data_i.value = data
        await cycles(dut, 1)
    dut.wr_valid_i.value = 0

    count = 1500
    word = rng.integers(WORDS, size=count)
    x = np.stack([draw(rng, rng.choice(KINDS), (LANES,)) for _ in range(count)])
    gap = rng.random(count) < 0.2
    x[gap] = 0
    first, last = rng.random((2, count)) < 0.3
    first[gap], last[gap], first[0] = False, False, True
    sums = accumulate(x, weights[word], first)
    corrections = GEOMETRY.corrections(x)
    flag_delay = GEOMETRY.length + GEOMETRY.tree_levels + 3
    checked = 0
    for n in range(count + flag_delay + 4):
        dut.weight_word_i.value = int(word[n]) if n < count else 0
        for i, stage in enumerate(GEOMETRY.stage):
            t = n - 2 - stage
            dut.x_i[i].value = int(x[t, i]) if 0 <= t < count else 0
        for c, stage in enumerate(GEOMETRY.head_stage):
            t = n - 3 - stage
            dut.correction_i[c].value = int(corrections[t, c]) if 0 <= t < count else 511
        t = n - flag_delay
        inside = 0 <= t < count
        dut.first_i.value = int(inside and first[t])
        dut.last_i.value = int(inside and last[t])
        await ReadOnly()
        t -= 3
        valid = 0 <= t < count and bool(last[t])
        assert int(dut.acc_valid_o.value) == valid, f"acc_valid_o of word {t}"
        if valid:
            packed = int(dut.acc_o.value).to_bytes(32, "little")
            np.testing.assert_array_equal(np.frombuffer(packed, "<i4"), sums[t])
            checked += 1
        await RisingEdge(dut.clk_i)
    assert checked == last.sum() > 0


@cocotb.test()
async def next_slice(dut: Any) -> None:
    """Every input leaves one cycle later."""
    rng = seeded("next_slice")
    await start(dut, wr_valid_i=0, first_i=0, last_i=0)
    scalars = ["wr_valid", "wr_word", "wr_column", "wr_data", "weight_word", "first", "last"]
    arrays = {"x": LANES, "correction": GEOMETRY.chains}
    ports = [(getattr(dut, f"{name}_i"), getattr(dut, f"{name}_o")) for name in scalars]
    for name, size in arrays.items():
        inputs, outputs = getattr(dut, f"{name}_i"), getattr(dut, f"{name}_o")
        ports += [(inputs[i], outputs[i]) for i in range(size)]
    previous: list[int] = []
    for _ in range(200):
        values = [int.from_bytes(rng.bytes(8), "little") >> 64 - len(port) for port, _ in ports]
        for (port, _), value in zip(ports, values, strict=True):
            port.value = value - (1 << 8) if len(port) == 8 and value >= 128 else value
        await ReadOnly()
        if previous:
            seen = [int(port.value) & (1 << len(port)) - 1 for _, port in ports]
            assert seen == previous
        previous = values
        await RisingEdge(dut.clk_i)
