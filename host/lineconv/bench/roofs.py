# SPDX-License-Identifier: Apache-2.0
"""What is known of layers before they run: traffic, the least cycles, a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from lineconv.cycle_model import Prediction, predict_program, work
from lineconv.presets import Array, MemoryModel
from lineconv.regs import DESCRIPTOR_READ_BYTES
from lineconv.tile import Tile

__all__ = ["Roofs", "program_roofs"]


@dataclass(frozen=True)
class Roofs:
    """The limits of a layer.

    Attributes:
        read_bytes, written_bytes: its own traffic, whenever it takes place.
        lanes: cycles in which the array is fed, a word in each.
        output: cycles that its results take to leave the array, at a slice per cycle.
        ports: cycles of the busiest memory port, at a beat per cycle.
        memory: cycles that the traffic takes at the memory's full bandwidth; None if that is not
            known.
        model: its predicted cycles in the program; None without a memory.
        limit: what limits it in the prediction.
    """

    read_bytes: int
    written_bytes: int
    lanes: int
    output: float
    ports: int
    memory: float | None
    model: int | None
    limit: str | None

    @property
    def cycles(self) -> float:
        """The least that the layer can take."""
        return max(self.lanes, self.output, self.ports, self.memory or 0)


def program_roofs(
    layers: Sequence[Sequence[Tile]], array: Array, memory: MemoryModel | None
) -> tuple[list[Roofs], int | None]:
    """Those of the layers of a program, each given as its tiles; and the program's prediction."""
    if memory is None:
        return [_roofs(tiles, array, None, None) for tiles in layers], None
    predicted = predict_program([tile for tiles in layers for tile in tiles], array, memory)
    descriptors = iter(predicted.descriptors)
    roofs = [
        _roofs(tiles, array, memory, _sum([next(descriptors) for _ in tiles])) for tiles in layers
    ]
    return roofs, predicted.cycles


def _roofs(
    tiles: Sequence[Tile], array: Array, memory: MemoryModel | None, predicted: Prediction | None
) -> Roofs:
    tasks = [work(tile, array) for tile in tiles]
    descriptors = len(tiles) * DESCRIPTOR_READ_BYTES // array.beat_bytes
    input_beats = sum(task.rows * task.row_beats for task in tasks)
    weight_beats = descriptors + sum(task.weight_beats for task in tasks)
    write_beats = sum(task.write_beats for task in tasks)
    read_bytes = (input_beats + weight_beats) * array.beat_bytes
    written_bytes = write_beats * array.beat_bytes
    return Roofs(
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        lanes=sum(task.mac_cycles for task in tasks),
        output=sum(task.pass_cycles for task in tasks),
        ports=max(input_beats, weight_beats, write_beats),
        memory=None if memory is None else (read_bytes + written_bytes) / memory.bytes_per_cycle,
        model=None if predicted is None else predicted.cycles,
        limit=None if predicted is None else predicted.bound.value,
    )


def _sum(predictions: Sequence[Prediction]) -> Prediction:
    return Prediction(
        **{
            field.name: sum(getattr(prediction, field.name) for prediction in predictions)
            for field in fields(Prediction)
        }
    )
