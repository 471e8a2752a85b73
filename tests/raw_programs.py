# SPDX-License-Identifier: Apache-2.0
"""Programs of any descriptors as bytes in memory, and what runs them on a board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lineconv import regs
from lineconv.bus import AP_DONE, AP_START, ByteArray
from lineconv.checker import Window
from lineconv.executor import Outcome, run_program
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, RESULT_OFFSET, Error

__all__ = ["Board", "FlatMemory", "RawProgram", "require_same_answer", "run_on", "start_program"]

COUNTERS = [
    name
    for name, (_, offset, *_) in dict(DESCRIPTOR.fields or {}).items()
    if offset >= RESULT_OFFSET and name != "status"
]


class Board(Protocol):
    """A board whose memory begins at some address."""

    @property
    def memory(self) -> ByteArray: ...

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


class FlatMemory:
    """`lineconv.executor.Memory` on bytes that begin at some address."""

    def __init__(self, data: ByteArray, base: int) -> None:
        self._data = data
        self._base = base

    def view(self, address: int, nbytes: int) -> ByteArray:
        return self._data[address - self._base : address - self._base + nbytes]


@dataclass(frozen=True)
class RawProgram:
    """A program and all that it works on.

    Attributes:
        memory: before the run; the descriptors come first.
        base: address of `memory`.
        count: of descriptors.
    """

    memory: ByteArray
    base: int
    count: int

    @property
    def window(self) -> Window:
        """All of the memory."""
        return Window(self.base, self.base + self.memory.size - 1)

    @property
    def descriptors(self) -> npt.NDArray[Any]:
        """(count,) DESCRIPTOR, in the memory."""
        return self.memory[: self.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)


def start_program(board: Board, program: int, count: int, window: Window) -> None:
    """Start `count` descriptors from address `program` on."""
    for offset, value in (
        (regs.PROGRAM_1, program),
        (regs.WINDOW_BASE_1, window.base),
        (regs.WINDOW_LAST_1, window.last),
    ):
        board.write(offset, value & 0xFFFFFFFF)
        board.write(offset + 4, value >> 32)
    board.write(regs.DESCRIPTOR_COUNT, count)
    board.write(regs.CTRL, AP_START)


def run_on(board: Board, program: RawProgram) -> tuple[Outcome, ByteArray]:
    """Run a program on a board whose memory begins at `program.base`.

    Returns:
        How the run ended, and the memory behind it, as long as that of the program.
    """
    memory = board.memory[: program.memory.size]
    memory[:] = program.memory
    start_program(board, program.base, program.count, program.window)
    while not board.read(regs.CTRL) & AP_DONE:
        pass
    return Outcome(Error(board.read(regs.STATUS)), board.read(regs.COMPLETED)), memory.copy()


def require_same_answer(
    board: Board, program: RawProgram, array: Array, *, counters: bool = True
) -> Outcome:
    """Run a program on a board and in the functional model: both end alike, with the same bytes in
    all of the memory.

    Args:
        counters: also those in the result blocks. The RTL counts cycles, and with a layer what it
            reads ahead for the next.

    Returns:
        How the run ended.
    """
    expected = program.memory.copy()
    reached = FlatMemory(expected, program.base)
    outcome = run_program(reached, program.base, program.count, program.window, array)
    got, memory = run_on(board, program)
    assert got == outcome, program.descriptors
    if not counters:
        for data in (memory, expected):
            blocks = data[: program.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
            for name in COUNTERS:
                blocks[name] = 0
    differ = np.flatnonzero(memory != expected)
    assert not differ.size, f"{differ.size} bytes from {differ[0]:#x} on: {program.descriptors}"
    return outcome
