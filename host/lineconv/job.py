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
from lineconv.operands import Operands
from lineconv.packing import (
    ELEMENT_TYPES,
    ceil_div,
    pack_images,
    row_stride,
    unpack_images,
)
from lineconv.presets import Array
from lineconv.program import TileAddresses, descriptor
from lineconv.streams import tile_stream
from lineconv.tile import Tile
from lineconv.tiling import Tiling

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
        if source is not None and (obstacle := chain_obstacle(source._tiling)):
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
            inputs, results = self._input_key(tile), self._result_key(tile)
            if inputs not in self._images_at:
                self._images_at[inputs] = self._place_images(inputs, layout)
            if results not in self._results_at:
                self._results_at[results] = self._place_results(results[1], layout)

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
        inputs = self._images_at[self._input_key(tile)]
        results = self._results_at[self._result_key(tile)]
        return TileAddresses(
            image=address + inputs.start + image * inputs.image,
            image_row=inputs.row,
            weights=address + self._weights_at[_weights_key(tile)],
            result=address + results.start + image * results.image,
            result_row=results.row,
        )

    def _input_key(self, tile: Tile) -> range:
        layer = self._tiling.layer
        return range(layer.in_channels) if self._tiling.in_memory else tile.in_channels

    def _result_key(self, tile: Tile) -> _Result:
        layer = self._tiling.layer
        if self._tiling.in_memory:
            return (0, range(layer.out_channels))
        return (tile.chunk, tile.out_channels)

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


def chain_obstacle(source: Tiling) -> str | None:
    """Why the result of a layer is no tensor in memory that another can read; None if it is."""
    if source.chunks > 1:
        return f"the host adds and requantises {source.chunks} partial sums"
    if not source.in_memory and len({tile.out_channels for tile in source.tiles}) > 1:
        return "its channels are written as several images"
    return None


def _weights_key(tile: Tile) -> _Weights:
    return (tile.in_channels, tile.out_channels, tile.kernel_rows, tile.kernel_columns)


def _tile_weights(operands: Operands, tiling: Tiling, tile: Tile, array: Array) -> ByteArray:
    """The weight stream of a tile."""
    w = fold_weights(operands.w) if tiling.folded else operands.w
    return tile_stream(tile, tiling.layer, w, operands.bias, operands.scale, array)
