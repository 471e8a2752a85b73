# SPDX-License-Identifier: Apache-2.0
"""What the benches of both compute units share: weights by beats, slices and their cycles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES
from mac import KINDS, Int8, draw

SLICE_LANES = BEAT_BYTES


class Slices(ABC):
    """Drives a unit word by word and checks every output cycle against a model.

    Attributes:
        checked: results that were compared.
    """

    def __init__(self, dut: Any, *, lanes: int, columns: int, latency: int) -> None:
        """`columns`: beats of a weight word; `latency`: cycles from a word to its first slice."""
        self.dut = dut
        self.cycle = 0
        self.checked = 0
        self.total = np.zeros(lanes, np.int64)
        self._slices = lanes // SLICE_LANES
        self._columns = columns
        self._latency = latency
        self._due: deque[tuple[int, npt.NDArray[np.int32]]] = deque()

    @abstractmethod
    def idle(self, word: int = 0) -> None:
        """A cycle without a word."""

    @abstractmethod
    def store(self, word: int, column: int, data: Int8) -> None:
        """The model's part of `write`."""

    def write(self, word: int, column: int, data: Int8) -> None:
        """Write the weights of a beat in this cycle; to be called after the word of this cycle."""
        self.store(word, column, data)
        self.dut.wr_valid_i.value = 1
        self.dut.wr_word_i.value, self.dut.wr_column_i.value = word, column
        self.dut.wr_data_i.value = int.from_bytes(data.tobytes(), "little")

    def hand_out(self) -> None:
        """Expect the sums as they are with this word."""
        sums = self.total.astype(np.int32)
        for s in range(self._slices):
            due = self.cycle + self._latency + s
            self._due.append((due, sums[SLICE_LANES * s : SLICE_LANES * (s + 1)]))

    def forget(self) -> None:
        """Expect nothing more: a reset takes the results back."""
        self._due.clear()

    async def step(self) -> None:
        """Finish the cycle: compare the output, go to the next one with an idle write port."""
        await ReadOnly()
        valid = bool(self._due) and self._due[0][0] == self.cycle
        assert int(self.dut.slice_valid_o.value) == valid, f"slice_valid_o in cycle {self.cycle}"
        if valid:
            packed = int(self.dut.slice_o.value).to_bytes(4 * SLICE_LANES, "little")
            np.testing.assert_array_equal(np.frombuffer(packed, "<i4"), self._due.popleft()[1])
            self.checked += 1
        await RisingEdge(self.dut.clk_i)
        self.dut.wr_valid_i.value = 0
        self.cycle += 1

    async def drain(self) -> None:
        """Until all results are out."""
        for _ in range(self._latency + self._slices + 2):
            self.idle()
            await self.step()
        assert not self._due

    async def fill(self, rng: np.random.Generator, words: int) -> None:
        """Write the first words, each column of one kind."""
        for word in range(words):
            for column in range(self._columns):
                self.idle()
                self.write(word, column, draw(rng, rng.choice(KINDS), (SLICE_LANES,)))
                await self.step()
