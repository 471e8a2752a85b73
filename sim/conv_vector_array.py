# SPDX-License-Identifier: Apache-2.0
"""conv_vector_array: results and their exact cycles, weights written during use, reset."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from bench import parameters, seeded, start
from mac import KINDS, Int8, draw
from slices import SLICE_LANES, Slices

CONFIGURATIONS = [
    {"VectorLanes": 8, "WeightWords": 2},
    {"VectorLanes": 16, "WeightWords": 128},
    {"VectorLanes": 48, "WeightWords": 512},
    {"VectorLanes": 40, "WeightWords": 7},
    {"VectorLanes": 32, "WeightWords": 16, "BeatBytes": 16},
]
PARAMETERS = parameters(CONFIGURATIONS)
LANES, WORDS = PARAMETERS["VectorLanes"], PARAMETERS["WeightWords"]
SLICES = LANES // SLICE_LANES
LATENCY = 7  # from a word to its first slice


class Array(Slices):
    """The vector unit."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut, lanes=LANES, columns=SLICES, latency=LATENCY)
        self.maximum = False
        self.weights = np.zeros((WORDS, LANES), np.int8)

    async def start(self) -> None:
        names = ["maximum_i", "wr_valid_i", "x_i", "weight_word_i", "digit_i", "first_i", "last_i"]
        await start(self.dut, **dict.fromkeys(names, 0))

    def store(self, word: int, column: int, data: Int8) -> None:
        self.weights[word, SLICE_LANES * column : SLICE_LANES * (column + 1)] = data

    def word(self, x: Int8, word: int, digit: int, first: bool, last: bool) -> None:
        """Accumulate a word in this cycle."""
        dut = self.dut
        dut.x_i.value = int.from_bytes(x.tobytes(), "little")
        dut.weight_word_i.value, dut.digit_i.value = word, digit
        dut.first_i.value, dut.last_i.value = int(first), int(last)
        terms = x.astype(np.int64) * self.weights[word] << 8 * digit
        if first:
            self.total = terms
        elif self.maximum:
            self.total = np.maximum(self.total, terms)
        else:
            self.total = self.total + terms
        if last:
            self.hand_out()

    def idle(self, word: int = 0) -> None:
        self.word(np.zeros(LANES, np.int8), word, 0, False, False)

    async def set_maximum(self, maximum: bool) -> None:
        await self.drain()
        self.maximum = maximum
        self.dut.maximum_i.value = int(maximum)


async def random_outputs(array: Array, rng: np.random.Generator, cycles: int) -> int:
    """Outputs of random lengths, with gaps; weights change as early and as late as is allowed.

    Returns:
        the number of result slices.
    """
    written, next_last, first, results = 0, array.cycle, True, 0
    for _ in range(cycles):
        word = written if rng.random() < 0.5 else int(rng.integers(WORDS))
        inside = array.maximum and not first  # where no gap may be
        used = -1
        if not inside and rng.random() < 0.15:
            array.idle(word)
        else:
            used = word
            last = array.cycle >= next_last and bool(rng.random() < 0.6)
            digit = 0 if array.maximum else int(rng.integers(3))
            array.word(draw(rng, rng.choice(KINDS), (LANES,)), word, digit, first, last)
            first = last or bool(rng.random() < 0.02)
            if last:
                next_last = array.cycle + SLICES
                results += SLICES
        if rng.random() < 0.7:
            written = int(rng.integers(WORDS))
            if written != used:
                data = draw(rng, rng.choice(KINDS), (SLICE_LANES,))
                array.write(written, int(rng.integers(SLICES)), data)
        await array.step()
    return results


@cocotb.test()
async def random_words(dut: Any) -> None:
    """Both operations in turns: random operands, shifts, gaps and lengths."""
    rng = seeded("random_words")
    array = Array(dut)
    await array.start()
    await array.fill(rng, WORDS)
    results = 0
    for turn in range(8):
        await array.set_maximum(turn % 2 == 1)
        results += await random_outputs(array, rng, 600)
    await array.drain()
    assert array.checked == results > 600


@cocotb.test()
@cocotb.parametrize(maximum=[False, True])
async def full_rate(dut: Any, maximum: bool) -> None:
    """A word in every cycle, results at the shortest distance: NumSlices cycles."""
    rng = seeded(f"full_rate {maximum}")
    array = Array(dut)
    await array.start()
    words = min(WORDS, 16)
    await array.fill(rng, words)
    await array.set_maximum(maximum)
    for n in range(100 * SLICES):
        x = draw(rng, "random", (LANES,))
        digit = 0 if maximum else n % 3
        array.word(x, n % words, digit, n % SLICES == 0, n % SLICES == SLICES - 1)
        await array.step()
    await array.drain()
    assert array.checked == 100 * SLICES


@cocotb.test()
async def reset(dut: Any) -> None:
    """One cycle of reset takes back every result that is still inside, whatever its depth."""
    rng = seeded("reset")
    array = Array(dut)
    await array.start()
    await array.fill(rng, 1)
    await array.drain()  # reset would take back writes as well
    for age in range(1, LATENCY + SLICES):
        array.word(draw(rng, "random", (LANES,)), 0, 0, True, True)
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
        array.word(draw(rng, "random", (LANES,)), 0, 0, True, True)
        await array.step()
        await array.drain()
