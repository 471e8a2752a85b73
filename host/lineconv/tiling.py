# SPDX-License-Identifier: Apache-2.0
"""Cuts a layer into tiles that one descriptor each can describe and the engine's buffers hold.

Most layers are one tile. The others are cut along

- groups: neighbouring groups share a tile, with zero weights between them, where that fills the
  lanes better; each such block is a tile. In tensors that are in memory, groups whose outputs fill
  the lanes evenly are one tile altogether. Where there still are more lanes than output channels,
  neighbouring output columns share the lanes;
- output columns, where the rows that a kernel needs do not fit the line buffer (neighbouring
  stripes both read the columns that the kernel overlaps), and rows that a descriptor cannot count;
- the kernel, where the weights of one group of output lanes do not fit the weight buffer. If the
  host gives the image, along input channels, kernel rows and kernel columns: such tiles give int32
  partial sums, which the host adds and requantises. In tensors that are in memory, each output
  pixel becomes a tile that loads its weights kernel row by kernel row.

The engine inserts the padding, except where a tile would read nothing else: then the host does.
And where that is clearly quicker, the host folds the kernel rows into the channels first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from lineconv.cuts import Cuts, NothingToReadError, Target
from lineconv.errors import InvalidLayerError
from lineconv.fold import fold_layer
from lineconv.layer import ConvLayer, OutputType, Padding
from lineconv.packing import ELEMENT_TYPES
from lineconv.presets import Array, MemoryModel, memory_of
from lineconv.regs import Kind
from lineconv.splitting import Access, splits, vector_splits
from lineconv.tile import Tile, common

__all__ = ["NO_PADDING", "Tiling", "tile_layer", "tile_reader"]

NO_PADDING: Padding = ((0, 0), (0, 0))

# The folded image has kernel_height / stride_height times the bytes, which the host must write. A
# gain below a tenth of the layer would be lost there.
_FOLDED_SHARE = 0.9


@dataclass(frozen=True)
class Tiling:
    """How one image of a layer runs on an array.

    Attributes:
        layer: what the tiles compute: folded if `folded`, its input with `host_padding`.
        in_memory: image and result are one tensor each, of which the tiles are parts; else each
            block of channels has an image of its own.
        folded: the host writes the folded image, see `lineconv.fold`.
        host_padding: zero points that the host puts around the image; horizontal if `folded`.
        chunks: 1 if the tiles write results, otherwise how many int32 partial sums add up to them.
        tiles: one per descriptor.
        cycles: predicted for all tiles.
    """

    layer: ConvLayer
    in_memory: bool
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
        """Multiply-accumulates of the layer in a tile; zero weights between groups do not count,
        nor does what MAX_POOL and ADD do."""
        if tile.kind in (Kind.MAX_POOL, Kind.ADD):
            return 0
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
    kind: Kind = Kind.CONV,
    digits: int = 1,
    host_input: bool = True,
    input_pixel_stride: int | None = None,
    output_pixel_stride: int | None = None,
    input_align: int = 0,
    output_align: int = 0,
    table: bool = False,
) -> Tiling:
    """The tiles of one image.

    A convolution of an image that the host gives has tiles on every array. Other layers work on
    tensors in memory, which they read and write where they lie.

    Args:
        layer: of the vector kinds, a group is a channel; ADD has a 1x1 kernel.
        memory: that the tiles are chosen for; None is what is known of the array's.
        kind: what the engine does.
        digits: of the coefficients of ADD.
        host_input: the host writes the image of a convolution, so that it can fold and pad it,
            and reads the result, so that it can add partial sums.
        input_pixel_stride, output_pixel_stride: bytes from one column of a tensor in memory to the
            next; None: its pixels lie side by side.
        input_align, output_align: bytes from the beat before to the start of its rows.
        table: the results go through a table, which comes with the weights.

    Raises:
        InvalidLayerError: tensors in memory, and the layer needs the host or fits no buffer.
    """
    if memory is None:
        memory = memory_of(array)
    if kind is Kind.CONV and host_input:
        target = Target(array, memory, None, kind, digits, table)
        plain = _tile_padded(layer, target)
        if layer.kernel[0] == 1:
            return plain
        folded = _tile_padded(fold_layer(layer), target)
        quicker = folded.cycles < _FOLDED_SHARE * plain.cycles
        return replace(folded, folded=True) if quicker else plain
    pixel_bytes = layer.out_channels * ELEMENT_TYPES[layer.output].itemsize
    access = Access(
        input_pixel_stride=input_pixel_stride or layer.in_channels,
        output_pixel_stride=output_pixel_stride or pixel_bytes,
        input_align=input_align,
        output_align=output_align,
    )
    target = Target(array, memory, access, kind, digits, table)
    try:
        return _tile(layer, NO_PADDING, target)
    except NothingToReadError:
        raise InvalidLayerError(
            f"padding {layer.padding} goes beyond the kernel: the host pads it"
        ) from None


def tile_reader(layer: ConvLayer, array: Array, memory: MemoryModel | None = None) -> Tiling | None:
    """The tiles of a convolution that reads another's result in memory; None if that is no use:
    it needs the host, or partial sums that the host adds are quicker than weights by row."""
    try:
        tiling = tile_layer(layer, array, memory, host_input=False)
    except InvalidLayerError:
        return None
    return None if any(tile.weights_by_row for tile in tiling.tiles) else tiling


def _tile_padded(layer: ConvLayer, target: Target) -> Tiling:
    try:
        return _tile(layer, NO_PADDING, target)
    except NothingToReadError:
        (top, bottom), (left, right) = layer.padding
        padded = replace(
            layer,
            in_height=top + layer.in_height + bottom,
            in_width=left + layer.in_width + right,
            padding=NO_PADDING,
        )
        return _tile(padded, layer.padding, target)


def _tile(layer: ConvLayer, host_padding: Padding, target: Target) -> Tiling:
    array, access = target.array, target.access
    if access is None or target.kind is Kind.CONV:
        found = splits(layer, array, access)
    else:
        found = vector_splits(layer, array, access, target.kind, target.digits)
    candidates = [Cuts(layer, split, target) for split in found]
    if not candidates:
        height, width = layer.kernel
        raise InvalidLayerError(
            f"what a {height}x{width} kernel needs of {layer.in_channels} channels does not fit: "
            f"input rows {array.line_buffer_beats * array.beat_bytes} bytes, a kernel row "
            f"{array.weight_words} words of weights"
        )
    cuts = min(candidates, key=Cuts.layer_cycles)
    tiles = tuple(cuts.tiles())
    in_memory = access is not None
    cycles = cuts.layer_cycles()
    return Tiling(layer, in_memory, False, host_padding, cuts.chunks, tiles, cycles)
