# SPDX-License-Identifier: Apache-2.0
"""Layer descriptors, written from tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv.layer import OutputType
from lineconv.regs import DESCRIPTOR, Flag, Kind
from lineconv.tile import Tile
from lineconv.tiling import Tiling

__all__ = ["TileAddresses", "descriptor", "record"]

_CLAMP = {OutputType.INT8: (-128, 127), OutputType.UINT8: (0, 255), OutputType.INT32: (0, 0)}


@dataclass(frozen=True)
class TileAddresses:
    """Where the engine finds what a tile works on.

    An image lies as its tiles expect it: of one block of channels, or of a whole tensor in memory,
    with their pixel strides. Row strides and `weights` are multiples of a beat.

    Attributes:
        image: row 0, column 0, channel 0 of the image.
        image_row: bytes from one row of it to the next.
        weights: the weight stream.
        result: row 0, column 0, channel 0 of the result.
        result_row: bytes from one row of it to the next.
        second_image: the second tensor of ADD, which lies in its beats as `image` does and has its
            row stride; 0 for other kinds.
    """

    image: int
    image_row: int
    weights: int
    result: int
    result_row: int
    second_image: int = 0


def descriptor(
    tile: Tile, tiling: Tiling, addresses: TileAddresses, *, input_unsigned: bool
) -> npt.NDArray[np.void]:
    """The descriptor of a tile, shape (), with the result block zero.

    Args:
        tile: one of the tiles of `tiling`.
        input_unsigned: the image holds uint8 (of ADD, both do); the layer's zero point still is
            that of int8.
    """
    layer = tiling.layer
    first_pixel = tile.in_rows.start * addresses.image_row + tile.input_start
    flags = {
        Flag.INPUT_UNSIGNED: input_unsigned,
        Flag.TABLE: tile.table,
        Flag.WEIGHTS_BY_ROW: tile.weights_by_row,
    }
    (pad_top, pad_bottom), (pad_left, pad_right) = tile.padding
    raw = tile.output_type is OutputType.INT32
    clamp = _CLAMP[tile.output_type] if raw or layer.clamp is None else layer.clamp
    fields: dict[str, int] = {
        "kind": tile.kind,
        "output_type": tile.output_type,
        "rounding": layer.rounding,
        "overflow": layer.overflow,
        "flags": sum(flag for flag, given in flags.items() if given),
        "input_address": addresses.image + first_pixel,
        "weights_address": addresses.weights,
        "output_address": addresses.result
        + tile.out_rows.start * addresses.result_row
        + tile.output_start,
        "input_height": tile.input_height,
        "input_width": len(tile.in_columns),
        "input_channels": len(tile.in_channels),
        "output_channels": tile.output_channels,
        "input_row_stride": tile.in_rows.step * addresses.image_row,
        "input_pixel_stride": tile.input_pixel_stride,
        "output_row_stride": addresses.result_row,
        "output_pixel_stride": tile.output_pixel_stride,
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
        "group_channels": tile.group_channels,
        "group_step": tile.group_step,
    }
    if tile.kind is Kind.ADD:
        fields["second_address"] = addresses.second_image + first_pixel
    return record(fields)


def record(fields: Mapping[str, int]) -> npt.NDArray[np.void]:
    """The descriptor with these fields, shape (); the others are 0."""
    out = np.zeros((), DESCRIPTOR)
    for name, value in fields.items():
        out[name] = value
    return out
