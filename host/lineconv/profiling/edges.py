# SPDX-License-Identifier: Apache-2.0
"""Where the lines of a drawn network go that pass other layers on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Lane", "lanes", "neighbours"]


@dataclass(frozen=True)
class Lane:
    """A vertical line from one row to others further down.

    Attributes:
        track: counts from the rows outwards; lanes of one track do not overlap.
        source: row that it comes from.
        targets: rows that it leads to, ascending; none is the next one.
    """

    track: int
    source: int
    targets: tuple[int, ...]


def neighbours(sources: Sequence[Sequence[int]]) -> list[int]:
    """The rows that read what the row above them makes; `sources` are the rows each one reads."""
    return [row for row, read in enumerate(sources) if row - 1 in read]


def lanes(sources: Sequence[Sequence[int]]) -> list[Lane]:
    """One lane for each row that others than the next one read; short ones lie inside."""
    targets: dict[int, list[int]] = {}
    for row, read in enumerate(sources):
        for source in read:
            if source < row - 1:
                targets.setdefault(source, []).append(row)
    tracks: list[list[tuple[int, int]]] = []
    found = []
    for source, rows in sorted(targets.items(), key=lambda item: (item[1][-1] - item[0], item[0])):
        span = (source, rows[-1])
        track = next(
            (
                index
                for index, taken in enumerate(tracks)
                if not any(_overlap(span, t) for t in taken)
            ),
            len(tracks),
        )
        tracks[track:] = tracks[track:] or [[]]
        tracks[track].append(span)
        found.append(Lane(track, source, tuple(rows)))
    return found


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]
