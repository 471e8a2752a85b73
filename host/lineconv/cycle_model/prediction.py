# SPDX-License-Identifier: Apache-2.0
"""Cycles, stalls and traffic of tiles, and what limits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from lineconv.cycle_model.loader import CHECK_CYCLES
from lineconv.cycle_model.pipeline import Pipeline, State, Wait
from lineconv.cycle_model.work import Work, work
from lineconv.presets import Array, MemoryModel
from lineconv.regs import DESCRIPTOR_READ_BYTES, RESULT_BYTES
from lineconv.tile import Tile

__all__ = ["Bound", "Prediction", "ProgramPrediction", "predict", "predict_program"]

# Cycles that the RTL takes, beside what it waits for memory:
_START = 3  # from the completion of a layer, or its check, to the start of the next
_DRAIN = 54  # from the last word to its results in memory
_REPORT = 13  # from there to the end of a program, but for writing the result block

_LONG_ROWS = 512  # so many rows are enough to tell the pace of a pass ...
_SAMPLE_ROWS = 64  # ... by the last of them

_COMPUTE_BOUND = 0.9  # share of the cycles in which the array is fed


class Bound(Enum):
    """What limits a tile."""

    COMPUTE = "compute"
    MEMORY_READ = "memory read"
    MEMORY_WRITE = "memory write"
    REQUANTISATION = "requantisation"
    FILL = "fill"


@dataclass(frozen=True)
class Prediction:
    """What the result block of a descriptor will show.

    `cycles` is the sum of `mac_cycles` and the losses: `fill`, before the first word (descriptor,
    first rows, first weights) and after the last one; `memory_read`, waits for rows and weights
    between; `memory_write`, waits for room for results; `requantisation`, outputs of fewer words
    than slices, which leave the array one per cycle.

    Attributes:
        cycles: from the completion of the descriptor before, or the start, to its own.
        mac_cycles: the array is fed.
        stall_input, stall_weights, stall_output: the sequencer waits for this.
        read_beats, write_beats: traffic in these cycles, also what is read ahead.
    """

    cycles: int
    mac_cycles: int
    stall_input: int
    stall_weights: int
    stall_output: int
    read_beats: int
    write_beats: int
    fill: int
    memory_read: int
    memory_write: int
    requantisation: int

    @property
    def bound(self) -> Bound:
        """Compute if the array is fed in nine of ten cycles, else the largest loss."""
        if self.mac_cycles >= _COMPUTE_BOUND * self.cycles:
            return Bound.COMPUTE
        losses = {
            Bound.MEMORY_READ: self.memory_read,
            Bound.MEMORY_WRITE: self.memory_write,
            Bound.REQUANTISATION: self.requantisation,
            Bound.FILL: self.fill,
        }
        return max(losses, key=lambda bound: losses[bound])


@dataclass(frozen=True)
class ProgramPrediction:
    """What a program will take.

    Attributes:
        cycles: from start to done.
        descriptors: one prediction each.
    """

    cycles: int
    descriptors: tuple[Prediction, ...]


def predict(tile: Tile, array: Array, memory: MemoryModel) -> Prediction:
    """Predict a program of one tile. Random stalls of the memory are not modelled."""
    (prediction,) = predict_program([tile], array, memory).descriptors
    return prediction


def predict_program(tiles: Sequence[Tile], array: Array, memory: MemoryModel) -> ProgramPrediction:
    """Predict a program of tiles, which run one after the other."""
    return _predict(tuple(work(tile, array) for tile in tiles), array, memory)


@lru_cache(maxsize=4096)
def _predict(layers: tuple[Work, ...], array: Array, memory: MemoryModel) -> ProgramPrediction:
    beat_cycles = max(1.0, array.beat_bytes / memory.bytes_per_cycle)
    descriptor_beats = DESCRIPTOR_READ_BYTES // array.beat_bytes
    fetch = CHECK_CYCLES + memory.read_latency + descriptor_beats * beat_cycles
    report = RESULT_BYTES // array.beat_bytes * beat_cycles + memory.write_latency + _REPORT

    pipeline = Pipeline(array, memory, fetch + _START)
    pipeline.weights.offer(layers[0], fetch)
    complete = 0.0
    read_beats = -descriptor_beats  # before a layer
    predictions = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        start = pipeline.begin_layer(layer, following)
        _run(pipeline, layer)
        pipeline.end_layer(_DRAIN + memory.write_latency)

        waits = pipeline.stalls
        before = complete
        complete = pipeline.now
        requantisation = layer.pass_cycles - layer.mac_cycles
        waits_before = pipeline.begun - start
        predictions.append(
            Prediction(
                cycles=round(complete - before),
                mac_cycles=layer.mac_cycles,
                stall_input=round(waits[Wait.INPUT]),
                stall_weights=round(waits[Wait.WEIGHTS]),
                stall_output=round(waits[Wait.ROOM] + requantisation),
                read_beats=round(pipeline.read_beats) - read_beats,
                write_beats=layer.write_beats,
                fill=round(start - before + waits_before + waits[Wait.COMPLETION]),
                memory_read=round(waits[Wait.INPUT] + waits[Wait.WEIGHTS] - waits_before),
                memory_write=round(waits[Wait.ROOM]),
                requantisation=round(requantisation),
            )
        )
        read_beats = round(pipeline.read_beats)
        if following is not None:
            pipeline.wait_for_check()
            pipeline.wait(pipeline.now + _START)
    return ProgramPrediction(round(complete + report), tuple(predictions))


def _run(pipeline: Pipeline, task: Work) -> None:
    """The whole layer. A pass that begins like the one before goes on like it, too."""
    index = 0
    previous: State | None = None
    while index < task.passes:
        # The last two load no full pass ahead.
        index += _skip(pipeline, previous, task.passes - 2 - index)
        previous = pipeline.state()
        _run_pass(pipeline, task, index)
        index += 1


def _run_pass(pipeline: Pipeline, task: Work, index: int) -> None:
    """A pass; the same for its rows, and for samples of rows that find no such rhythm."""
    pipeline.begin_pass(task.output if index < task.passes - 1 else task.last_output)
    steady = task.steady_rows
    sample = pipeline.state()
    previous: State | None = None
    row = 0
    while row < task.out_rows:
        if row in steady:
            row += _skip(pipeline, previous, steady.stop - row)
            if row % _SAMPLE_ROWS == 0:
                if row >= _LONG_ROWS:
                    times = min((steady.stop - row) // _SAMPLE_ROWS, pipeline.repeats(sample))
                    pipeline.skip(sample, times)
                    row += times * _SAMPLE_ROWS
                sample = pipeline.state()
            previous = pipeline.state()
        for step in task.steps(index, row):
            pipeline.run(step)
        row += 1


def _skip(pipeline: Pipeline, previous: State | None, most: int) -> int:
    """Skip what repeats the time since a state, `most` times at most; how often it did."""
    if previous is None or most < 1 or pipeline.state().future != previous.future:
        return 0
    times = min(most, pipeline.repeats(previous))
    pipeline.skip(previous, times)
    return times
