# SPDX-License-Identifier: Apache-2.0
"""The RTL under Verilator, with a memory, as an object that a driver can use like a board."""

from lineconv.progress import Progress
from lineconv.virtual_board.board import SimulationError, Traffic, VirtualBoard
from lineconv.virtual_board.build import BuildError
from lineconv.virtual_board.memory import MemoryBuffer, OutOfMemoryError
from lineconv.virtual_board.toolchain import MissingToolError

__all__ = [
    "BuildError",
    "MemoryBuffer",
    "MissingToolError",
    "OutOfMemoryError",
    "Progress",
    "SimulationError",
    "Traffic",
    "VirtualBoard",
]
