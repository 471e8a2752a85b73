# SPDX-License-Identifier: Apache-2.0
"""The stages of the engine at work on a layer, from event to event.

An event is the end of an item (an input row, a unit of weights, a step of the sequencer), the time
from which an item can arrive, or the output side being full or empty. Between two events all rates
are constant: beats flow.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from math import inf

from lineconv.cycle_model.loader import RowLoader, WeightLoader
from lineconv.cycle_model.memory import shares, write_rate
from lineconv.cycle_model.work import Output, Step, Work
from lineconv.errors import InvalidInputError
from lineconv.presets import Array, MemoryModel

__all__ = ["Pipeline", "State", "Wait"]

# Results that wait for memory: slices in the FIFOs around requantisation, beats in the write FIFO.
_WAITING_SLICES = 80
_WAITING_BEATS = 32

_EPSILON = 1e-6


class Wait(Enum):
    """What the sequencer waits for."""

    INPUT = "input rows"
    WEIGHTS = "weights"
    ROOM = "room for results"
    COMPLETION = "the end of the layer"


@dataclass(frozen=True)
class State:
    """A moment of a layer.

    Attributes:
        future: what the future depends on, beside the place in the walk.
        rows, weights: rows and units of weights loaded so far.
        read_beats, now, stalls: of the pipeline.
    """

    future: tuple[float, ...]
    rows: int
    weights: int
    read_beats: float
    now: float
    stalls: dict[Wait, float]


class Pipeline:
    """The engine at work on one layer after the other.

    Attributes:
        now: cycles since the start of the program.
        read_beats: of rows and weights so far.
        begun: when the first word of the layer was issued; infinite before.
        stalls: cycles of the layer without a word, by what the sequencer waited for.
        weights: loader, which outlives a layer.
    """

    def __init__(self, array: Array, memory: MemoryModel, start: float) -> None:
        """`start`: time at which the first layer begins."""
        self._memory = memory
        self._bandwidth = memory.bytes_per_cycle / array.beat_bytes
        self.weights = WeightLoader(array, memory)
        self._rows: RowLoader
        self._slices = 1  # of a group of the layer
        self._first_unit = self._units = 0  # of weights: of the layer, and of the one that follows
        self._waiting = 0.0  # beats on the output side
        self._write_rate = 1.0
        self._room = 0.0
        self.read_beats = 0.0
        self.now = start
        self.begun = inf
        self.stalls = dict.fromkeys(Wait, 0.0)

    def begin_layer(self, layer: Work, following: Work | None) -> float:
        """The stages start on a layer, whose weights come next from the weight loader, and the
        descriptor of the one behind it is read; when."""
        if following is not None:
            self.weights.fetch(following, self.now)
        self._rows = RowLoader(layer, self._memory, self.now)
        self._slices = layer.group_slices
        self._first_unit = self._units
        self._units += layer.groups * layer.group_units
        self.begun = inf
        self.stalls = dict.fromkeys(Wait, 0.0)
        return self.now

    def end_layer(self, latency: float) -> None:
        """Go on until all results are written and `latency` cycles are over after that."""
        while self._waiting > _EPSILON:
            self._advance(Wait.COMPLETION, inf)
        self.wait(self.now + latency)

    def wait_for_check(self) -> None:
        """Go on until the next layer is checked."""
        while self.weights.checked == inf:
            self._advance(Wait.COMPLETION, inf)
        self.wait(self.weights.checked)

    def wait(self, time: float) -> None:
        """Go on until that time."""
        while self.now < time - _EPSILON:
            self._advance(Wait.COMPLETION, time - self.now)

    def begin_pass(self, output: Output) -> None:
        """The results that follow are those of another pass."""
        self._output_cycles = output.cycles
        self._production = output.beats / (output.count * output.cycles)
        self._write_rate = write_rate(
            output.burst_beats, self._memory.write_latency, self._memory.max_outstanding
        )
        slice_beats = output.beats / (output.count * self._slices)
        self._room = _WAITING_SLICES * slice_beats + _WAITING_BEATS

    def run(self, step: Step) -> None:
        """Go on until a step of the sequencer is done."""
        while self._rows.loaded < step.rows:
            self._advance(Wait.INPUT, inf)
        while self.weights.loaded < self._first_unit + step.weights:
            self._advance(Wait.WEIGHTS, inf)
        self.begun = min(self.begun, self.now)
        left = step.outputs * self._output_cycles
        while left > _EPSILON:
            left -= self._advance(Wait.ROOM, left)
        self._rows.free(step.rows_free, self.now)
        if step.frees_weights:
            self.weights.free(self.now)

    def _advance(self, wait: Wait, most: float) -> float:
        """Go to the next event, at most over `most` cycles; how many it were.

        Args:
            most: of the sequencer, if it works and waits for room only.
        """
        rows, weights = self._rows, self.weights
        row_due, group_due = rows.due, weights.due
        row_rate = rows.rate if row_due <= self.now + _EPSILON else 0.0
        group_rate = weights.rate if group_due <= self.now + _EPSILON else 0.0
        production = self._production if wait is Wait.ROOM else 0.0
        row_rate, group_rate, drain, speed = self._rates(row_rate, group_rate, production)
        growth = production * speed - drain

        cycles = most / speed
        for loader, due, rate in ((rows, row_due, row_rate), (weights, group_due, group_rate)):
            if rate:
                cycles = min(cycles, loader.left / rate)
            elif due > self.now:
                cycles = min(cycles, due - self.now)
        if growth > _EPSILON and self._waiting < self._room:
            cycles = min(cycles, (self._room - self._waiting) / growth)
        elif growth < -_EPSILON:
            cycles = min(cycles, -self._waiting / growth)

        if cycles == inf:
            raise InvalidInputError(f"the tile does not fit the array: no {wait.value}, ever")

        self.now += cycles
        self.read_beats += (row_rate + group_rate) * cycles
        self._waiting = max(0.0, self._waiting + growth * cycles)
        if row_rate:
            rows.advance(row_rate * cycles, self.now)
        if group_rate:
            weights.advance(group_rate * cycles, self.now)
        self.stalls[wait] += (1 - speed) * cycles if wait is Wait.ROOM else cycles
        return speed * cycles

    def _rates(
        self, rows: float, weights: float, production: float
    ) -> tuple[float, float, float, float]:
        """(beats per cycle of rows, of weights, of writes; speed of the sequencer) now.

        Args:
            rows, weights: what the loaders could take.
            production: beats of results per cycle at full speed.
        """
        together = shares(self._bandwidth, rows, weights, self._write_rate)
        write = together[2]
        if self._waiting > _EPSILON or production >= write:
            full = production > write and self._waiting > self._room - _EPSILON
            return (*together, write / production if full else 1.0)
        # Bursts are written as they get full; the loaders have the memory for themselves between.
        alone = shares(self._bandwidth, rows, weights, 0.0)
        busy = production / write
        row_rate = busy * together[0] + (1 - busy) * alone[0]
        group_rate = busy * together[1] + (1 - busy) * alone[1]
        return row_rate, group_rate, production, 1.0

    def state(self) -> State:
        """Where it stands, to be compared with where it stood before."""
        future = (*self._rows.state(self.now), *self.weights.state(self.now), self._waiting)
        return State(
            tuple(round(value, 3) for value in future),
            self._rows.loaded,
            self.weights.loaded,
            self.read_beats,
            self.now,
            dict(self.stalls),
        )

    def skip(self, since: State, times: int) -> None:
        """Repeat what has happened since a state with the same future."""
        rows, weights = self._rows.loaded - since.rows, self.weights.loaded - since.weights
        cycles = times * (self.now - since.now)
        self._rows.skip(times * rows, cycles)
        self.weights.skip(times * weights, cycles)
        self.read_beats += times * (self.read_beats - since.read_beats)
        for wait in Wait:
            self.stalls[wait] += times * (self.stalls[wait] - since.stalls[wait])
        self.now += cycles

    def repeats(self, since: State) -> int:
        """How often `skip` can be done until a loader comes to its end."""
        rows, weights = self._rows.loaded - since.rows, self.weights.loaded - since.weights
        times = [sys.maxsize]
        if rows:
            times.append(self._rows.to_request // rows)
        if weights:
            times.append(self.weights.to_request // weights)
        return min(times)
