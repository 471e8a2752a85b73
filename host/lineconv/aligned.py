# SPDX-License-Identifier: Apache-2.0
"""Buffers that start where a descriptor may."""

from __future__ import annotations

from lineconv.bus import Allocator, ByteArray
from lineconv.regs import DESCRIPTOR_BYTES

__all__ = ["AlignedBuffer"]


class AlignedBuffer:
    """A `lineconv.bus.Buffer` of exactly `nbytes`, at a multiple of the descriptor size.

    Raises:
        MemoryError: the device has too little memory.
    """

    def __init__(self, allocator: Allocator, nbytes: int) -> None:
        self._buffer = allocator.allocate(nbytes + DESCRIPTOR_BYTES)
        self._skip = -self._buffer.address % DESCRIPTOR_BYTES
        self.address = self._buffer.address + self._skip
        self.array: ByteArray = self._buffer.array[self._skip : self._skip + nbytes]

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer.flush(*self._range(start, stop))

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer.invalidate(*self._range(start, stop))

    def free(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer.free()

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        return self._skip + start, self._skip + (self.array.size if stop is None else stop)
