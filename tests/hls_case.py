# SPDX-License-Identifier: Apache-2.0
"""Writes a test case for hls/conv_tb.cpp: python tests/hls_case.py FILE.

A program with a small layer of each kind on the default array, several of them with padding, odd
channels, several passes. Memory begins at address 0, as the ports of the core do in co-simulation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from random_descriptors import draw_program
from raw_programs import FlatMemory

from lineconv.executor import Outcome, run_program
from lineconv.presets import PRESETS
from lineconv.regs import Error, Kind

HEADER = ("program", "descriptor_count", "beats")  # uint64 each; then memory before and after
MEMORY_BYTES = 1 << 18


def case() -> bytes:
    """The content of the file."""
    array = PRESETS["pynq-z2"].array
    program = draw_program(np.random.default_rng(1), array, [*Kind, *Kind], 0, MEMORY_BYTES)
    expected = program.memory.copy()
    outcome = run_program(FlatMemory(expected, 0), 0, program.count, program.window, array)
    assert outcome == Outcome(Error.OK, program.count)
    header = np.array([0, program.count, MEMORY_BYTES // array.beat_bytes], np.uint64)
    return header.tobytes() + program.memory.tobytes() + expected.tobytes()


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case())
