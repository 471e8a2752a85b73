# SPDX-License-Identifier: Apache-2.0
"""The HLS core on random programs of mixed layer kinds, against the functional model.

LINECONV_SEED=n in the environment chooses which.
"""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
from programs import run
from random_descriptors import ARRAYS, draw_program
from random_programs import random_program
from raw_programs import RawProgram, require_same_answer

from lineconv import hls_model
from lineconv.checker import Fields, check
from lineconv.executor import Outcome
from lineconv.hls_model import HlsBoard
from lineconv.presets import PRESETS, Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_READ_BYTES, Error, Kind
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.memory import DEFAULT_BASE_ADDRESS as BASE

try:
    hls_model.library(PRESETS["tiny"].array)
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

MEMORY_BYTES = 1 << 19
PROGRAMS = 100
READ_FIELDS = [
    name
    for name, (_, offset, *_) in dict(DESCRIPTOR.fields or {}).items()
    if offset < DESCRIPTOR_READ_BYTES
]


def generator() -> np.random.Generator:
    seed = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={seed}")
    return np.random.default_rng(seed)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_memory_after_a_program(array: Array) -> None:
    """The whole memory is what the functional model makes of it: nothing else is written."""
    rng = generator()
    board = HlsBoard(array, MEMORY_BYTES)
    seen: Counter[tuple[Kind, str]] = Counter()
    for _ in range(PROGRAMS):
        kinds = [Kind(kind) for kind in rng.choice(list(Kind), 4)]
        program = draw_program(rng, array, kinds, BASE, MEMORY_BYTES)
        assert require_same_answer(board, program, array) == Outcome(Error.OK, 4)
        for descriptor in program.descriptors:
            fields = Fields(descriptor, array)
            kind = Kind(fields.kind)
            seen[kind, "table"] += fields.has_table
            seen[kind, "passes"] += fields.passes > 1
            seen[kind, "group step"] += fields.group_step > 0
            seen[kind, "weights by row"] += fields.weights_by_row
    for kind in Kind:
        assert seen[kind, "table"] >= 5
        assert seen[kind, "passes"] >= 2
    assert seen[Kind.CONV, "group step"] >= 5
    assert seen[Kind.CONV, "weights by row"] >= 2


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_operations_on_parts_of_tensors(array: Array) -> None:
    """What tiling makes of operations of all kinds, against golden."""
    seeds = generator().integers(0, 2**32, 100)
    board = HlsBoard(array, 1 << 22)
    for seed in seeds:
        run(random_program(int(seed), array), board)


def test_program_with_a_broken_descriptor() -> None:
    """One field of one descriptor is wrong: the run ends there, as that of the model does."""
    rng = generator()
    array = PRESETS["tiny"].array
    board = HlsBoard(array, MEMORY_BYTES)
    seen = dict.fromkeys(Error, 0)
    for name in READ_FIELDS:
        for _ in range(10):
            kinds = [Kind(kind) for kind in rng.choice(list(Kind), 3)]
            program = draw_program(rng, array, kinds, BASE, MEMORY_BYTES)
            broken = int(rng.integers(3))
            error = break_field(rng, program, broken, name, array)
            if error is Error.OK:  # many pads, say, are as good as any
                continue
            assert require_same_answer(board, program, array) == Outcome(error, broken)
            seen[error] += 1
    for code in Error:
        if Error.OK < code <= Error.BAD_ADDRESS:
            assert seen[code] >= 5, f"{code.name} came up {seen[code]} times"


def break_field(
    rng: np.random.Generator, program: RawProgram, index: int, name: str, array: Array
) -> Error:
    """Change a field of a descriptor until it is refused; gives up after a while."""
    descriptors = program.descriptors
    before = int(descriptors[index][name])
    limits = np.iinfo(descriptors[name].dtype)
    error = Error.OK
    for _ in range(20):
        changes = (before - 1, before + 1, before ^ 1 << int(rng.integers(16)), 0, limits.max)
        value = min(max(int(rng.choice(np.array(changes, object))), limits.min), limits.max)
        descriptors[name][index] = value
        error = check(Fields(descriptors[index], array), program.window)
        if error is not Error.OK:
            break
    return error
