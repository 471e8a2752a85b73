# SPDX-License-Identifier: Apache-2.0
"""Boards that an engine can be built for: what their chips have, their memory, the clock."""

from __future__ import annotations

from dataclasses import dataclass

from lineconv.errors import InvalidInputError
from lineconv.presets import PRESETS, MemoryModel

__all__ = ["BOARDS", "Board", "board"]


@dataclass(frozen=True)
class Board:
    """What limits an engine on a board.

    Attributes:
        chip: as its maker calls it.
        dsps, bram36, urams: DSP slices, block RAMs of 36 Kb, UltraRAMs of 288 Kb.
        beat_bytes: width of a beat on the ports to memory.
        memory: model of the board's memory, per cycle of the clock.
        clock_hz: that engines are compared at; none has been reached in a place and route run.
    """

    name: str
    chip: str
    dsps: int
    bram36: int
    urams: int
    beat_bytes: int
    memory: MemoryModel
    clock_hz: int


_PYNQ_Z2, _KV260 = PRESETS["pynq-z2"], PRESETS["kv260"]

# DSP and RAM: AMD DS190 (Zynq-7000), DS987 (Kria K26), DS891 (Zynq UltraScale+). A ZCU104 has the
# memory of a KV260: 64 bits of DDR4-2400 (AMD UG1267).
BOARDS: dict[str, Board] = {
    entry.name: entry
    for entry in (
        Board("pynq-z2", "xc7z020", 220, 140, 0, 8, _PYNQ_Z2.memory, _PYNQ_Z2.clock_hz),
        Board("kv260", "xck26", 1248, 144, 64, 16, _KV260.memory, _KV260.clock_hz),
        Board("zcu104", "xczu7ev", 1728, 312, 96, 16, _KV260.memory, _KV260.clock_hz),
    )
}


def board(name: str) -> Board:
    """The board of that name.

    Raises:
        InvalidInputError: there is none; the message lists those that exist.
    """
    try:
        return BOARDS[name]
    except KeyError:
        raise InvalidInputError(f"unknown board {name!r}, there are: {', '.join(BOARDS)}") from None
