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
        values: of all registers, by offset.
    """

    def __init__(self) -> None:
        self.values = {register.offset: register.reset for register in regs.REGISTERS}
        self.values[regs.CTRL] = AP_IDLE

    @abstractmethod
    def run(self) -> None:
        """Run the program that the registers name, and end with `finish`."""

    def finish(self) -> None:
        """The run is over."""
        self.values[regs.CTRL] = AP_DONE | AP_IDLE | AP_READY
        self.values[regs.IP_ISR] |= self.values[regs.IP_IER]

    def pair(self, offset: int) -> int:
        """The 64-bit argument whose low half is at that offset."""
        return self.values[offset] | self.values[offset + 4] << 32

    def read(self, offset: int) -> int:
        """See `lineconv.bus.RegisterBus`."""
        value = self.values[offset]
        if offset == regs.CTRL:
            value |= _INTERRUPT if self._interrupt() else 0
            self.values[offset] &= ~(AP_DONE | AP_READY)
        return value

    def write(self, offset: int, value: int) -> None:
        """See `lineconv.bus.RegisterBus`; a write that starts a run returns when it has ended."""
        if offset == regs.CTRL:
            if value & AP_START:
                self.run()
        elif offset == regs.IP_ISR:
            self.values[offset] ^= value
        elif offset != regs.SOFT_RESET:  # a run is over before anyone could reset it
            self.values[offset] = value

    def wait(self, timeout_s: float) -> bool:
        """See `lineconv.bus.Wait`; there is nothing to wait for."""
        return self._interrupt()

    def _interrupt(self) -> bool:
        return bool(self.values[regs.GIER] and self.values[regs.IP_ISR])
