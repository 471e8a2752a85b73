# SPDX-License-Identifier: Apache-2.0
"""Layer descriptors, written from tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv.layer import OutputType
from lineconv.regs import DESCRIPTOR, Kind
from lineconv.tile import Tile
from lineconv.tiling import Tiling

__all__ = ["INPUT_UNSIGNED", "TileAddresses", "descriptor"]

INPUT_UNSIGNED = 1  # bit of the descriptor's flags

_CLAMP = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255), OutputType.INT32: (0, 0)}


@dataclass(frozen=True)
class TileAddresses:
    """Where the engine finds what a tile works on; everything is a multiple of a beat.

    Attributes:
        image: the packed image of the tile's input channels, all rows and columns of the layer.
        image_row: bytes from one row of it to the next.
        weights: the weight stream.
        result: the packed image of the tile's output channels, all rows and columns.
        result_row: bytes from one row of it to the next.
    """

    image: int
    image_row: int
    weights: int
    result: int
    result_row: int


def descriptor(
    tile: Tile, tiling: Tiling, addresses: TileAddresses, *, input_unsigned: bool
) -> npt.NDArray[np.void]:
    """The descriptor of a tile, shape (), with the result block zero.

    Args:
        tile: one of the tiles of `tiling`.
        input_unsigned: the image holds uint8; the layer's zero point still is that of int8.
    """
    layer = tiling.layer
    channels = len(tile.in_channels)
    column_bytes = tile.pixel_bytes // tile.pixels
    (pad_top, pad_bottom), (pad_left, pad_right) = tile.padding
    raw = tile.output_type is OutputType.INT32
    clamp = _CLAMP[tile.output_type] if raw or layer.clamp is None else layer.clamp
    fields: dict[str, int] = {
        "kind": Kind.CONV,
        "output_type": tile.output_type,
        "rounding": layer.rounding,
        "overflow": layer.overflow,
        "flags": INPUT_UNSIGNED if input_unsigned else 0,
        "input_address": addresses.image
        + tile.in_rows.start * addresses.image_row
        + tile.in_columns.start * channels,
        "weights_address": addresses.weights,
        "output_address": addresses.result
        + tile.out_rows.start * addresses.result_row
        + tile.out_columns.start * column_bytes,
        "input_height": len(tile.in_rows),
        "input_width": len(tile.in_columns),
        "input_channels": channels,
        "output_channels": tile.output_channels,
        "input_row_stride": tile.in_rows.step * addresses.image_row,
        "input_pixel_stride": channels,
        "output_row_stride": addresses.result_row,
        "output_pixel_stride": tile.pixel_bytes,
        "output_height": len(tile.out_rows),
        "output_width": tile.output_width,
        "kernel_height": len(tile.kernel_rows),
        "kernel_width": tile.kernel_width,
        "stride_height": tile.stride[0],
        "stride_width": tile.stride[1],
        "dilation_height": tile.dilation[0],
        "dilation_width": tile.dilation[1],
        "pad_top": pad_top,
        "pad_bottom": pad_bottom,
        "pad_left": pad_left,
        "pad_right": pad_right,
        "input_zero_point": layer.x_zero_point,
        "output_zero_point": 0 if raw else layer.y_zero_point,
        "clamp_min": clamp[0],
        "clamp_max": clamp[1],
        "groups_per_pass": tile.groups_per_pass,
        "row_slots": tile.row_slots,
        "segment_words": tile.segment_words,
        "group_channels": channels,
    }
    out = np.zeros((), DESCRIPTOR)
    for name, value in fields.items():
        out[name] = value
    return out
