# SPDX-License-Identifier: Apache-2.0
"""Buffers at multiples of a descriptor, and parts of them that are synchronised alone."""

from __future__ import annotations

import numpy as np
import pytest

from lineconv.aligned import AlignedBuffer
from lineconv.model_board import ModelBoard, ModelBuffer
from lineconv.presets import PRESETS
from lineconv.regs import DESCRIPTOR_BYTES


class OddBoard(ModelBoard):
    """Its buffers start somewhere."""

    start = 0

    def allocate(self, nbytes: int) -> ModelBuffer:
        buffer = super().allocate(nbytes)
        buffer.address += self.start
        return buffer


@pytest.mark.parametrize("start", [0, 1, 255])
def test_parts_are_synchronised_alone(start: int) -> None:
    board = OddBoard(PRESETS["tiny"].array)
    board.start = start
    buffer = AlignedBuffer(board, 100)
    assert buffer.address % DESCRIPTOR_BYTES == 0
    assert buffer.array.shape == (100,)
    engine = board.view(buffer.address, 100)
    buffer.array[:] = np.arange(100)
    buffer.flush(10, 20)
    assert engine.tolist() == [0xA5] * 10 + [*range(10, 20)] + [0xA5] * 80
    engine[:] = 7
    buffer.invalidate(50)
    assert buffer.array.tolist() == [*range(50)] + [7] * 50
    buffer.flush()
    assert (engine == buffer.array).all()
    buffer.free()
    assert not board.buffers
