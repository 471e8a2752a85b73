# SPDX-License-Identifier: Apache-2.0
"""One layer of a program in memory: its descriptors, weights, input and result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.bus import ByteArray
from lineconv.errors import InvalidLayerError
from lineconv.fold import fold_weights, pack_folded
from lineconv.layer import ConvLayer
from lineconv.operands import Operands
from lineconv.packing import (
    ELEMENT_TYPES,
    ceil_div,
    pack_images,
    pack_weights,
    row_stride,
    unpack_images,
)
from lineconv.presets import Array
from lineconv.program import TileAddresses, descriptor
from lineconv.tile import Tile, common
from lineconv.tiling import NO_PADDING, Tiling

__all__ = ["ConvJob", "Layout", "chain_obstacle"]

_Weights: TypeAlias = tuple[range, range, range, range]  # channels in and out, kernel rows, columns
_Result: TypeAlias = tuple[int, range]  # chunk, output channels

_ALIGNMENT = 256  # of images and weight streams: whole bursts, and so cache lines, too


class Layout:
    """Hands out places in a block.

    Attributes:
        nbytes: size of the block so far.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes

    def reserve(self, nbytes: int) -> int:
        """The offset of that many bytes."""
        start = ceil_div(self.nbytes, _ALIGNMENT) * _ALIGNMENT
        self.nbytes = start + nbytes
        return start


@dataclass(frozen=True)
class _Images:
    """Where packed images (N, C, H, W) lie: offset of the first, bytes from each to the next."""

    start: int
    row: int
    image: int


class ConvJob:
    """One layer of a program, laid out in the program's block of memory.

    Attributes:
        count: descriptors of the layer.
        macs: multiply-accumulates per descriptor.

    Args:
        layout: of the block; the layer takes its places from it.
        source: the layer whose result is the input, already laid out; None if the host gives it.

    Raises:
        InvalidLayerError: the result of `source` cannot be read where it lies.
    """

    def __init__(
        self,
        operands: Operands,
        tiling: Tiling,
        array: Array,
        layout: Layout,
        source: ConvJob | None = None,
    ) -> None:
        self.operands = operands
        self._tiling = tiling
        self._beat_bytes = array.beat_bytes
        self._batch = operands.shape[0]
        self.count = self._batch * len(tiling.tiles)
        self.macs = [tiling.macs(tile) for tile in tiling.tiles] * self._batch
        if source is not None and (obstacle := chain_obstacle(source._tiling, tiling)):
            raise InvalidLayerError(
                f"{operands.name} cannot read the result of {source.operands.name} in memory: "
                f"{obstacle}"
            )

        self._streams: dict[_Weights, ByteArray] = {}
        self._weights_at: dict[_Weights, int] = {}
        self._images_at: dict[range, _Images] = {}
        self._results_at: dict[_Result, _Images] = {}
        if source is not None:
            (self._images_at[range(tiling.layer.in_channels)],) = source._results_at.values()
        for tile in tiling.tiles:
            if (key := _weights_key(tile)) not in self._streams:
                self._streams[key] = _tile_weights(operands, tiling, tile, array)
                self._weights_at[key] = layout.reserve(self._streams[key].size)
            if tile.in_channels not in self._images_at:
                self._images_at[tile.in_channels] = self._place_images(tile.in_channels, layout)
            if _result_key(tile) not in self._results_at:
                self._results_at[_result_key(tile)] = self._place_results(tile.out_channels, layout)

    def descriptors(self, address: int) -> Iterator[npt.NDArray[np.void]]:
        """In the order of the program, for a block that the engine sees at `address`."""
        for image in range(self._batch):
            for tile in self._tiling.tiles:
                yield descriptor(
                    tile,
                    self._tiling,
                    self._addresses(tile, image, address),
                    input_unsigned=self.operands.unsigned,
                )

    def write(self, block: ByteArray) -> None:
        """Put weights, and the input if the host gives it, in their places."""
        for key, stream in self._streams.items():
            start = self._weights_at[key]
            block[start : start + stream.size] = stream
        if isinstance(self.operands.x, Operands):
            return
        x = np.pad(
            self.operands.x,
            ((0, 0), (0, 0), *self._tiling.host_padding),
            constant_values=self.operands.raw_zero_point,
        )
        for channels, images in self._images_at.items():
            out = self._bytes(block, images)
            if self._tiling.folded:
                zero_point, layer = self.operands.raw_zero_point, self.operands.layer
                pack_folded(x, layer, channels, zero_point, out, self._beat_bytes)
            else:
                pack_images(x[:, channels.start : channels.stop], out, self._beat_bytes)

    def read(self, block: ByteArray) -> npt.NDArray[np.integer[Any]]:
        """The result (N, O, H, W) of a program that has run."""
        layer, output_type = self._tiling.layer, self._tiling.output_type
        total = np.zeros(self.operands.shape, ELEMENT_TYPES[output_type])
        for (_, channels), images in self._results_at.items():
            stored = (self._batch, len(channels), layer.out_height, self._tiling.result_width)
            data = self._bytes(block, images)
            part = unpack_images(data, stored, output_type, self._beat_bytes)
            part = part[..., : layer.out_width]
            if self._tiling.chunks == 1:
                total[:, channels.start : channels.stop] = part
            else:
                total[:, channels.start : channels.stop] += part  # wraps, as the accumulator does
        if output_type is layer.output:
            return total
        return golden.requantize(total, self.operands.scale, layer)

    def _addresses(self, tile: Tile, image: int, address: int) -> TileAddresses:
        inputs = self._images_at[tile.in_channels]
        results = self._results_at[_result_key(tile)]
        return TileAddresses(
            image=address + inputs.start + image * inputs.image,
            image_row=inputs.row,
            weights=address + self._weights_at[_weights_key(tile)],
            result=address + results.start + image * results.image,
            result_row=results.row,
        )

    def _place_images(self, channels: range, layout: Layout) -> _Images:
        layer = self._tiling.layer
        return self._place(layer.in_height, layer.in_width * len(channels), layout)

    def _place_results(self, channels: range, layout: Layout) -> _Images:
        tiling = self._tiling
        pixel_bytes = len(channels) * ELEMENT_TYPES[tiling.output_type].itemsize
        return self._place(tiling.layer.out_height, tiling.result_width * pixel_bytes, layout)

    def _place(self, rows: int, row_bytes: int, layout: Layout) -> _Images:
        row = row_stride(row_bytes, self._beat_bytes)
        return _Images(layout.reserve(self._batch * rows * row), row, rows * row)

    def _bytes(self, block: ByteArray, images: _Images) -> ByteArray:
        return block[images.start : images.start + self._batch * images.image]


def chain_obstacle(source: Tiling, reader: Tiling) -> str | None:
    """Why the result of one layer is no input of another as it lies in memory; None if it is."""
    if source.chunks > 1:
        return f"the host adds and requantises {source.chunks} partial sums"
    if len({tile.out_channels for tile in source.tiles}) > 1:
        return "its channels are written as several images"
    if any(len(tile.in_channels) != reader.layer.in_channels for tile in reader.tiles):
        return "its channels are read as several images"
    if reader.host_padding != NO_PADDING:
        return "the host pads it"
    return None


def _weights_key(tile: Tile) -> _Weights:
    return (tile.in_channels, tile.out_channels, tile.kernel_rows, tile.kernel_columns)


def _result_key(tile: Tile) -> _Result:
    return (tile.chunk, tile.out_channels)


def _tile_weights(operands: Operands, tiling: Tiling, tile: Tile, array: Array) -> ByteArray:
    """The weight stream of a tile, with the input zero point folded into the bias."""
    layer, rows, columns = tiling.layer, tile.kernel_rows, tile.kernel_columns
    w = fold_weights(operands.w) if tiling.folded else operands.w
    w = w[..., rows.start : rows.stop, columns.start : columns.stop]
    dense = _dense_weights(w, layer, tile)
    outputs = slice(tile.out_channels.start, tile.out_channels.stop)
    bias = operands.bias[outputs] if tile.chunk == 0 else None
    folded = golden.fold_zero_point(dense, bias, layer.x_zero_point)
    return pack_weights(
        _side_by_side(dense, tile, layer.stride[1]),
        np.tile(folded, tile.pixels),
        np.tile(operands.scale[outputs], tile.pixels),
        array,
        flattened=tile.flattened,
    )


def _dense_weights(w: npt.NDArray[np.int8], layer: ConvLayer, tile: Tile) -> npt.NDArray[np.int8]:
    """The tile's part of w (O, C / groups, kH, kW) without groups: zero between them."""
    in_group = layer.in_channels // layer.groups
    out_group = layer.out_channels // layer.groups
    dense = np.zeros((len(tile.out_channels), len(tile.in_channels), *w.shape[2:]), np.int8)
    for group in range(tile.in_channels[0] // in_group, tile.in_channels[-1] // in_group + 1):
        inputs = common(tile.in_channels, group * in_group, in_group)
        outputs = common(tile.out_channels, group * out_group, out_group)
        dense[
            outputs.start - tile.out_channels.start : outputs.stop - tile.out_channels.start,
            inputs.start - tile.in_channels.start : inputs.stop - tile.in_channels.start,
        ] = w[outputs.start : outputs.stop, inputs.start % in_group :][:, : len(inputs)]
    return dense


def _side_by_side(dense: npt.NDArray[np.int8], tile: Tile, stride: int) -> npt.NDArray[np.int8]:
    """Kernels for `tile.pixels` neighbouring columns, each a stride further right than the last."""
    if tile.pixels == 1:
        return dense
    outputs, inputs, height, width = dense.shape
    wide = np.zeros((tile.pixels, outputs, inputs, height, tile.kernel_width), np.int8)
    for pixel in range(tile.pixels):
        wide[pixel, ..., pixel * stride : pixel * stride + width] = dense
    return wide.reshape(-1, inputs, height, tile.kernel_width)
