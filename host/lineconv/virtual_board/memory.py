# SPDX-License-Identifier: Apache-2.0
"""Memory of the virtual board: one flat array, and an allocator that hands out pieces of it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

from lineconv.bus import ByteArray
from lineconv.errors import DeviceError, InvalidInputError

__all__ = ["Memory", "MemoryBuffer", "OutOfMemoryError"]

DEFAULT_MEMORY_BYTES = 512 << 20  # as on a PYNQ-Z2
DEFAULT_BASE_ADDRESS = 0x1000_0000
PAGE_BYTES = 4096
ADDRESS_LIMIT = 2**32  # of the engine's AXI ports


class OutOfMemoryError(DeviceError, MemoryError):
    """No free piece of the board's memory is large enough."""


class MemoryBuffer:
    """Piece of the board's memory; a `lineconv.bus.Buffer`.

    The virtual board has no cache, so `flush` and `invalidate` have nothing to do.

    Attributes:
        address: where the engine finds the first byte, a multiple of 4096.
        array: (nbytes,) uint8, the memory itself.
    """

    def __init__(self, memory: Memory, address: int, array: ByteArray) -> None:
        self._memory = memory
        self._in_use = True
        self.address = address
        self.array = array

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""

    def free(self) -> None:
        """Give the memory back; freeing twice does nothing."""
        if self._in_use:
            self._memory.free(self.address)
        self._in_use = False


@dataclass(frozen=True)
class _Piece:
    start: int
    end: int


class Memory:
    """`nbytes` of memory at `base_address`; the host gives pages only as they are touched.

    Attributes:
        base_address: address of the first byte.
        array: (nbytes,) uint8, all of it, zero at first.

    Raises:
        InvalidInputError: the size or the address is not a positive multiple of 4096, or the
            end is beyond the 32 address bits of the engine.
    """

    def __init__(self, nbytes: int, base_address: int) -> None:
        for name, value in (("memory_bytes", nbytes), ("base_address", base_address)):
            if value <= 0 or value % PAGE_BYTES:
                raise InvalidInputError(
                    f"{name} is {value:#x}, allowed are positive multiples of {PAGE_BYTES}"
                )
        if base_address + nbytes > ADDRESS_LIMIT:
            raise InvalidInputError(
                f"memory ends at {base_address + nbytes:#x}, allowed is up to {ADDRESS_LIMIT:#x}"
            )
        self.base_address = base_address
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        self.array: ByteArray = np.frombuffer(mmap.mmap(-1, nbytes, flags), dtype=np.uint8)
        self._used: list[_Piece] = []  # in order of address

    def allocate(self, nbytes: int) -> MemoryBuffer:
        """The first free piece of `nbytes` bytes, at a multiple of 4096; its content is old.

        Raises:
            InvalidInputError: nbytes is not positive.
            OutOfMemoryError: no free piece is large enough.
        """
        if nbytes <= 0:
            raise InvalidInputError(f"nbytes is {nbytes}, allowed is 1 or more")
        end = self.base_address + self.array.size
        start = self.base_address
        for index, piece in enumerate([*self._used, _Piece(end, end)]):
            if piece.start - start >= nbytes:
                self._used.insert(index, _Piece(start, start + nbytes))
                offset = start - self.base_address
                return MemoryBuffer(self, start, self.array[offset : offset + nbytes])
            start = -(-piece.end // PAGE_BYTES) * PAGE_BYTES
        used = sum(piece.end - piece.start for piece in self._used)
        raise OutOfMemoryError(
            f"no {nbytes} bytes in one piece: {used} of {self.array.size} bytes are in use"
        )

    def free(self, address: int) -> None:
        """Give back the piece that starts at `address`."""
        self._used = [piece for piece in self._used if piece.start != address]
