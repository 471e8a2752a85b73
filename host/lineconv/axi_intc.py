# SPDX-License-Identifier: Apache-2.0
"""The interrupt controller that pynq expects between an IP and the processor, as a model."""

from __future__ import annotations

__all__ = ["AxiIntc"]


class AxiIntc:
    """AXI INTC with one level-sensitive input: the registers that pynq uses (Xilinx PG099)."""

    _STATUS, _PENDING, _ENABLE, _ACKNOWLEDGE = 0x00, 0x04, 0x08, 0x0C
    _SET, _CLEAR, _MASTER = 0x10, 0x14, 0x1C

    def __init__(self) -> None:
        self._status = self._enable = self._master = 0

    def read(self, offset: int, level: bool) -> int:
        """A register, while the input has that level."""
        self._status |= level  # a level is latched until it is acknowledged
        values = {
            self._STATUS: self._status,
            self._PENDING: self._status & self._enable,
            self._ENABLE: self._enable,
            self._MASTER: self._master,
        }
        return values.get(offset, 0)

    def write(self, offset: int, value: int, level: bool) -> None:
        """Write a register, while the input has that level."""
        if offset == self._ENABLE:
            self._enable = value
        elif offset == self._ACKNOWLEDGE:
            self._status &= ~value
        elif offset == self._SET:
            self._enable |= value
        elif offset == self._CLEAR:
            self._enable &= ~value
        elif offset == self._MASTER:
            self._master = value
        self._status |= level

    def request(self, level: bool) -> bool:
        """Level of the output."""
        self._status |= level
        return bool(self._master & 1 and self._status & self._enable)
