# SPDX-License-Identifier: Apache-2.0
"""A layer cut by a split: its tiles, and what they are predicted to take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import inf

from lineconv.cycle_model import predict_program
from lineconv.layer import ConvLayer, OutputType, Pair
from lineconv.packing import ELEMENT_TYPES, ceil_div
from lineconv.presets import Array, MemoryModel
from lineconv.regs import Kind
from lineconv.splitting import FIELD_MAX, Access, Split
from lineconv.tile import Tile, group_lanes, row_walk

__all__ = ["Cuts", "NothingToReadError", "Target"]

# Cycles that may be given for less memory traffic: more groups per pass.
_TRAFFIC_SHARE = 1.001


class NothingToReadError(Exception):
    """A tile would see padding only, or more padding above than the engine inserts."""


@dataclass(frozen=True)
class Target:
    """What tiles are made for, beside the layer.

    Attributes:
        access: to the tensors in memory; None if the host packs images and results as it likes.
        digits: kernel columns of ADD.
        table: the results, but not partial sums, go through a table.
    """

    array: Array
    memory: MemoryModel
    access: Access | None
    kind: Kind
    digits: int
    table: bool


class Cuts:
    """A layer cut by a split.

    Attributes:
        chunks: 1 if the tiles write results, otherwise how many int32 partial sums add up to them.
    """

    def __init__(self, layer: ConvLayer, split: Split, target: Target) -> None:
        self._layer = layer
        self._split = split
        self._target = target
        self._blocks = layer.groups // split.groups
        kernel = (1, 1) if target.kind is Kind.ADD else split.kernel
        self._in_channels = _cut(layer.in_channels // self._blocks, split.channels)
        self._out_channels = _cut(layer.out_channels // self._blocks, FIELD_MAX)
        self._kernel_rows = _cut(layer.kernel[0], kernel[0])
        self._kernel_columns = _cut(layer.kernel[1], kernel[1])
        self._out_rows = _cut(layer.out_height, split.out_rows)
        self._out_columns = _cut(layer.out_width, split.out_columns, split.pixels)
        self.chunks = len(self._kernel_rows) * len(self._kernel_columns) * len(self._in_channels)

    def layer_cycles(self) -> float:
        """Predicted from the first tile; infinite if that cannot run."""
        try:
            tile = next(self.tiles())
        except NothingToReadError:
            return inf
        layer = self._layer
        areas = len(self._out_rows) * len(self._out_columns)
        count = self._blocks * len(self._out_channels) * self.chunks * areas
        cycles = count * self._cost(tile)[0]
        if self.chunks > 1:  # the host adds the partial sums
            cycles += self.chunks * layer.out_channels * layer.out_height * layer.out_width
        return cycles

    def tiles(self) -> Iterator[Tile]:
        """All tiles, those that share weights and image next to each other.

        Raises:
            NothingToReadError: the host must pad the image first.
        """
        in_block = self._layer.in_channels // self._blocks
        out_block = self._layer.out_channels // self._blocks
        parts = list(product(self._in_channels, self._kernel_rows, self._kernel_columns))
        for block, out_channels in product(range(self._blocks), self._out_channels):
            for chunk, (in_channels, kernel_rows, kernel_columns) in enumerate(parts):
                for out_rows, out_columns in product(self._out_rows, self._out_columns):
                    tile = self._tile(
                        chunk,
                        _shift(in_channels, block * in_block),
                        _shift(out_channels, block * out_block),
                        (kernel_rows, kernel_columns),
                        (out_rows, out_columns),
                    )
                    yield self._sized(self._of_kind(tile))

    def _tile(
        self,
        chunk: int,
        in_channels: range,
        out_channels: range,
        kernel: tuple[range, range],
        out: tuple[range, range],
    ) -> Tile:
        """A tile of a convolution, with room for one input row and one group of lanes."""
        layer, split, access = self._layer, self._split, self._target.access
        row_step, stride_height, dilation_height = row_walk(layer, len(kernel[0]))
        taps = (len(kernel[0]), len(kernel[1]) + (split.pixels - 1) * layer.stride[1])
        dilation = (dilation_height, layer.dilation[1] if len(kernel[1]) > 1 else 1)
        stride = (stride_height, split.pixels * layer.stride[1])
        counts = (len(out[0]), len(out[1]) // split.pixels)
        steps = (row_step, 1)
        sizes = (layer.in_height, layer.in_width)

        walks = []
        for axis in range(2):
            first = out[axis].start * layer.stride[axis] - layer.padding[axis][0]
            first += kernel[axis].start * layer.dilation[axis]
            span = dilation[axis] * (taps[axis] - 1) + 1
            count = (counts[axis] - 1) * stride[axis] + span
            walks.append(_walk(first, count, steps[axis], sizes[axis]))
        (in_rows, top_bottom), (in_columns, left_right) = walks
        if not in_rows or not in_columns or top_bottom[0] > dilation_height * (taps[0] - 1):
            raise NothingToReadError

        output_type = layer.output if self.chunks == 1 else OutputType.INT32
        element_bytes = ELEMENT_TYPES[output_type].itemsize
        group_step = split.lane_groups * layer.in_channels // layer.groups
        if access is None:
            pixel_strides = (len(in_channels), len(out_channels) * element_bytes)
            first_bytes = aligns = (0, 0)
        else:
            pixel_strides = (access.input_pixel_stride, access.output_pixel_stride)
            first_bytes = (in_channels.start, out_channels.start * element_bytes)
            aligns = (access.input_align, access.output_align)
        return Tile(
            kind=Kind.CONV,
            in_channels=in_channels,
            out_channels=out_channels,
            group_channels=group_step or len(in_channels),
            group_step=group_step,
            kernel_rows=kernel[0],
            kernel_columns=kernel[1],
            out_rows=out[0],
            out_columns=out[1],
            pixels=split.pixels,
            in_rows=in_rows,
            in_columns=in_columns,
            input_pixel_stride=pixel_strides[0],
            output_pixel_stride=split.pixels * pixel_strides[1],
            input_start=in_columns.start * pixel_strides[0] + first_bytes[0],
            output_start=out[1].start * pixel_strides[1] + first_bytes[1],
            input_align=aligns[0],
            output_align=aligns[1],
            kernel_width=taps[1],
            stride=stride,
            dilation=dilation,
            padding=(top_bottom, left_right),
            chunk=chunk,
            output_type=output_type,
            table=self._target.table and self.chunks == 1,
            weights_by_row=split.weights_by_row,
            segment_words=1,
            groups_per_pass=1,
            row_slots=1,
        )

    def _of_kind(self, tile: Tile) -> Tile:
        """What the kind of the layer makes of the tile of a convolution."""
        kind, array = self._target.kind, self._target.array
        if kind is Kind.CONV:
            segment_bytes = tile.group_channels * (tile.kernel_width if tile.flattened else 1)
            return replace(tile, segment_words=ceil_div(segment_bytes, array.input_lanes))
        lanes = array.vector_lanes
        tile = replace(tile, kind=kind, group_channels=lanes, group_step=lanes)
        if kind is not Kind.ADD:
            return tile
        rows, columns = self._split.kernel
        return replace(
            tile,
            kernel_rows=range(rows),
            kernel_columns=range(columns),
            kernel_width=columns,
            stride=(rows, 1),
            dilation=(1, 0),
        )

    def _sized(self, tile: Tile) -> Tile:
        """The tile with the best use of line buffer and weight buffer."""
        array = self._target.array
        # All rows where they fit, so that later passes find them; else as many as fit.
        useful = max(tile.input_height, tile.span_rows, tile.stride[0])
        slots = array.line_buffer_beats // tile.row_beats(array.beat_bytes)
        tile = replace(tile, row_slots=min(slots, useful))
        sized = [replace(tile, groups_per_pass=size) for size in _pass_sizes(tile, array)]
        costs = [self._cost(tile) for tile in sized]
        most = _TRAFFIC_SHARE * min(cycles for cycles, _ in costs)
        return min(
            (pair for pair in zip(costs, sized, strict=True) if pair[0][0] <= most),
            key=lambda pair: pair[0][1],
        )[1]

    def _cost(self, tile: Tile) -> tuple[float, int]:
        """Cycles and beats of a tile, as the mean of a first one and one that follows: by then
        part of its weights are loaded."""
        program = predict_program([tile, tile], self._target.array, self._target.memory)
        follower = program.descriptors[-1]
        return program.cycles / 2, follower.read_beats + follower.write_beats


def _pass_sizes(tile: Tile, array: Array) -> list[int]:
    """Groups per pass that fit the weight buffer and fill all passes alike, largest first."""
    if tile.weights_by_row:
        return [1]
    groups = tile.groups(array)
    slices = group_lanes(tile.kind, array) // array.beat_bytes
    most = min(array.weight_words // tile.group_words, array.parameter_slices // slices)
    sizes = {ceil_div(groups, passes) for passes in range(ceil_div(groups, most), groups + 1)}
    return sorted(sizes, reverse=True)


def _walk(first: int, count: int, step: int, size: int) -> tuple[range, Pair]:
    """Of `count` pixels from `first` on, those inside 0..size-1; how many come before and after."""
    before = min(count, ceil_div(max(0, -first), step))
    start = first + before * step
    inside = min(count - before, max(0, ceil_div(size - start, step)))
    return range(start, start + inside * step, step), (before, count - before - inside)


def _cut(size: int, most: int, unit: int = 1) -> list[range]:
    """0..size-1 in the fewest, nearly equal parts of at most `most`; the first is a largest.

    All parts are whole units, so that the last may end beyond size-1.
    """
    units = ceil_div(size, unit)
    parts = ceil_div(units, most // unit)
    bounds = [ceil_div(units * part, parts) * unit for part in range(parts + 1)]
    return [range(*pair) for pair in pairwise(bounds)]


def _shift(span: range, offset: int) -> range:
    return range(span.start + offset, span.stop + offset)
