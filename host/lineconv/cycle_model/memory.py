# SPDX-License-Identifier: Apache-2.0
"""What the memory ports give: beats per cycle of one stream, and of several that share."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from math import gcd

from lineconv.packing import ceil_div

__all__ = ["MAX_OUTSTANDING", "burst_count", "read_rate", "shares", "write_rate"]

BURST_BEATS = 16
MAX_OUTSTANDING = 8  # bursts in flight per port and direction

# Cycles between the end of a burst and the issue of the one that takes its place.
_READ_TURN = 1
_WRITE_TURN = 2


def burst_count(beats: int) -> float:
    """Bursts of a transfer, on average over all places where it may begin."""
    return (beats - 1) / BURST_BEATS + 1


def write_rate(burst_beats: float, latency: int, max_outstanding: int) -> float:
    """Beats per cycle of bursts whose response takes so long from their last beat."""
    outstanding = min(MAX_OUTSTANDING, max_outstanding)
    return min(1.0, outstanding * burst_beats / (latency + _WRITE_TURN + burst_beats))


@lru_cache(maxsize=4096)
def read_rate(beats: int, step: int, latency: int, max_outstanding: int) -> float:
    """Beats per cycle of many transfers that begin `step` beats apart.

    Args:
        latency: cycles from a request to the first beat.
    """
    outstanding = min(MAX_OUTSTANDING, max_outstanding)
    turn = latency + _READ_TURN
    if beats >= outstanding * BURST_BEATS and turn <= (outstanding - 3) * BURST_BEATS:
        return 1.0  # only the first and the last burst of a transfer are short
    period = BURST_BEATS // gcd(BURST_BEATS, step)  # transfers, after which the bursts repeat
    bursts = [
        burst_beats for index in range(period) for burst_beats in _bursts(index * step, beats)
    ]
    ends = deque([0] * outstanding)
    end = 0

    def run(rounds: int) -> None:
        nonlocal end
        for burst_beats in rounds * bursts:
            end = max(end, ends.popleft() + turn) + burst_beats
            ends.append(end)

    rounds = ceil_div(8 * outstanding, len(bursts))
    run(rounds)  # to get into step
    begin = end
    run(rounds)
    return rounds * sum(bursts) / (end - begin)


def _bursts(first: int, beats: int) -> Iterator[int]:
    """Beats of the bursts of a transfer; they do not cross multiples of BURST_BEATS."""
    while beats:
        burst_beats = min(beats, BURST_BEATS - first % BURST_BEATS)
        yield burst_beats
        first += burst_beats
        beats -= burst_beats


def shares(total: float, first: float, second: float, third: float) -> tuple[float, float, float]:
    """Beats per cycle for three streams that could use `first`, `second` and `third`.

    They take turns, a beat each: nobody gets more than another who could use it.
    """
    if first + second + third <= total:
        return first, second, third
    fair = total / 3
    for _ in range(2):  # what one leaves is for the others
        small = [rate for rate in (first, second, third) if rate <= fair]
        if len(small) == 3:
            break
        fair = (total - sum(small)) / (3 - len(small))
    return min(first, fair), min(second, fair), min(third, fair)
