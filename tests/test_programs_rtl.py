# SPDX-License-Identifier: Apache-2.0
"""The RTL on random programs of all layer kinds, on a memory with stalls: the same bytes as golden
and the functional model, the same counts.

LINECONV_SEED=n in the environment chooses which.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from programs import run
from random_descriptors import draw_program
from random_programs import random_program
from raw_programs import require_same_answer

from lineconv.executor import Outcome
from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS, Preset
from lineconv.regs import Error, Kind
from lineconv.report import DescriptorRun
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

try:
    find()
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

SLOW = pytest.mark.slow
BOARDS = ["tiny", pytest.param("pynq-z2", marks=SLOW), pytest.param("kv260", marks=SLOW)]
PROGRAMS = 30
MEMORY_BYTES = 1 << 19
STALLS = [0.0, 0.1, 0.5]


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[tuple[VirtualBoard, Preset]]:
    preset = PRESETS[request.param]
    with VirtualBoard(preset) as opened:
        yield opened, preset


def generator() -> np.random.Generator:
    seed = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={seed}")
    return np.random.default_rng(seed)


def stall(board: VirtualBoard, preset: Preset, rng: np.random.Generator) -> None:
    """Another pattern of stalls."""
    probability, seed = float(rng.choice(STALLS)), int(rng.integers(1 << 32))
    board.configure(replace(preset.memory, stall_probability=probability, seed=seed))


def test_random_operations(board: tuple[VirtualBoard, Preset]) -> None:
    """Operations on parts of tensors, as the host tiles them."""
    opened, preset = board
    rng = generator()
    for _ in range(PROGRAMS):
        stall(opened, preset, rng)
        program = random_program(int(rng.integers(1 << 32)), preset.array)
        cycles, measured = run(program, opened)
        _, counted = run(program, ModelBoard(preset.array))
        assert list(map(counts, measured)) == list(map(counts, counted))
        # What is read ahead counts for the layer that runs.
        assert sum(d.read_beats for d in measured) == sum(d.read_beats for d in counted)
        for d in measured:
            assert d.mac_cycles + d.stall_input + d.stall_weights + d.stall_output <= d.cycles
        assert sum(d.cycles for d in measured) <= cycles


def counts(run: DescriptorRun) -> tuple[int, int]:
    """What does not depend on timing."""
    return run.mac_cycles, run.write_beats


def test_random_descriptors(board: tuple[VirtualBoard, Preset]) -> None:
    """Descriptors that no host makes; the whole memory is what it must be."""
    opened, preset = board
    rng = generator()
    base = opened.base_address
    for _ in range(PROGRAMS):
        stall(opened, preset, rng)
        kinds = [Kind(kind) for kind in rng.choice(list(Kind), 5)]
        program = draw_program(rng, preset.array, kinds, base, MEMORY_BYTES)
        outcome = require_same_answer(opened, program, preset.array, counters=False)
        assert outcome == Outcome(Error.OK, len(kinds))
