# SPDX-License-Identifier: Apache-2.0
"""conv_mac_array: results and their exact cycles, weights written during use, wrapping, reset."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from bench import parameters, seeded, start
from mac import KINDS, Geometry, Int8, draw
from slices import SLICE_LANES, Slices

CONFIGURATIONS = [
    {"InputLanes": 1, "OutputLanes": 8, "WeightWords": 2},
    {"InputLanes": 3, "OutputLanes": 16, "WeightWords": 7},
    {"InputLanes": 4, "OutputLanes": 8, "WeightWords": 128},
    {"InputLanes": 5, "OutputLanes": 24, "WeightWords": 16},
    {"InputLanes": 13, "OutputLanes": 32, "WeightWords": 8},
    {"InputLanes": 16, "OutputLanes": 8, "WeightWords": 32},
    {"InputLanes": 26, "OutputLanes": 16, "WeightWords": 512},
    {"InputLanes": 7, "OutputLanes": 32, "WeightWords": 16, "BeatBytes": 16},
]
PARAMETERS = parameters(CONFIGURATIONS)
INPUTS, OUTPUTS = PARAMETERS["InputLanes"], PARAMETERS["OutputLanes"]
WORDS = PARAMETERS["WeightWords"]
SLICES = OUTPUTS // SLICE_LANES
GEOMETRY = Geometry(INPUTS)


class Array(Slices):
    """The MAC array."""

    def __init__(self, dut: Any) -> None:
        super().__init__(
            dut, lanes=OUTPUTS, columns=SLICES * INPUTS, latency=GEOMETRY.array_latency
        )
        self.weights = np.zeros((WORDS, INPUTS, OUTPUTS), np.int8)

    async def start(self) -> None:
        await start(self.dut, wr_valid_i=0, x_i=0, weight_word_i=0, first_i=0, last_i=0)

    def store(self, word: int, column: int, data: Int8) -> None:
        s, i = divmod(column, INPUTS)
        self.weights[word, i, SLICE_LANES * s : SLICE_LANES * (s + 1)] = data

    def word(self, x: Int8, word: int, first: bool, last: bool) -> None:
        """Accumulate a word in this cycle."""
        dut = self.dut
        dut.x_i.value = int.from_bytes(x.tobytes(), "little")
        dut.weight_word_i.value = word
        dut.first_i.value, dut.last_i.value = int(first), int(last)
        products = x.astype(np.int64) @ self.weights[word].astype(np.int64)
        self.total = products + (0 if first else self.total)
        if last:
            self.hand_out()

    def idle(self, word: int = 0) -> None:
        self.word(np.zeros(INPUTS, np.int8), word, False, False)


@cocotb.test()
async def random_words(dut: Any) -> None:
    """Random operands, gaps and lengths; weights change as early and as late as is allowed."""
    rng = seeded("random_words")
    array = Array(dut)
    await array.start()
    await array.fill(rng, WORDS)
    free = np.zeros(WORDS, int)  # cycle from which on a word may be overwritten
    written, next_last, first = 0, 0, True
    results = 0
    for _ in range(6000):
        word = written if rng.random() < 0.5 else int(rng.integers(WORDS))
        if rng.random() < 0.15:
            array.idle(word)
        else:
            last = array.cycle >= next_last and bool(rng.random() < 0.6)
            x = draw(rng, rng.choice(KINDS), (INPUTS,))
            array.word(x, word, first, last)
            free[word] = array.cycle + GEOMETRY.length
            first = last or bool(rng.random() < 0.02)
            if last:
                next_last = array.cycle + SLICES
                results += SLICES
        candidates = np.flatnonzero(free <= array.cycle)
        if len(candidates) and rng.random() < 0.7:
            written = int(rng.choice(candidates))
            array.write(
                written,
                int(rng.integers(SLICES * INPUTS)),
                draw(rng, rng.choice(KINDS), (SLICE_LANES,)),
            )
        await array.step()
    await array.drain()
    assert array.checked == results > 600


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """A word in every cycle, results at the shortest distance: NumSlices cycles."""
    rng = seeded("full_rate")
    array = Array(dut)
    await array.start()
    words = min(WORDS, 16)
    await array.fill(rng, words)
    for n in range(200 * SLICES):
        x = draw(rng, "random", (INPUTS,))
        array.word(x, n % words, n % SLICES == 0, n % SLICES == SLICES - 1)
        await array.step()
    await array.drain()
    assert array.checked == 200 * SLICES


@cocotb.test()
async def wrapping(dut: Any) -> None:
    """Lanes pass both ends of int32 and go on modulo 2^32."""
    array = Array(dut)
    await array.start()
    lanes = np.tile(np.array([-128, 127], np.int8), SLICE_LANES // 2)
    for column in range(SLICES * INPUTS):
        array.idle()
        array.write(0, column, lanes)
        await array.step()
    x = np.full(INPUTS, -128, np.int8)
    array.word(x, 0, True, False)
    await array.step()
    array.word(x, 0, False, False)  # held, so it counts once for each cycle
    held = 2**31 // (INPUTS * 127 * 128) + 100
    await Timer(10 * held - 5, "ns")
    await RisingEdge(dut.clk_i)
    array.cycle += held
    array.total += (held - 1) * (x.astype(np.int64) @ array.weights[0].astype(np.int64))
    assert array.total.max() >= 2**31
    assert array.total.min() < -(2**31)
    array.word(x, 0, False, True)
    await array.step()
    await array.drain()
    assert array.checked == SLICES


@cocotb.test()
async def reset(dut: Any) -> None:
    """One cycle of reset takes back every result that is still inside, whatever its depth."""
    rng = seeded("reset")
    array = Array(dut)
    await array.start()
    await array.fill(rng, 1)
    await array.drain()  # reset would take back writes as well
    for age in range(1, GEOMETRY.array_latency + SLICES):
        array.word(draw(rng, "random", (INPUTS,)), 0, True, True)
        await array.step()
        for _ in range(age - 1):
            array.idle()
            await array.step()
        array.idle()
        dut.rst_ni.value = 0
        await array.step()
        dut.rst_ni.value = 1
        array.forget()
        await array.drain()
        array.word(draw(rng, "random", (INPUTS,)), 0, True, True)
        await array.step()
        await array.drain()
