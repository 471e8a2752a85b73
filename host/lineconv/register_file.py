# SPDX-License-Identifier: Apache-2.0
"""Control registers around a core in software, whose run is over as soon as it was started."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lineconv import regs
from lineconv.bus import AP_DONE, AP_IDLE, AP_READY, AP_START

__all__ = ["RegisterFile"]

_INTERRUPT = 1 << 9


class RegisterFile(ABC):
    """`lineconv.bus.RegisterBus` and `Wait` with the protocol of Vitis HLS.

    Attributes:
        registers: their values, by offset.
    """

    def __init__(self) -> None:
        self.registers = {register.offset: register.reset for register in regs.REGISTERS}
        self.registers[regs.CTRL] = AP_IDLE

    @abstractmethod
    def run(self) -> None:
        """Run the program that the registers name, and end with `finish`."""

    def finish(self) -> None:
        """The run is over."""
        self.registers[regs.CTRL] = AP_DONE | AP_IDLE | AP_READY
        self.registers[regs.IP_ISR] |= self.registers[regs.IP_IER]

    def pair(self, offset: int) -> int:
        """The 64-bit argument whose low half is at that offset."""
        return self.registers[offset] | self.registers[offset + 4] << 32

    def read(self, offset: int) -> int:
        """See `lineconv.bus.RegisterBus`."""
        value = self.registers[offset]
        if offset == regs.CTRL:
            value |= _INTERRUPT if self._interrupt() else 0
            self.registers[offset] &= ~(AP_DONE | AP_READY)
        return value

    def write(self, offset: int, value: int) -> None:
        """See `lineconv.bus.RegisterBus`; a write that starts a run returns when it has ended."""
        if offset == regs.CTRL:
            if value & AP_START:
                self.run()
        elif offset == regs.IP_ISR:
            self.registers[offset] ^= value
        elif offset != regs.SOFT_RESET:  # a run is over before anyone could reset it
            self.registers[offset] = value

    def wait(self, timeout_s: float) -> bool:
        """See `lineconv.bus.Wait`; there is nothing to wait for."""
        return self._interrupt()

    def _interrupt(self) -> bool:
        return bool(self.registers[regs.GIER] and self.registers[regs.IP_ISR])
