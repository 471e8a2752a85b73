# SPDX-License-Identifier: Apache-2.0
"""The cycle model of all layer kinds: traffic to the beat, the arithmetic of their paces, and
programs on the RTL.

The quick programs are always the same; the slow ones are new, and print LINECONV_SEED.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from programs import run
from random_programs import random_program
from test_cycle_model import MEMORIES, SHARE, SLACK
from test_executor import ARRAYS

from lineconv.cycle_model import predict, predict_program, work
from lineconv.layer import ConvLayer
from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS, MemoryModel
from lineconv.regs import Kind
from lineconv.tile import Tile
from lineconv.tiling import tile_layer
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

PYNQ = PRESETS["pynq-z2"].array
FAST = MemoryModel(bytes_per_cycle=100, read_latency=1, write_latency=1)
PROGRAMS = 100
# Layers of a few hundred cycles whose check meets the end of the one before may take turns at
# being late: then the model has the mean of two, and one in a hundred is further off.
LATE = 0.01


def first_seed() -> int:
    seed = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={seed}")
    return seed


def test_counts_of_random_programs() -> None:
    """What does not depend on time is exact: fed cycles, beats."""
    first = first_seed()
    for seed in range(first, first + PROGRAMS):
        program = random_program(seed, ARRAYS[seed % len(ARRAYS)])
        _, counted = run(program, ModelBoard(program.array))
        predicted = predict_program(program.tiles, program.array, FAST).descriptors
        for name in ("mac_cycles", "write_beats"):
            found = [getattr(one, name) for one in predicted]
            assert found == [getattr(one, name) for one in counted], (seed, name)
        # Which layer reads a beat ahead depends on time.
        assert sum(one.read_beats for one in predicted) == sum(one.read_beats for one in counted)


def vector_tile(kind: Kind, channels: int, kernel: int, **options: int) -> Tile:
    one = ConvLayer(channels, channels, 56, 56, (kernel, kernel), groups=channels)
    (tile,) = tile_layer(one, PYNQ, FAST, kind=kind, **options).tiles
    return tile


@pytest.mark.parametrize(
    ("kind", "kernel", "digits", "group_cycles"),
    [
        (Kind.DEPTHWISE, 3, 1, 9),
        (Kind.MAX_POOL, 2, 1, 6),  # four taps, but a group has six slices
        (Kind.ADD, 1, 1, 6),
        (Kind.ADD, 1, 3, 6),
        (Kind.DEPTHWISE, 5, 1, 25),
    ],
)
def test_a_vector_group_takes_its_taps_or_its_slices(
    kind: Kind, kernel: int, digits: int, group_cycles: int
) -> None:
    tile = vector_tile(kind, 96, kernel, digits=digits)
    outputs = 2 * (56 - kernel + 1) ** 2
    assert work(tile, PYNQ).pass_cycles == outputs * group_cycles
    prediction = predict(tile, PYNQ, FAST)
    assert prediction.mac_cycles == outputs * tile.group_words
    assert prediction.requantisation == outputs * (group_cycles - tile.group_words)


def test_depthwise_is_as_fast_as_the_memory_of_the_pynq_z2() -> None:
    """48 bytes in and 48 out in 9 cycles are 10.7 a cycle, of 9.8."""
    tile = vector_tile(Kind.DEPTHWISE, 48, 3)
    prediction = predict(tile, PYNQ, PRESETS["pynq-z2"].memory)
    bytes_moved = 8 * (prediction.read_beats + prediction.write_beats)
    assert prediction.cycles == pytest.approx(bytes_moved / 9.8, rel=0.05)


def test_weights_by_row_are_as_fast_as_their_stream() -> None:
    """Fully connected, 25,088 inputs in 16 rows: a beat per cycle at most, each used once."""
    one = ConvLayer(1568, 64, 16, 1, (16, 1))
    (tile,) = tile_layer(one, PYNQ, FAST, host_input=False).tiles
    task = work(tile, PYNQ)
    assert tile.weights_by_row
    assert task.weight_beats == 4 * (16 + 16 * 61 * 2 * 26)
    assert predict(tile, PYNQ, FAST).cycles == pytest.approx(task.weight_beats, rel=0.02)


def test_add_reads_both_tensors() -> None:
    tile = vector_tile(Kind.ADD, 96, 1)
    assert predict(tile, PYNQ, FAST).read_beats == 16 + 2 * 56 * 56 * 12 + 2 * (48 + 2 * 6)


def test_table_is_read_before_the_weights() -> None:
    tile = vector_tile(Kind.MAX_POOL, 48, 2)
    plain, with_table = (predict(replace(tile, table=table), PYNQ, FAST) for table in (False, True))
    assert with_table.read_beats - plain.read_beats == 256 // 8


@pytest.mark.parametrize("name", ["tiny", "pynq-z2"])
@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_cycles_of_programs_on_the_rtl(name: str, count: int) -> None:
    """All kinds on whole tensors, on three memories: cycles of each descriptor."""
    try:
        find()
    except MissingToolError as error:
        pytest.skip(str(error))
    errors = []
    first = 0 if count == 12 else first_seed()
    with VirtualBoard(name) as board:
        array = board.preset.array
        for seed in range(first, first + count):
            memory = list(MEMORIES.values())[seed % len(MEMORIES)]
            board.configure(memory)
            program = random_program(seed, array, parts=False)
            _, measured = run(program, board)
            predicted = predict_program(program.tiles, array, memory).descriptors
            for one, other in zip(predicted, measured, strict=True):
                errors.append((abs(one.cycles - other.cycles), other.cycles))
    late = [pair for pair in errors if pair[0] > max(SLACK, SHARE * pair[1])]
    large = [error / cycles for error, cycles in errors if cycles >= SLACK / SHARE / 2]
    print(
        f"{name}: {len(errors)} descriptors, {len(late)} further off than 2 % and {SLACK} cycles; "
        f"{len(large)} of 2,500 cycles and more, wrong by {max(large):.2%} at most, "
        f"{np.mean(large):.2%} on average"
    )
    assert len(late) <= (0 if count == 12 else LATE * len(errors)), late
