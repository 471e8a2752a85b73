# SPDX-License-Identifier: Apache-2.0
"""Row loader and weight loader of the cycle model: items that a memory port delivers in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from lineconv.cycle_model.memory import read_rate
from lineconv.cycle_model.work import Work
from lineconv.presets import Array, MemoryModel

__all__ = ["Loader", "RowLoader", "WeightLoader"]

# Cycles that the RTL takes, beside the latency of the memory:
_REQUEST = 2  # from one request to the next
_ROW_USE = 4  # from the request of a row to its first word, beside those of its beats
_GROUP_USE = 5  # the same of a weight group
_ROW_FREE = 7  # from the last word that reads a row to a request into its slot
_WORDS_FREE = 23  # the same of the words of a group
_PARAMETERS_FREE = 45  # and of its parameters, which are used after the array


@dataclass(frozen=True)
class _Item:
    """Something requested: when it can arrive, how much it is, and at most how fast."""

    due: float
    beats: int
    rate: float


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

    def advance(self, beats: float) -> None:
        """So many beats of the item under way arrive, at most those that are left."""
        self.left -= beats
        if self.left < 1e-6:
            self._items.popleft()
            self.loaded += 1
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
        self._items = deque(_Item(item.due + cycles, item.beats, item.rate) for item in self._items)

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
class _Groups:
    """Groups of a layer that are to be requested, from a time on."""

    count: int
    words: int
    beats: int
    rate: float
    time: float


class WeightLoader(Loader):
    """Requests the groups of one layer after the other as its rings have room."""

    def __init__(self, array: Array, memory: MemoryModel) -> None:
        super().__init__()
        self._memory = memory
        self._latency = memory.read_latency + _GROUP_USE
        self._waiting: deque[_Groups] = deque()
        self._held: deque[int] = deque()  # words of the groups in the rings
        self._words = array.weight_words  # free ones
        self._parameters = array.parameter_groups

    @property
    def to_request(self) -> int:
        """Groups of the layer in work that have not been requested yet."""
        return self._waiting[0].count if self._waiting else 0

    def under_way(self, time: float) -> float:
        """Cycles until the group that arrives at a time is complete; 0 if none does."""
        return self.left / self.rate if self.due <= time else 0.0

    def offer(self, work: Work, time: float) -> None:
        """The groups of one more layer may be requested from `time` on."""
        rate = read_rate(
            work.group_beats,
            work.group_beats,
            self._memory.read_latency,
            self._memory.max_outstanding,
        )
        self._waiting.append(_Groups(work.groups, work.group_words, work.group_beats, rate, time))
        self._request_groups(time)

    def free(self, time: float) -> None:
        """The last word that uses the oldest group was issued."""
        if self._parameters == 0:
            time += _PARAMETERS_FREE
        else:
            time += _WORDS_FREE
        self._words += self._held.popleft()
        self._parameters += 1
        self._request_groups(time)

    def state(self, now: float) -> tuple[float, ...]:
        return (*super().state(now), self._words, self._parameters)

    def skip(self, items: int, cycles: float) -> None:
        super().skip(items, cycles)
        if items:
            self._take(items)

    def _request_groups(self, time: float) -> None:
        """Request what has room from `time` on."""
        while self._waiting:
            groups = self._waiting[0]
            if self._words < groups.words or self._parameters == 0:
                break
            self._words -= groups.words
            self._parameters -= 1
            self._held.append(groups.words)
            self._request(max(time, groups.time), self._latency, groups.beats, groups.rate)
            self._take(1)

    def _take(self, count: int) -> None:
        self._waiting[0].count -= count
        if self._waiting[0].count == 0:
            self._waiting.popleft()
