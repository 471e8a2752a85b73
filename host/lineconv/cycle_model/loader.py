# SPDX-License-Identifier: Apache-2.0
"""Row loader and weight loader of the cycle model: items that a memory port delivers in order."""

from __future__ import annotations

from collections import deque
from math import inf

__all__ = ["Loader"]

REQUEST_CYCLES = 2  # from one request to the next


class Loader:
    """Requests an item when its ring has a slot for it, and counts what has arrived.

    Attributes:
        rate: most beats per cycle.
        loaded: items that are completely in the ring.
        left: beats of the item under way that are still to come.
    """

    def __init__(
        self, items: int, beats: int, slots: int, *, rate: float, latency: float, start: float
    ) -> None:
        """
        Args:
            items, beats: how many there are, and the size of each.
            slots: items that the ring holds.
            rate: most beats per cycle.
            latency: cycles from a request to the use of the item, beside those of its beats.
            start: time of the first request.
        """
        self._items = items
        self._beats = beats
        self._slots = slots
        self._latency = latency
        self._requested = 0
        self._next_request = start
        self._due: deque[float] = deque()
        self.rate = rate
        self.loaded = 0
        self.left = float(beats)
        self.free(0, start)

    @property
    def due(self) -> float:
        """Time from which the item under way can arrive; infinite if nothing is requested."""
        return self._due[0] if self._due else inf

    @property
    def to_request(self) -> int:
        """Items that have not been requested yet."""
        return self._items - self._requested

    def free(self, items: int, time: float) -> None:
        """The slots of the first `items` may be overwritten from `time` on."""
        while self._requested < min(self._items, items + self._slots):
            request = max(time, self._next_request)
            self._due.append(request + self._latency)
            self._next_request = request + REQUEST_CYCLES
            self._requested += 1

    def advance(self, beats: float) -> None:
        """So many beats of the item under way arrive, at most those that are left."""
        self.left -= beats
        if self.left < 1e-6:
            self._due.popleft()
            self.loaded += 1
            self.left = float(self._beats)

    def state(self, now: float) -> tuple[float, ...]:
        """What the future depends on, relative to now and to the number of items loaded."""
        if not self._due:
            return (0.0,)
        first, last = max(0.0, self._due[0] - now), max(0.0, self._due[-1] - now)
        return (self._requested - self.loaded, self.left, first, last)

    def skip(self, items: int, cycles: float) -> None:
        """Repeat what has just happened until so many more items are loaded, `cycles` later."""
        self.loaded += items
        self._requested += items
        self._next_request += cycles
        self._due = deque(due + cycles for due in self._due)
