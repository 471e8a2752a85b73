# SPDX-License-Identifier: Apache-2.0
"""The functional model: random programs of all kinds against the golden reference.

LINECONV_SEED=n in the environment chooses the first program, PROGRAMS=n how many the slow run
takes.
"""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
from programs import Program, run
from random_programs import random_program

from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS, Array
from lineconv.regs import Kind

FEW, MANY = 300, 5000

ARRAYS = [
    *(preset.array for preset in PRESETS.values()),
    Array(3, 8, 8, 24, 200),
    Array(13, 32, 24, 64, 300),
    Array(5, 16, 64, 40, 100, beat_bytes=16),
]


def traits(program: Program) -> Counter[str]:
    """What a program has tried."""
    array = program.array
    return Counter(
        trait
        for task in program.tasks
        for tile in task.tiling.tiles[:1]
        for trait, shown in {
            tile.kind.name: True,
            "several tiles": len(task.tiling.tiles) > 1,
            "several passes": tile.groups_per_pass < tile.groups(array),
            "weights by row": tile.weights_by_row,
            "channels per group of lanes": tile.kind is Kind.CONV and tile.group_step > 0,
            "pixels that share lanes": tile.pixels > 1,
            "kernel rows of one run": tile.flattened and tile.kernel_width > 1,
            "stripes": tile.out_columns != task.tiling.tiles[-1].out_columns,
            "table": tile.table,
        }.items()
        if shown
    )


@pytest.mark.parametrize(
    "count", [FEW, pytest.param(int(os.environ.get("PROGRAMS", MANY)), marks=pytest.mark.slow)]
)
def test_random_programs(count: int) -> None:
    first = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={first}")
    seen: Counter[str] = Counter()
    for seed in range(first, first + count):
        program = random_program(seed, ARRAYS[seed % len(ARRAYS)])
        run(program, ModelBoard(program.array))
        seen += traits(program)
    print(dict(seen))
    if count >= FEW:
        assert all(seen[kind.name] > 0 for kind in Kind)
        assert len(seen) == len(Kind) + 8, sorted(seen)
