# SPDX-License-Identifier: Apache-2.0
"""The memory image of one convolution: program, weights, inputs and results in one block.

One block keeps the window that the engine may touch tight, and is one allocation to give back.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.bus import ByteArray
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
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES
from lineconv.tile import Tile, common
from lineconv.tiling import Tiling

__all__ = ["ConvJob"]

_Weights: TypeAlias = tuple[range, range, range, range]  # channels in and out, kernel rows, columns
_Result: TypeAlias = tuple[int, range]  # chunk, output channels

_ALIGNMENT = 64  # of images and weight streams: whole bursts and cache lines


class ConvJob:
    """One `conv2d` call, laid out in memory.

    Attributes:
        count: descriptors of the program, which lies at the start of the block.
        nbytes: size of the block.
        macs: multiply-accumulates per descriptor.
    """

    def __init__(self, operands: Operands, tiling: Tiling, array: Array) -> None:
        self._operands = operands
        self._tiling = tiling
        self._beat_bytes = array.beat_bytes
        self._batch = len(operands.x)
        self.count = self._batch * len(tiling.tiles)
        self.macs = [tiling.macs(tile) for tile in tiling.tiles] * self._batch

        self._streams: dict[_Weights, ByteArray] = {}
        self._weights_at: dict[_Weights, int] = {}
        self._images_at: dict[range, int] = {}
        self._results_at: dict[_Result, int] = {}
        self.nbytes = self.count * DESCRIPTOR_BYTES
        for tile in tiling.tiles:
            if (key := _weights_key(tile)) not in self._streams:
                self._streams[key] = _tile_weights(operands, tiling, tile, array)
                self._weights_at[key] = self._reserve(self._streams[key].size)
            if tile.in_channels not in self._images_at:
                size = self._batch * self._image_bytes(tile.in_channels)
                self._images_at[tile.in_channels] = self._reserve(size)
            if _result_key(tile) not in self._results_at:
                size = self._batch * self._result_bytes(tile.out_channels)
                self._results_at[_result_key(tile)] = self._reserve(size)

    def write(self, block: ByteArray, address: int) -> None:
        """Fill the block, which the engine sees at `address`, a multiple of the descriptor size."""
        program = block[: self.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
        tiles = self._tiling.tiles
        for index in range(self.count):
            image, tile = divmod(index, len(tiles))
            program[index] = descriptor(
                tiles[tile],
                self._tiling,
                self._addresses(tiles[tile], image, address),
                input_unsigned=self._operands.unsigned,
                beat_bytes=self._beat_bytes,
            )
        for key, stream in self._streams.items():
            start = self._weights_at[key]
            block[start : start + stream.size] = stream
        padding = self._tiling.host_padding
        x = np.pad(
            self._operands.x,
            ((0, 0), (0, 0), *padding),
            constant_values=self._operands.raw_zero_point,
        )
        for channels, start in self._images_at.items():
            size = self._batch * self._image_bytes(channels)
            out = block[start : start + size]
            if self._tiling.folded:
                zero_point = self._operands.raw_zero_point
                layer = self._operands.layer
                pack_folded(x, layer, channels, zero_point, out, self._beat_bytes)
            else:
                pack_images(x[:, channels.start : channels.stop], out, self._beat_bytes)

    def read(self, block: ByteArray) -> npt.NDArray[np.integer[Any]]:
        """The result (N, O, H, W) of a program that has run."""
        layer, output_type = self._tiling.layer, self._tiling.output_type
        shape = (self._batch, layer.out_channels, layer.out_height, layer.out_width)
        total = np.zeros(shape, ELEMENT_TYPES[output_type])
        for (_, channels), start in self._results_at.items():
            data = block[start : start + self._batch * self._result_bytes(channels)]
            stored = (self._batch, len(channels), layer.out_height, self._tiling.result_width)
            part = unpack_images(data, stored, output_type, self._beat_bytes)
            part = part[..., : layer.out_width]
            if self._tiling.chunks == 1:
                total[:, channels.start : channels.stop] = part
            else:
                total[:, channels.start : channels.stop] += part  # wraps, as the accumulator does
        if output_type is layer.output:
            return total
        return golden.requantize(total, self._operands.scale, layer)

    def _addresses(self, tile: Tile, image: int, address: int) -> TileAddresses:
        return TileAddresses(
            image=address
            + self._images_at[tile.in_channels]
            + image * self._image_bytes(tile.in_channels),
            weights=address + self._weights_at[_weights_key(tile)],
            result=address
            + self._results_at[_result_key(tile)]
            + image * self._result_bytes(tile.out_channels),
        )

    def _image_bytes(self, channels: range) -> int:
        layer = self._tiling.layer
        return layer.in_height * row_stride(layer.in_width * len(channels), self._beat_bytes)

    def _result_bytes(self, channels: range) -> int:
        tiling = self._tiling
        pixel_bytes = len(channels) * ELEMENT_TYPES[tiling.output_type].itemsize
        row_bytes = row_stride(tiling.result_width * pixel_bytes, self._beat_bytes)
        return tiling.layer.out_height * row_bytes

    def _reserve(self, nbytes: int) -> int:
        start = ceil_div(self.nbytes, _ALIGNMENT) * _ALIGNMENT
        self.nbytes = start + nbytes
        return start


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
