# SPDX-License-Identifier: Apache-2.0
"""Cuts a layer into tiles that one descriptor each can describe and the engine's buffers hold.

Most layers are one tile. The others are cut along

- groups: neighbouring groups share a tile, with zero weights between them, where that fills the
  lanes better; each such block is a tile. Where there still are more lanes than output channels,
  neighbouring output columns share the lanes;
- output columns, where the rows that a kernel needs do not fit the line buffer (neighbouring
  stripes both read the columns that the kernel overlaps), and rows that a descriptor cannot count;
- input channels, kernel rows and kernel columns, where the weights of one group of output lanes do
  not fit the weight buffer. Such tiles give int32 partial sums, which the host adds and
  requantises.

The engine inserts the padding, except where a tile would read nothing else: then the host does.
And where that is clearly quicker, the host folds the kernel rows into the channels first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from math import inf

from lineconv.cycle_model import predict_program
from lineconv.fold import fold_layer
from lineconv.layer import ConvLayer, OutputType, Padding, Pair
from lineconv.packing import ceil_div
from lineconv.presets import Array, MemoryModel, memory_of
from lineconv.splitting import FIELD_MAX, Split, splits
from lineconv.tile import Tile, common, row_walk

__all__ = ["NO_PADDING", "Tiling", "tile_layer"]

NO_PADDING: Padding = ((0, 0), (0, 0))

# The folded image has kernel_height / stride_height times the bytes, which the host must write. A
# gain below a tenth of the layer would be lost there.
_FOLDED_SHARE = 0.9

# Cycles that may be given for less memory traffic: more groups per pass.
_TRAFFIC_SHARE = 1.001


@dataclass(frozen=True)
class Tiling:
    """How one image of a layer runs on an array.

    Attributes:
        layer: what the tiles compute: folded if `folded`, its input with `host_padding`.
        folded: the host writes the folded image, see `lineconv.fold`.
        host_padding: zero points that the host puts around the image; horizontal if `folded`.
        chunks: 1 if the tiles write results, otherwise how many int32 partial sums add up to them.
        tiles: one per descriptor.
        cycles: predicted for all tiles.
    """

    layer: ConvLayer
    folded: bool
    host_padding: Padding
    chunks: int
    tiles: tuple[Tile, ...]
    cycles: float

    @property
    def result_width(self) -> int:
        """Columns of a result in memory, of which the first `layer.out_width` count."""
        return max(tile.out_columns.stop for tile in self.tiles)

    @property
    def output_type(self) -> OutputType:
        """What the tiles write."""
        return self.layer.output if self.chunks == 1 else OutputType.INT32

    def macs(self, tile: Tile) -> int:
        """Multiply-accumulates of the layer in a tile; zero weights between groups do not count."""
        in_group = self.layer.in_channels // self.layer.groups
        out_group = self.layer.out_channels // self.layer.groups
        first, last = tile.in_channels[0] // in_group, tile.in_channels[-1] // in_group
        pairs = sum(
            len(common(tile.in_channels, group * in_group, in_group))
            * len(common(tile.out_channels, group * out_group, out_group))
            for group in range(first, last + 1)
        )
        taps = len(tile.kernel_rows) * len(tile.kernel_columns)
        columns = len(common(tile.out_columns, 0, self.layer.out_width))
        return len(tile.out_rows) * columns * taps * pairs


@lru_cache(maxsize=256)
def tile_layer(
    layer: ConvLayer,
    array: Array,
    memory: MemoryModel | None = None,
    *,
    host_input: bool = True,
) -> Tiling:
    """The tiles of one image. Every layer has some on every array.

    Args:
        memory: that the tiles are chosen for; None is what is known of the array's.
        host_input: the host writes the image, so that it can fold it.
    """
    if memory is None:
        memory = memory_of(array)
    plain = _tile_padded(layer, array, memory)
    if not host_input or layer.kernel[0] == 1:
        return plain
    folded = _tile_padded(fold_layer(layer), array, memory)
    return replace(folded, folded=True) if folded.cycles < _FOLDED_SHARE * plain.cycles else plain


def _tile_padded(layer: ConvLayer, array: Array, memory: MemoryModel) -> Tiling:
    try:
        return _tile(layer, NO_PADDING, array, memory)
    except _NothingToRead:
        (top, bottom), (left, right) = layer.padding
        padded = replace(
            layer,
            in_height=top + layer.in_height + bottom,
            in_width=left + layer.in_width + right,
            padding=NO_PADDING,
        )
        return _tile(padded, layer.padding, array, memory)


class _NothingToRead(Exception):
    """A tile would see padding only, or more padding above than the engine inserts."""


def _tile(layer: ConvLayer, host_padding: Padding, array: Array, memory: MemoryModel) -> Tiling:
    cuts = min(
        (_Cuts(layer, split, array, memory) for split in splits(layer, array)),
        key=_Cuts.layer_cycles,
    )
    tiles = tuple(cuts.tiles())
    return Tiling(layer, False, host_padding, cuts.chunks, tiles, cuts.layer_cycles())


class _Cuts:
    """A layer cut by a split."""

    def __init__(self, layer: ConvLayer, split: Split, array: Array, memory: MemoryModel) -> None:
        self._layer = layer
        self._array = array
        self._memory = memory
        self._blocks = layer.groups // split.groups
        self._in_channels = _cut(layer.in_channels // self._blocks, split.channels)
        self._out_channels = _cut(layer.out_channels // self._blocks, FIELD_MAX)
        self._kernel_rows = _cut(layer.kernel[0], split.kernel[0])
        self._kernel_columns = _cut(layer.kernel[1], split.kernel[1])
        self._out_rows = _cut(layer.out_height, split.out_rows)
        self._out_columns = _cut(layer.out_width, split.out_columns, split.pixels)
        self._pixels = split.pixels
        self.chunks = len(self._kernel_rows) * len(self._kernel_columns) * len(self._in_channels)

    def layer_cycles(self) -> float:
        """Predicted from the first tile; infinite if that cannot run."""
        try:
            tile = next(self.tiles())
        except _NothingToRead:
            return inf
        layer = self._layer
        areas = len(self._out_rows) * len(self._out_columns)
        count = self._blocks * len(self._out_channels) * self.chunks * areas
        cycles = count * _cost(tile, self._array, self._memory)[0]
        if self.chunks > 1:  # the host adds the partial sums
            cycles += self.chunks * layer.out_channels * layer.out_height * layer.out_width
        return cycles

    def tiles(self) -> Iterator[Tile]:
        """All tiles, those that share weights and image next to each other."""
        in_block = self._layer.in_channels // self._blocks
        out_block = self._layer.out_channels // self._blocks
        parts = list(product(self._in_channels, self._kernel_rows, self._kernel_columns))
        for block, out_channels in product(range(self._blocks), self._out_channels):
            for chunk, (in_channels, kernel_rows, kernel_columns) in enumerate(parts):
                for out_rows, out_columns in product(self._out_rows, self._out_columns):
                    yield self._tile(
                        chunk,
                        _shift(in_channels, block * in_block),
                        _shift(out_channels, block * out_block),
                        (kernel_rows, kernel_columns),
                        (out_rows, out_columns),
                    )

    def _tile(
        self,
        chunk: int,
        in_channels: range,
        out_channels: range,
        kernel: tuple[range, range],
        out: tuple[range, range],
    ) -> Tile:
        layer, array = self._layer, self._array
        row_step, stride_height, dilation_height = row_walk(layer, len(kernel[0]))
        dilation = (dilation_height, layer.dilation[1] if len(kernel[1]) > 1 else 1)
        stride = (stride_height, self._pixels * layer.stride[1])
        taps = (len(kernel[0]), len(kernel[1]) + (self._pixels - 1) * layer.stride[1])
        counts = (len(out[0]), len(out[1]) // self._pixels)
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
            raise _NothingToRead

        segment_bytes = len(in_channels) * (taps[1] if dilation[1] == 1 else 1)
        tile = Tile(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_rows=kernel[0],
            kernel_columns=kernel[1],
            out_rows=out[0],
            out_columns=out[1],
            pixels=self._pixels,
            in_rows=in_rows,
            in_columns=in_columns,
            kernel_width=taps[1],
            stride=stride,
            dilation=dilation,
            padding=(top_bottom, left_right),
            chunk=chunk,
            output_type=layer.output if self.chunks == 1 else OutputType.INT32,
            segment_words=ceil_div(segment_bytes, array.input_lanes),
            groups_per_pass=1,
            row_slots=1,
        )
        # All rows where they fit, so that later passes find them; else as many as fit.
        useful = max(len(in_rows), tile.span_rows, stride_height)
        slots = array.line_buffer_beats // tile.row_beats(array.beat_bytes)
        tile = replace(tile, row_slots=min(slots, useful))
        sized = [replace(tile, groups_per_pass=size) for size in _pass_sizes(tile, array)]
        costs = [_cost(tile, array, self._memory) for tile in sized]
        most = _TRAFFIC_SHARE * min(cycles for cycles, _ in costs)
        return min(
            (pair for pair in zip(costs, sized, strict=True) if pair[0][0] <= most),
            key=lambda pair: pair[0][1],
        )[1]


def _cost(tile: Tile, array: Array, memory: MemoryModel) -> tuple[float, int]:
    """Cycles and beats of a tile, as the mean of a first one and one that follows: by then part of
    its weights are loaded."""
    program = predict_program([tile, tile], array, memory)
    follower = program.descriptors[-1]
    return program.cycles / 2, follower.read_beats + follower.write_beats


def _pass_sizes(tile: Tile, array: Array) -> list[int]:
    """Groups per pass that fit the weight buffer and fill all passes alike, largest first."""
    groups = ceil_div(tile.output_channels, array.output_lanes)
    most = min(array.weight_words // tile.group_words, array.parameter_groups)
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
