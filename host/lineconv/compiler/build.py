# SPDX-License-Identifier: Apache-2.0
"""Turns a schedule into the image and the steps of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

import numpy as np

from lineconv.bus import ByteArray
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.lowering import Work
from lineconv.compiler.network import HostStep, LayerPlan, Pack, Segment, Step, Unpack
from lineconv.compiler.operation import Operation
from lineconv.compiler.placement import place
from lineconv.compiler.program import Image, descriptors, stream_offsets
from lineconv.compiler.schedule import Schedule
from lineconv.compiler.view import View
from lineconv.cycle_model import Bound, Prediction, predict_program
from lineconv.graph.layers import Convolution, TransposedConvolution
from lineconv.presets import Preset
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES

__all__ = ["build"]


def build(
    schedule: Schedule, preset: Preset, *, keep: bool
) -> tuple[ByteArray, int, tuple[Step, ...]]:
    """Image, size of the block, and steps; see `Network`."""
    works = [item for item in schedule.items if isinstance(item, Work)]
    image = Image(DESCRIPTOR_BYTES * sum(map(_count, works)))
    streams = {
        operation: stream_offsets(operation, tiling, preset.array, image)
        for work in works
        for operation, tiling in work.operations
    }
    buffers = schedule.memory.buffers
    offsets = {
        name: image.append(buffer.content)
        for name, buffer in buffers.items()
        if buffer.content is not None
    }
    activations, nbytes = place(schedule.items, buffers, keep=keep)
    offsets |= {name: image.nbytes + offset for name, offset in activations.items()}
    content = image.array()
    places = _Places(offsets)
    program = content[: DESCRIPTOR_BYTES * sum(map(_count, works))].view(DESCRIPTOR)
    filled = (
        entry
        for work in works
        for operation, tiling in work.operations
        for entry in descriptors(places.operation(operation), tiling, streams[operation])
    )
    for index, entry in enumerate(filled):
        program[index] = entry
    return content, content.size + nbytes, tuple(_steps(schedule, places, preset))


class _Places:
    """Addresses of buffers, relative to the block."""

    def __init__(self, offsets: dict[str, int]) -> None:
        self._offsets = offsets

    def view(self, view: View) -> View:
        return replace(view, offset=self._offsets[view.buffer] + view.offset)

    def tensor(self, tensor: DeviceTensor) -> DeviceTensor:
        return replace(tensor, view=self.view(tensor.view))

    def operation(self, operation: Operation) -> Operation:
        inputs = tuple(map(self.view, operation.inputs))
        return replace(operation, inputs=inputs, output=self.view(operation.output))


def _count(work: Work) -> int:
    """Of descriptors."""
    return sum(operation.output.batch * len(tiling.tiles) for operation, tiling in work.operations)


def _steps(schedule: Schedule, places: _Places, preset: Preset) -> Iterator[Step]:
    """The items as steps. Works that follow each other are a segment, if there is work in them."""
    first = 0
    for is_work, group in groupby(schedule.items, lambda item: isinstance(item, Work)):
        if is_work:
            segment = _segment(
                [item for item in group if isinstance(item, Work)], first, places, preset
            )
            first += segment.count
            if segment.count:
                yield segment
            continue
        for item in group:
            if isinstance(item, Pack):
                yield replace(item, target=places.tensor(item.target))
            elif isinstance(item, Unpack):
                yield Unpack(places.tensor(item.source))
            else:
                assert isinstance(item, HostStep)
                yield item


def _segment(works: Sequence[Work], first: int, places: _Places, preset: Preset) -> Segment:
    """`first`: index of its first descriptor."""
    tiles = [
        tile
        for work in works
        for operation, tiling in work.operations
        for _ in range(operation.output.batch)
        for tile in tiling.tiles
    ]
    if not tiles:
        return Segment(first * DESCRIPTOR_BYTES, 0, (), 0)
    predicted = predict_program(tiles, preset.array, preset.memory)
    each = iter(predicted.descriptors)
    plans = tuple(
        _plan(work, list(islice(each, _count(work))), places, preset.array.beat_bytes)
        for work in works
    )
    return Segment(first * DESCRIPTOR_BYTES, len(tiles), plans, predicted.cycles)


def _plan(
    work: Work, predictions: Sequence[Prediction], places: _Places, beat_bytes: int
) -> LayerPlan:
    by_bound = dict.fromkeys(Bound, 0)
    for prediction in predictions:
        by_bound[prediction.bound] += prediction.cycles
    return LayerPlan(
        name=work.job.layer.name,
        kinds=work.job.kinds,
        descriptors=len(predictions),
        macs=_macs(work),
        cycles=sum(prediction.cycles for prediction in predictions),
        read_bytes=beat_bytes * sum(prediction.read_beats for prediction in predictions),
        written_bytes=beat_bytes * sum(prediction.write_beats for prediction in predictions),
        bound=max(by_bound, key=lambda bound: by_bound[bound]),
        inputs=work.job.inputs,
        output=places.tensor(work.output),
        remark=work.job.layer.remark,
    )


def _macs(work: Work) -> int:
    """Those of the layer, which may be fewer than those of its operations."""
    layer = work.job.layer
    if isinstance(layer, Convolution) and not isinstance(layer, TransposedConvolution):
        pixels = layer.layer.out_channels * layer.layer.out_height * layer.layer.out_width
        images = int(np.prod(layer.outputs[0].shape)) // pixels
        return images * layer.layer.macs
    return sum(
        operation.output.batch * tiling.macs(tile)
        for operation, tiling in work.operations
        for tile in tiling.tiles
    )
