# SPDX-License-Identifier: Apache-2.0
"""The weight stream of a tile: its part of a layer's weights, as its descriptor takes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.bus import ByteArray
from lineconv.layer import ConvLayer
from lineconv.packing import pack_vector_weights, pack_weights
from lineconv.presets import Array
from lineconv.regs import Kind
from lineconv.tile import Tile, common

__all__ = ["tile_stream"]


def tile_stream(
    tile: Tile,
    layer: ConvLayer,
    w: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
    array: Array,
    table: npt.NDArray[np.uint8] | None = None,
) -> ByteArray:
    """What the descriptor's weights address points at. Tiles that differ in rows and columns of
    the result only have the same.

    Args:
        tile: a tile of `layer`.
        w: int8 (O, C / groups, kH, kW) of the layer; of ADD, its digits (2, digits).
        bias: int32 (O,). Where products are summed, without what the zero point adds to it;
            MAX_POOL and ADD add it as it is.
        scale: float32 (O,); ignored by the engine for int32 results.
        table: uint8 (256,), if the tile has one: the result for each result of the requantisation,
            both as bit patterns.

    Returns:
        uint8, one-dimensional, whole beats.
    """
    outputs = slice(tile.out_channels.start, tile.out_channels.stop)
    if tile.kind is Kind.CONV:
        stream = _convolution(tile, layer, w, bias[outputs], scale[outputs], array)
    elif tile.kind is Kind.ADD:
        digits = np.broadcast_to(w, (layer.out_channels, *w.shape))
        stream = pack_vector_weights(digits, bias, scale, array)
    else:
        if tile.kind is Kind.DEPTHWISE:
            bias = golden.fold_zero_point(w, bias, layer.x_zero_point)
        stream = pack_vector_weights(w[:, 0], bias, scale, array)
    return stream if table is None else np.concatenate([table, stream])


def _convolution(
    tile: Tile,
    layer: ConvLayer,
    w: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
    array: Array,
) -> ByteArray:
    """`bias` and `scale` are those of the tile's channels."""
    rows, columns = tile.kernel_rows, tile.kernel_columns
    dense = _dense(w[..., rows.start : rows.stop, columns.start : columns.stop], layer, tile)
    # The sum over several chunks takes the bias once.
    folded = golden.fold_zero_point(dense, bias if tile.chunk == 0 else None, layer.x_zero_point)
    return pack_weights(
        _side_by_side(dense, tile, layer.stride[1]),
        np.tile(folded, tile.pixels),
        np.tile(scale, tile.pixels),
        array,
        flattened=tile.flattened,
    )


def _dense(w: npt.NDArray[np.int8], layer: ConvLayer, tile: Tile) -> npt.NDArray[np.int8]:
    """The tile's part of w (O, C / groups, kH, kW) as (outputs, group_channels, kH, kW): for each
    output all channels that its group of lanes reads, zero for those of other groups."""
    in_group = layer.in_channels // layer.groups
    out_group = layer.out_channels // layer.groups
    dense = np.zeros((len(tile.out_channels), tile.group_channels, *w.shape[2:]), np.int8)
    for group in range(tile.in_channels[0] // in_group, tile.in_channels[-1] // in_group + 1):
        inputs = common(tile.in_channels, group * in_group, in_group)
        outputs = common(tile.out_channels, group * out_group, out_group)
        first = inputs.start - tile.in_channels.start
        if tile.group_step:
            first %= tile.group_step
        dense[
            outputs.start - tile.out_channels.start : outputs.stop - tile.out_channels.start,
            first : first + len(inputs),
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
