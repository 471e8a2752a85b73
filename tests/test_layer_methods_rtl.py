# SPDX-License-Identifier: Apache-2.0
"""The layer methods on the RTL: ONNX Runtime's and NumPy's results, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from layer_cases import CASES, Draw

from lineconv.driver import Accelerator
from lineconv.presets import PRESETS
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

try:
    find()
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = PRESETS["tiny"]


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(TINY) as opened:
        yield opened


def run(board: VirtualBoard, case: str, dtype: str, seeds: range) -> None:
    """Every other seed with random stalls."""
    accelerator = Accelerator(board, board, wait=board.wait, clock_hz=TINY.clock_hz)
    done = 0
    for seed in seeds:
        print(f"seed {seed}")
        stalls = 0.3 if seed % 2 else 0.0
        board.configure(replace(TINY.memory, stall_probability=stalls, seed=seed))
        done += CASES[case](Draw(seed, dtype)).check(accelerator)
    assert done >= 0.75 * len(seeds)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(board: VirtualBoard, case: str, dtype: str) -> None:
    run(board, case, dtype, range(4))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("case", CASES)
def test_many_equal_reference(board: VirtualBoard, case: str, dtype: str) -> None:
    run(board, case, dtype, range(100, 160))
