# SPDX-License-Identifier: Apache-2.0
"""Writes a test case for hls/conv_tb.cpp: python tests/hls_case.py FILE.

A program of two images on the default array: 3 x 3 kernel, stride 2, padding, odd channels. Memory
begins at address 0, as the ports of the core do in co-simulation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lineconv.block import Block
from lineconv.bus import ByteArray
from lineconv.checker import Window
from lineconv.executor import Outcome, run_program
from lineconv.layer import OutputType
from lineconv.operands import check_operands
from lineconv.presets import PRESETS
from lineconv.regs import Error

HEADER = ("program", "descriptor_count", "beats")  # uint64 each; then memory before and after


class _Memory:
    """`lineconv.executor.Memory`, from address 0 on."""

    def __init__(self, data: ByteArray) -> None:
        self._data = data

    def view(self, address: int, nbytes: int) -> ByteArray:
        return self._data[address : address + nbytes]


def case() -> bytes:
    """The content of the file."""
    rng = np.random.default_rng(1)
    array = PRESETS["pynq-z2"].array
    operands = check_operands(
        rng.integers(-128, 128, (2, 11, 9, 13), dtype=np.int8),
        rng.integers(-128, 128, (21, 11, 3, 3), dtype=np.int8),
        rng.integers(-5000, 5000, 21, dtype=np.int32),
        stride=2,
        padding=1,
        dilation=1,
        groups=1,
        x_zero_point=-7,
        scale=rng.uniform(1e-4, 1e-3, 21),
        y_zero_point=3,
        clamp=None,
        rounding="half_even",
        overflow="saturate",
        output_type=OutputType.UINT8,
    )
    block = Block([operands], array)
    beats = -(-block.nbytes // array.beat_bytes)
    memory = rng.integers(0, 256, beats * array.beat_bytes, dtype=np.uint8)
    block.write(memory, 0)
    expected = memory.copy()
    outcome = run_program(_Memory(expected), 0, block.count, Window(0, memory.size - 1), array)
    assert outcome == Outcome(Error.OK, block.count)
    header = np.array([0, block.count, beats], np.uint64)
    return header.tobytes() + memory.tobytes() + expected.tobytes()


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case())
