# SPDX-License-Identifier: Apache-2.0
"""A board made of NumPy: the registers and memory of a real one around `executor`.

It needs no simulator and gives the engine's exact results, but no cycle counts. Its memory is
strict: the engine does not see what was not flushed, nor the host what was not invalidated.
"""

from __future__ import annotations

import numpy as np

from lineconv import regs
from lineconv.bus import ByteArray
from lineconv.checker import Window
from lineconv.executor import NoMemoryError, run_program
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.register_file import RegisterFile

__all__ = ["ModelBoard", "ModelBuffer"]

_FIRST_ADDRESS = 0x1000_0000
_PAGE_BYTES = 0x1000


class ModelBuffer:
    """Memory with a processor's and an engine's view, which differ until they are synchronised."""

    def __init__(self, board: ModelBoard, address: int, nbytes: int) -> None:
        self.address = address
        self.array: ByteArray = np.zeros(nbytes, np.uint8)
        self.engine: ByteArray = np.full(nbytes, 0xA5, np.uint8)
        self._board = board

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self.engine[start:stop] = self.array[start:stop]

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self.array[start:stop] = self.engine[start:stop]

    def free(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self._board.buffers.remove(self)


class ModelBoard(RegisterFile):
    """Register bus, allocator and interrupt in one.

    Attributes:
        array: sizes of the engine.
        buffers: those allocated and not yet freed.
    """

    def __init__(self, array: Array) -> None:
        super().__init__()
        self.array = array
        self.buffers: list[ModelBuffer] = []
        self._next_address = _FIRST_ADDRESS
        self.registers |= {
            regs.MAGIC: regs.IDENTITY,
            regs.VERSION: regs.INTERFACE_VERSION,
            regs.LANES: array.input_lanes | array.output_lanes << 16,
            regs.WEIGHT_WORDS: array.weight_words,
            regs.LINE_BUFFER_BEATS: array.line_buffer_beats,
            regs.MEMORY: array.beat_bytes | 32 << 8 | array.parameter_slices << 16,
            regs.VECTOR: array.vector_lanes,
        }

    def allocate(self, nbytes: int) -> ModelBuffer:
        """See `lineconv.bus.Allocator`."""
        buffer = ModelBuffer(self, self._next_address, nbytes)
        self._next_address += ceil_div(nbytes, _PAGE_BYTES) * _PAGE_BYTES
        self.buffers.append(buffer)
        return buffer

    def view(self, address: int, nbytes: int) -> ByteArray:
        """See `lineconv.executor.Memory`."""
        for buffer in self.buffers:
            start = address - buffer.address
            if start >= 0 and start + nbytes <= buffer.engine.size:
                return buffer.engine[start : start + nbytes]
        raise NoMemoryError(hex(address))

    def run(self) -> None:
        """See `lineconv.register_file.RegisterFile`."""
        outcome = run_program(
            self,
            self.pair(regs.PROGRAM_1),
            self.registers[regs.DESCRIPTOR_COUNT],
            Window(self.pair(regs.WINDOW_BASE_1), self.pair(regs.WINDOW_LAST_1)),
            self.array,
        )
        self.registers[regs.STATUS] = outcome.status
        self.registers[regs.FAILED_INDEX] = outcome.completed
        self.registers[regs.COMPLETED] = outcome.completed
        self.finish()
