# SPDX-License-Identifier: Apache-2.0
"""The virtual board: registers, memory, clock and interrupt of the Verilated engine."""

from __future__ import annotations

import ctypes
import os
import weakref
from dataclasses import astuple, dataclass
from types import TracebackType
from typing import Any, Literal, TypeAlias

from lineconv import presets
from lineconv.bus import ByteArray
from lineconv.errors import DeviceError, InvalidInputError
from lineconv.presets import MemoryModel, Preset
from lineconv.progress import Progress
from lineconv.virtual_board import build
from lineconv.virtual_board.interface import Fault, Timing, load
from lineconv.virtual_board.memory import (
    DEFAULT_BASE_ADDRESS,
    DEFAULT_MEMORY_BYTES,
    Memory,
    MemoryBuffer,
)

__all__ = ["SimulationError", "Traffic", "VirtualBoard"]

RUN_CYCLES = 20_000  # per C call, so that Ctrl-C is answered within a fraction of a second

FaultResponse: TypeAlias = Literal["slverr", "decerr", "never"]
_RESPONSES: dict[FaultResponse, int] = {"slverr": 2, "decerr": 3, "never": 4}


class SimulationError(DeviceError):
    """The engine broke the AXI protocol, did not answer a register access, or called $fatal."""


@dataclass(frozen=True)
class Traffic:
    """Beats that one AXI port moved since the board was made."""

    read_beats: int
    write_beats: int


class VirtualBoard:
    """A board whose programmable logic is the RTL of this repository under Verilator.

    It is the register bus, the allocator and the wait function that a driver needs (lineconv.bus).
    Time passes only inside calls: a register access costs its real cycles, `run` and the waits
    advance the clock. The same calls with the same seed give the same run, cycle for cycle.

    Attributes:
        preset: configuration that was built.
        memory_model: timing of the memory; `configure` changes it.

    Args:
        preset: name in lineconv.presets.PRESETS, or a Preset.
        memory_bytes: size of the memory; pages are taken from the host as they are touched.
        base_address: address of its first byte.
        trace: file for a VCD trace of everything, for short runs; needs its own build.
        progress: told about a build, if one is needed; None shows it on stderr.

    Raises:
        InvalidInputError: unknown preset, or a memory that does not fit 32 address bits.
        MissingToolError, BuildError: the library cannot be built.
    """

    def __init__(
        self,
        preset: Preset | str = "pynq-z2",
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        base_address: int = DEFAULT_BASE_ADDRESS,
        *,
        trace: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.preset = presets.preset(preset) if isinstance(preset, str) else preset
        self._memory = Memory(memory_bytes, base_address)
        path = build.library(self.preset.array, trace=trace is not None, progress=progress)
        self._library = load(path, trace is not None)
        self._handle = self._library.board_create(
            self._memory.array.ctypes.data, memory_bytes, base_address
        )
        # Also without close(), and before the memory goes: the finalizer holds on to it.
        self._finalizer = weakref.finalize(
            self, _destroy, self._library, self._handle, self._memory.array
        )
        if trace is not None:
            self._call("open_trace", os.fsencode(trace))
        self.configure(self.preset.memory)
        self.reset()

    def __enter__(self) -> VirtualBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation; the board cannot be used after that. Closing twice does nothing."""
        self._finalizer()

    # Registers ------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """The 32-bit register at that byte offset.

        Raises:
            InvalidInputError: offset is not a multiple of 4 in 0..4095.
            SimulationError: no answer, or an error response.
        """
        value = ctypes.c_uint32()
        self._call("read", _checked_offset(offset), ctypes.byref(value))
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at that byte offset.

        Raises:
            InvalidInputError: offset is not a multiple of 4 in 0..4095, or value not 32 bits.
            SimulationError: no answer, or an error response.
        """
        if not 0 <= value < 2**32:
            raise InvalidInputError(f"value is {value:#x}, allowed are 32 bits without sign")
        self._call("write", _checked_offset(offset), value)

    # Memory ---------------------------------------------------------------------------------

    @property
    def memory(self) -> ByteArray:
        """(memory_bytes,) uint8: the memory itself, as host and engine see it."""
        return self._memory.array

    @property
    def base_address(self) -> int:
        """Address of the first byte of `memory`."""
        return self._memory.base_address

    def allocate(self, nbytes: int) -> MemoryBuffer:
        """`nbytes` of memory in one piece, at a multiple of 4096.

        Raises:
            InvalidInputError: nbytes is not positive.
            OutOfMemoryError: no free piece is large enough.
        """
        return self._memory.allocate(nbytes)

    def configure(self, memory_model: MemoryModel) -> None:
        """Change the timing of the memory and restart its stall sequence from the seed."""
        timing = Timing(*astuple(memory_model))
        self._library.board_configure(self._open_handle(), ctypes.byref(timing))
        self.memory_model = memory_model

    def add_fault(
        self,
        address: int,
        nbytes: int,
        response: FaultResponse,
        *,
        reads: bool = True,
        writes: bool = True,
    ) -> None:
        """Let accesses to `nbytes` bytes at `address` fail from now on.

        Args:
            response: "slverr" or "decerr" is answered, "never" means that no answer comes.

        Raises:
            InvalidInputError: unknown response, or an empty range.
        """
        if response not in _RESPONSES:
            raise InvalidInputError(f"response is {response!r}, allowed: {', '.join(_RESPONSES)}")
        if address < 0 or nbytes <= 0:
            raise InvalidInputError(f"{nbytes} bytes at {address:#x} are no address range")
        fault = Fault(address, address + nbytes - 1, _RESPONSES[response], reads, writes)
        self._library.board_add_fault(self._open_handle(), ctypes.byref(fault))

    def clear_faults(self) -> None:
        """Repair the memory; what was never answered is answered now."""
        self._library.board_clear_faults(self._open_handle())

    @property
    def traffic(self) -> tuple[Traffic, Traffic]:
        """Beats that went over gmem0 and gmem1."""
        handle = self._open_handle()
        read_beats, write_beats = self._library.board_read_beats, self._library.board_write_beats
        return (
            Traffic(read_beats(handle, 0), write_beats(handle, 0)),
            Traffic(read_beats(handle, 1), write_beats(handle, 1)),
        )

    # Time -----------------------------------------------------------------------------------

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made."""
        return int(self._library.board_cycles(self._open_handle()))

    @property
    def interrupt(self) -> bool:
        """Level of the interrupt output."""
        return bool(self._library.board_interrupt(self._open_handle()))

    def reset(self) -> None:
        """Hold the engine and its AXI ports in reset for 16 cycles; memory keeps its content."""
        self._call("reset")

    def run(self, cycles: int) -> None:
        """Advance the clock.

        Raises:
            SimulationError: the engine broke the AXI protocol.
        """
        for done in range(0, cycles, RUN_CYCLES):
            self._call("run", min(RUN_CYCLES, cycles - done))

    def wait_interrupt(self, timeout_cycles: int) -> bool:
        """Advance the clock until the interrupt is high; False if it was not in that time.

        Raises:
            SimulationError: the engine broke the AXI protocol.
        """
        interrupt = ctypes.c_bool(self.interrupt)
        for done in range(0, timeout_cycles, RUN_CYCLES):
            if interrupt.value:
                break
            cycles = min(RUN_CYCLES, timeout_cycles - done)
            self._call("run_until_interrupt", cycles, ctypes.byref(interrupt))
        return interrupt.value

    def wait(self, timeout_s: float) -> bool:
        """As `wait_interrupt`, with the timeout in seconds of simulated time."""
        return self.wait_interrupt(round(timeout_s * self.preset.clock_hz))

    # ----------------------------------------------------------------------------------------

    def _open_handle(self) -> int:
        if not self._finalizer.alive:
            raise DeviceError("the virtual board is closed")
        handle: int = self._handle
        return handle

    def _call(self, name: str, *arguments: Any) -> None:
        handle = self._open_handle()
        if not getattr(self._library, f"board_{name}")(handle, *arguments):
            raise SimulationError(self._library.board_error(handle).decode(errors="replace"))


def _destroy(library: ctypes.CDLL, handle: int, memory: ByteArray) -> None:
    library.board_destroy(handle)


def _checked_offset(offset: int) -> int:
    if not 0 <= offset < 4096 or offset % 4:
        raise InvalidInputError(f"offset is {offset:#x}, allowed are multiples of 4 below 0x1000")
    return offset
