# SPDX-License-Identifier: Apache-2.0
"""The stages of the engine at work on a layer, from event to event.

An event is the end of an item (an input row, a weight group, a step of the sequencer), the time
from which an item can arrive, or the output side being full or empty. Between two events all rates
are constant: beats flow.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from math import inf

from lineconv.cycle_model.loader import Loader
from lineconv.cycle_model.memory import read_rate, shares, write_rate
from lineconv.cycle_model.work import Output, Step, Work
from lineconv.presets import Array, MemoryModel

__all__ = ["Pipeline", "State", "Wait"]

# Cycles that the RTL takes, beside the latency of the memory:
_FIRST_REQUEST = 2  # from the start of a layer
_ROW_USE = 4  # from the request of a row to its first word, beside those of its beats
_GROUP_USE = 5  # the same of a weight group
_ROW_FREE = 7  # from the last word that reads a row to a request into its slot
_WORDS_FREE = 23  # the same of the words of a group
_PARAMETERS_FREE = 45  # and of its parameters, which are used after the array

# Results that wait for memory: slices in the FIFOs around requantisation, beats in the write FIFO.
_WAITING_SLICES = 80
_WAITING_BEATS = 32

_EPSILON = 1e-6


class Wait(Enum):
    """What the sequencer waits for."""

    INPUT = "input rows"
    WEIGHTS = "weights"
    ROOM = "room for results"


@dataclass(frozen=True)
class State:
    """A moment of a pipeline.

    Attributes:
        future: what the future depends on, beside the place in the walk.
        rows, groups: loaded so far.
        now, stalls: of the pipeline.
    """

    future: tuple[float, ...]
    rows: int
    groups: int
    now: float
    stalls: dict[Wait, float]


class Pipeline:
    """A layer under way.

    Attributes:
        now: cycles since the start of the layer.
        begun: when the first word was issued; infinite before.
        stalls: cycles without a word, by what the sequencer waited for.
    """

    def __init__(self, work: Work, array: Array, memory: MemoryModel) -> None:
        self._bandwidth = memory.bytes_per_cycle / array.beat_bytes

        def loader(items: int, beats: int, step: int, slots: int, use: int) -> Loader:
            return Loader(
                items,
                beats,
                slots,
                rate=read_rate(beats, step, memory.read_latency, memory.max_outstanding),
                latency=memory.read_latency + use,
                start=_FIRST_REQUEST,
            )

        self.rows = loader(work.rows, work.row_beats, work.row_step, work.row_slots, _ROW_USE)
        self.weights = loader(
            work.groups, work.group_beats, work.group_beats, work.group_slots, _GROUP_USE
        )
        self._group_free = _WORDS_FREE if work.words_bind else _PARAMETERS_FREE
        self._groups_freed = 0

        self._memory = memory
        self._num_slices = array.num_slices
        self._waiting = 0.0  # beats on the output side

        self.begin_pass(work.output)

        self.now = 0.0
        self.begun = inf
        self.stalls = dict.fromkeys(Wait, 0.0)

    def begin_pass(self, output: Output) -> None:
        """The results that follow are those of another pass."""
        self._output_cycles = output.cycles
        self._production = output.beats / (output.count * output.cycles)
        self._write_rate = write_rate(
            output.burst_beats, self._memory.write_latency, self._memory.max_outstanding
        )
        slice_beats = output.beats / (output.count * self._num_slices)
        self._room = _WAITING_SLICES * slice_beats + _WAITING_BEATS

    def run(self, step: Step) -> None:
        """Go on until a step of the sequencer is done."""
        left = step.outputs * self._output_cycles
        while self.rows.loaded < step.rows:
            self._advance(Wait.INPUT, inf)
        while self.weights.loaded < step.groups:
            self._advance(Wait.WEIGHTS, inf)
        self.begun = min(self.begun, self.now)
        while left > _EPSILON:
            left -= self._advance(Wait.ROOM, left)
        self.rows.free(step.rows_free, self.now + _ROW_FREE)
        if step.frees_group:
            self._groups_freed += 1
            self.weights.free(self._groups_freed, self.now + self._group_free)

    def drain(self) -> float:
        """Cycles until the results that wait are written."""
        return self._waiting / min(self._write_rate, self._bandwidth)

    def _advance(self, wait: Wait, work: float) -> float:
        """Go to the next event, at most over `work` cycles of the sequencer; how many it did."""
        rows, weights = self.rows, self.weights
        row_due, group_due = rows.due, weights.due
        row_rate = rows.rate if row_due <= self.now + _EPSILON else 0.0
        group_rate = weights.rate if group_due <= self.now + _EPSILON else 0.0
        production = 0.0 if wait is not Wait.ROOM else self._production
        row_rate, group_rate, drain, speed = self._rates(row_rate, group_rate, production)
        growth = production * speed - drain

        cycles = work / speed if wait is Wait.ROOM else inf
        for loader, due, rate in ((rows, row_due, row_rate), (weights, group_due, group_rate)):
            if rate:
                cycles = min(cycles, loader.left / rate)
            elif due > self.now:
                cycles = min(cycles, due - self.now)
        if growth > _EPSILON and self._waiting < self._room:
            cycles = min(cycles, (self._room - self._waiting) / growth)
        elif growth < -_EPSILON:
            cycles = min(cycles, -self._waiting / growth)

        self.now += cycles
        self._waiting = max(0.0, self._waiting + growth * cycles)
        if row_rate:
            rows.advance(row_rate * cycles)
        if group_rate:
            weights.advance(group_rate * cycles)
        if wait is not Wait.ROOM:
            self.stalls[wait] += cycles
            return 0.0
        self.stalls[wait] += (1 - speed) * cycles
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
        future = (*self.rows.state(self.now), *self.weights.state(self.now), self._waiting)
        return State(
            tuple(round(value, 3) for value in future),
            self.rows.loaded,
            self.weights.loaded,
            self.now,
            dict(self.stalls),
        )

    def skip(self, since: State, times: int) -> None:
        """Repeat what has happened since a state with the same future."""
        rows, groups = self.rows.loaded - since.rows, self.weights.loaded - since.groups
        cycles = times * (self.now - since.now)
        self.rows.skip(times * rows, cycles)
        self.weights.skip(times * groups, cycles)
        self._groups_freed += times * groups
        for wait in Wait:
            self.stalls[wait] += times * (self.stalls[wait] - since.stalls[wait])
        self.now += cycles

    def repeats(self, since: State) -> int:
        """How often `skip` can be done until a loader comes to its end."""
        rows, groups = self.rows.loaded - since.rows, self.weights.loaded - since.groups
        times = [sys.maxsize]
        if rows:
            times.append(self.rows.to_request // rows)
        if groups:
            times.append(self.weights.to_request // groups)
        return min(times)
