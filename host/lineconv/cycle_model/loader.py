# SPDX-License-Identifier: Apache-2.0
"""Row loader and weight loader of the cycle model: items that a memory port delivers in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from math import ceil, inf

from lineconv.cycle_model.memory import MAX_OUTSTANDING, burst_count, read_rate
from lineconv.cycle_model.work import Work
from lineconv.presets import Array, MemoryModel
from lineconv.regs import DESCRIPTOR_READ_BYTES

__all__ = ["CHECK_CYCLES", "Loader", "RowLoader", "WeightLoader"]

# Cycles that the RTL takes, beside the latency of the memory:
_REQUEST = 2  # from one request to the next
_ROW_USE = 4  # from the request of a row to its first word, beside those of its beats
_UNIT_USE = 5  # the same of a unit of weights: those of a group, or of a kernel row
_ROW_FREE = 7  # from the last word that reads a row to a request into its slot
_WORDS_FREE = 23  # the same of the words of a unit
_TAKE = 2  # from a check to the request for the weights: a descriptor asked for by then is first
CHECK_CYCLES = 140  # from the last beat of a descriptor to its layer, with the numbers in it
_PARAMETERS_FREE = 45  # and of the parameters of a group, which are used after the array


@dataclass(frozen=True)
class _Item:
    """Something requested: when it can arrive, how much it is, and at most how fast.

    Attributes:
        counts: it is a row or a unit of weights, no descriptor.
    """

    due: float
    beats: int
    rate: float
    counts: bool = True


class Loader:
    """What was requested and has not arrived.

    Attributes:
        loaded: items that are completely in the ring.
        left: beats of the item under way that are still to come.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._items: deque[_Item] = deque()
        self._next_request = start
        self.loaded = 0
        self.left = 0.0

    @property
    def due(self) -> float:
        """Time from which the item under way can arrive; infinite if nothing is requested."""
        return self._items[0].due if self._items else inf

    @property
    def rate(self) -> float:
        """Most beats per cycle of the item under way."""
        return self._items[0].rate

    def advance(self, beats: float, now: float) -> None:
        """So many beats of the item under way have arrived by now, at most those that are left."""
        self.left -= beats
        if self.left < 1e-6:
            self.loaded += self._items.popleft().counts
            self.left = float(self._items[0].beats) if self._items else 0.0

    def state(self, now: float) -> tuple[float, ...]:
        """What the future depends on, relative to now."""
        if not self._items:
            return (0.0,)
        first, last = max(0.0, self._items[0].due - now), max(0.0, self._items[-1].due - now)
        return (len(self._items), self.left, first, last)

    def skip(self, items: int, cycles: float) -> None:
        """Repeat what has just happened until so many more items are loaded, `cycles` later."""
        self.loaded += items
        self._next_request += cycles
        self._items = deque(replace(item, due=item.due + cycles) for item in self._items)

    def _request(self, time: float, latency: float, beats: int, rate: float) -> None:
        time = max(time, self._next_request)
        self._next_request = time + _REQUEST
        if not self._items:
            self.left = float(beats)
        self._items.append(_Item(time + latency, beats, rate))


class RowLoader(Loader):
    """Requests the rows of a layer as slots of the ring become free."""

    def __init__(self, work: Work, memory: MemoryModel, start: float) -> None:
        super().__init__(start)
        self._work = work
        self._requested = 0
        self._rate = read_rate(
            work.row_beats, work.row_step, memory.read_latency, memory.max_outstanding
        )
        self._latency = memory.read_latency + _ROW_USE
        self.free(0, start + _REQUEST - _ROW_FREE)

    @property
    def to_request(self) -> int:
        """Rows that have not been requested yet."""
        return self._work.rows - self._requested

    def free(self, rows: int, time: float) -> None:
        """The last word that reads one of the first `rows` was issued."""
        most = min(self._work.rows, rows + self._work.row_slots)
        while self._requested < most:
            self._request(time + _ROW_FREE, self._latency, self._work.row_beats, self._rate)
            self._requested += 1

    def skip(self, items: int, cycles: float) -> None:
        super().skip(items, cycles)
        self._requested += items


@dataclass
class _Weights:
    """The units of a layer's weights that are to be requested, from a time on."""

    work: Work
    rate: float
    time: float
    next: int = 0

    @property
    def left(self) -> int:
        """Units that have not been requested."""
        return self.work.groups * self.work.group_units - self.next

    @property
    def words(self) -> int:
        """Words of a unit."""
        return self.work.group_words // self.work.group_units

    @property
    def begins_group(self) -> bool:
        """The next unit comes with the parameters of its group."""
        return self.next % self.work.group_units == 0

    @property
    def ends_group(self) -> bool:
        """The next unit is the last of its group."""
        return (self.next + 1) % self.work.group_units == 0

    @property
    def beats(self) -> int:
        """Of the next unit."""
        beats = self.work.unit_beats
        if self.begins_group:
            beats += self.work.parameter_beats
        if self.next == 0:
            beats += self.work.table_beats
        return beats


class WeightLoader(Loader):
    """Requests the weights of one layer after the other as its rings have room.

    The descriptors come through the same port, each while the layer before it runs.

    Attributes:
        checked: when the last descriptor that was asked for is checked; infinite before it is here.
    """

    def __init__(self, array: Array, memory: MemoryModel) -> None:
        super().__init__()
        self.checked = inf
        self._next: Work | None = None  # whose descriptor is under way
        self._descriptor_beats = DESCRIPTOR_READ_BYTES // array.beat_bytes
        self._memory = memory
        self._latency = memory.read_latency + _UNIT_USE
        self._waiting: deque[_Weights] = deque()
        self._held: deque[tuple[int, int]] = deque()  # words and slices that the units give back
        self._words = array.weight_words  # free ones
        self._slices = array.parameter_slices

    @property
    def to_request(self) -> int:
        """Units of the layer in work that have not been requested yet."""
        return self._waiting[0].left if self._waiting else 0

    def fetch(self, work: Work, time: float) -> None:
        """The descriptor of one more layer is asked for, behind what the port works on."""
        beats = self._descriptor_beats
        rate = read_rate(beats, beats, self._memory.read_latency, self._memory.max_outstanding)
        item = _Item(time + self._memory.read_latency, beats, rate, counts=False)
        # The port takes a request when all bursts of those before it are on their way.
        place, bursts = 0, 0.0
        while place < len(self._items) and bursts <= MAX_OUTSTANDING:
            if self._items[place].due - self._latency > time - _TAKE:
                break
            bursts += burst_count(self._items[place].beats if place else ceil(self.left))
            place += 1
        self._items.insert(place, item)
        if place == 0:
            self.left = float(beats)
        self.checked = inf
        self._next = work

    def advance(self, beats: float, now: float) -> None:
        is_descriptor = not self._items[0].counts
        super().advance(beats, now)
        if is_descriptor and self._next is not None and (not self._items or self._items[0].counts):
            self.checked = now + CHECK_CYCLES
            self.offer(self._next, self.checked)
            self._next = None

    def offer(self, work: Work, time: float) -> None:
        """The weights of one more layer may be requested from `time` on."""
        beats = work.unit_beats + work.parameter_beats // work.group_units
        memory = self._memory
        rate = read_rate(beats, beats, memory.read_latency, memory.max_outstanding)
        self._waiting.append(_Weights(work, rate, time))
        self._request_units(time)

    def free(self, time: float) -> None:
        """The last word that uses the oldest unit was issued."""
        words, slices = self._held.popleft()
        needed = self._waiting[0].work.group_slices if self._waiting else 0
        if slices and self._slices < needed:
            time += _PARAMETERS_FREE
        else:
            time += _WORDS_FREE
        self._words += words
        self._slices += slices
        self._request_units(time)

    def state(self, now: float) -> tuple[float, ...]:
        place = self._waiting[0].begins_group if self._waiting else True
        return (*super().state(now), self._words, self._slices, place)

    def skip(self, items: int, cycles: float) -> None:
        super().skip(items, cycles)
        if items:
            self._take(items)

    def _request_units(self, time: float) -> None:
        """Request what has room from `time` on."""
        while self._waiting:
            weights = self._waiting[0]
            slices = weights.work.group_slices
            if self._words < weights.words or (weights.begins_group and self._slices < slices):
                break
            self._words -= weights.words
            self._slices -= slices if weights.begins_group else 0
            self._held.append((weights.words, slices if weights.ends_group else 0))
            start = max(time, weights.time)
            self._request(start, self._latency, weights.beats, weights.rate)
            self._take(1)

    def _take(self, count: int) -> None:
        self._waiting[0].next += count
        if self._waiting[0].left == 0:
            self._waiting.popleft()
