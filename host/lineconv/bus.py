# SPDX-License-Identifier: Apache-2.0
"""What the driver needs from a board: registers, memory that both sides see, an interrupt.

A pynq overlay, the virtual board and the functional model each provide these; the driver knows
nothing else about them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "AP_DONE",
    "AP_IDLE",
    "AP_READY",
    "AP_START",
    "Allocator",
    "Buffer",
    "ByteArray",
    "RegisterBus",
    "Wait",
]

# Bits of the CTRL register, which are the same in every Vitis HLS core.
AP_START = 1 << 0
AP_DONE = 1 << 1
AP_IDLE = 1 << 2
AP_READY = 1 << 3

ByteArray: TypeAlias = npt.NDArray[np.uint8]

# Waits at most that many seconds for the interrupt; False if it did not come.
Wait: TypeAlias = Callable[[float], bool]


class RegisterBus(Protocol):
    """The control registers of one engine; `pynq.DefaultIP` is one as it is."""

    def read(self, offset: int) -> int:
        """The 32-bit register at that byte offset."""
        ...

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at that byte offset."""
        ...


class Buffer(Protocol):
    """Physically contiguous memory, seen by the processor and by the engine."""

    @property
    def address(self) -> int:
        """Where the engine finds the first byte."""
        ...

    @property
    def array(self) -> ByteArray:
        """The processor's view, one-dimensional."""
        ...

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        """Make what the processor wrote to `array[start:stop]` visible to the engine."""
        ...

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        """Make what the engine wrote to `array[start:stop]` visible to the processor."""
        ...

    def free(self) -> None:
        """Give the memory back; neither side may use it after that."""
        ...


class Allocator(Protocol):
    """Where buffers come from."""

    def allocate(self, nbytes: int) -> Buffer:
        """A buffer of at least that many bytes.

        Raises:
            MemoryError: there is not enough contiguous memory.
        """
        ...
