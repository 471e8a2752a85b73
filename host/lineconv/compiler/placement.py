# SPDX-License-Identifier: Apache-2.0
"""Gives buffers their addresses, the same one to several that are not needed at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lineconv.compiler.lowering import Work
from lineconv.compiler.memory import Buffer
from lineconv.compiler.network import Pack, Unpack
from lineconv.compiler.schedule import Item
from lineconv.packing import ceil_div

__all__ = ["ALIGNMENT", "align", "place"]

ALIGNMENT = 256  # whole bursts, and descriptors


@dataclass
class _Life:
    """Of a buffer: when it is used first and last."""

    first: int
    last: int

    def meets(self, other: _Life) -> bool:
        """Both are needed at some time."""
        return self.first <= other.last and other.first <= self.last


def align(nbytes: int) -> int:
    """Rounded up."""
    return ceil_div(nbytes, ALIGNMENT) * ALIGNMENT


def place(
    items: Sequence[Item], buffers: Mapping[str, Buffer], *, keep: bool
) -> tuple[dict[str, int], int]:
    """Offsets of the buffers without content that something uses, and the size of them all.

    The largest buffer first, each goes to the lowest place that is free for its whole life.

    Args:
        keep: no place is used twice.
    """
    lives: dict[str, _Life] = {}
    time = 0
    for time, names in enumerate(_uses(items)):
        for name in names:
            lives.setdefault(name, _Life(0 if keep else time, time)).last = time
    if keep:
        lives = {name: _Life(0, time) for name in lives}
    offsets: dict[str, int] = {}
    free = [name for name in lives if buffers[name].content is None]
    for name in sorted(free, key=lambda name: (-buffers[name].nbytes, lives[name].first)):
        nbytes = buffers[name].nbytes
        taken = sorted(
            (offsets[other], offsets[other] + align(buffers[other].nbytes))
            for other in offsets
            if lives[other].meets(lives[name])
        )
        start = 0
        for first, end in taken:
            if start + nbytes <= first:
                break
            start = max(start, end)
        offsets[name] = start
    ends = (offset + buffers[name].nbytes for name, offset in offsets.items())
    return offsets, align(max(ends, default=0))


def _uses(items: Sequence[Item]) -> Iterator[set[str]]:
    """The buffers in use, moment by moment."""
    for item in items:
        if isinstance(item, Pack):
            yield {item.target.view.buffer}
        elif isinstance(item, Unpack):
            yield {item.source.view.buffer}
        elif isinstance(item, Work):
            for operation, _ in item.operations:
                yield {view.buffer for view in (*operation.inputs, operation.output)}
