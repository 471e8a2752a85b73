# SPDX-License-Identifier: Apache-2.0
"""A board made of NumPy: the registers and memory of a real one around `executor`.

It needs no simulator and gives the engine's exact results, but no cycle counts. Its memory is
strict: the engine does not see what was not flushed, nor the host what was not invalidated.
"""

from __future__ import annotations

import numpy as np

from lineconv import regs
from lineconv.bus import AP_DONE, AP_IDLE, AP_READY, AP_START, ByteArray
from lineconv.checker import Window
from lineconv.executor import NoMemoryError, run_program
from lineconv.identity import IDENTITY
from lineconv.packing import BEAT_BYTES
from lineconv.presets import Array

__all__ = ["ModelBoard", "ModelBuffer"]

_FIRST_ADDRESS = 0x1000_0000
_PAGE_BYTES = 0x1000

_INTERRUPT = 1 << 9


class ModelBuffer:
    """Memory with a processor's and an engine's view, which differ until they are synchronised."""

    def __init__(self, board: ModelBoard, address: int, nbytes: int) -> None:
        self.address = address
        self.array: ByteArray = np.zeros(nbytes, np.uint8)
        self.engine: ByteArray = np.full(nbytes, 0xA5, np.uint8)
        self._board = board

    def flush(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self.engine[:] = self.array

    def invalidate(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self.array[:] = self.engine

    def free(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self._board.buffers.remove(self)


class ModelBoard:
    """Register bus, allocator and interrupt in one.

    Attributes:
        array: sizes of the engine.
        buffers: those allocated and not yet freed.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.buffers: list[ModelBuffer] = []
        self._next_address = _FIRST_ADDRESS
        self._registers = {register.offset: register.reset for register in regs.REGISTERS}
        self._registers[regs.CTRL] = AP_IDLE
        self._registers |= {
            regs.MAGIC: IDENTITY,
            regs.VERSION: regs.INTERFACE_VERSION,
            regs.LANES: array.input_lanes | array.output_lanes << 16,
            regs.WEIGHT_WORDS: array.weight_words,
            regs.LINE_BUFFER_BEATS: array.line_buffer_beats,
            regs.MEMORY: BEAT_BYTES | 32 << 8 | array.parameter_groups << 16,
        }

    def allocate(self, nbytes: int) -> ModelBuffer:
        """See `lineconv.bus.Allocator`."""
        buffer = ModelBuffer(self, self._next_address, nbytes)
        self._next_address += -(-nbytes // _PAGE_BYTES) * _PAGE_BYTES
        self.buffers.append(buffer)
        return buffer

    def view(self, address: int, nbytes: int) -> ByteArray:
        """See `lineconv.executor.Memory`."""
        for buffer in self.buffers:
            start = address - buffer.address
            if start >= 0 and start + nbytes <= buffer.engine.size:
                return buffer.engine[start : start + nbytes]
        raise NoMemoryError(hex(address))

    def read(self, offset: int) -> int:
        """See `lineconv.bus.RegisterBus`."""
        value = self._registers[offset]
        if offset == regs.CTRL:
            value |= _INTERRUPT if self._interrupt() else 0
            self._registers[offset] &= ~(AP_DONE | AP_READY)
        return value

    def write(self, offset: int, value: int) -> None:
        """See `lineconv.bus.RegisterBus`."""
        if offset == regs.CTRL:
            if value & AP_START:
                self.run()
        elif offset == regs.IP_ISR:
            self._registers[offset] ^= value
        elif offset != regs.SOFT_RESET:  # a run is over before anyone could reset it
            self._registers[offset] = value

    def wait(self, timeout_s: float) -> bool:
        """See `lineconv.bus.Wait`: a run is over as soon as it was started."""
        return self._interrupt()

    def run(self) -> None:
        """Run the program that the registers name."""
        outcome = run_program(
            self,
            self._pair(regs.PROGRAM_1),
            self._registers[regs.DESCRIPTOR_COUNT],
            Window(self._pair(regs.WINDOW_BASE_1), self._pair(regs.WINDOW_LAST_1)),
            self.array,
        )
        self._registers[regs.STATUS] = outcome.status
        self._registers[regs.FAILED_INDEX] = outcome.completed
        self._registers[regs.COMPLETED] = outcome.completed
        self._registers[regs.CTRL] = AP_DONE | AP_IDLE | AP_READY
        self._registers[regs.IP_ISR] |= self._registers[regs.IP_IER]

    def _interrupt(self) -> bool:
        return bool(self._registers[regs.GIER] and self._registers[regs.IP_ISR])

    def _pair(self, offset: int) -> int:
        return self._registers[offset] | self._registers[offset + 4] << 32
