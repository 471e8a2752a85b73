# SPDX-License-Identifier: Apache-2.0
"""Folds kernel rows into channels, so that a whole kernel is one run of bytes for the engine.

A kernel row of few channels fills its last array word badly: 11 x 3 bytes take two words of 26, in
each of 11 rows. The folded image has a row per output row, and in each pixel the channels of all
input rows that this output row needs, the zero point where such a row lies outside the image:

    folded[n, (g, ky, c), oh, w] = x[n, (g, c), oh * stride + ky * dilation - padding top, w]

A kernel of one row, with the same products in it, makes the same result from it. The host writes
kernel_height / stride_height times the bytes for that, and the engine reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.layer import ConvLayer
from lineconv.packing import ceil_div, image_pixels, interleave
from lineconv.tile import common

__all__ = ["fold_layer", "fold_weights", "pack_folded"]


def fold_layer(layer: ConvLayer) -> ConvLayer:
    """The layer that computes the same from the folded image and the folded weights."""
    return replace(
        layer,
        in_channels=layer.kernel[0] * layer.in_channels,
        in_height=layer.out_height,
        kernel=(1, layer.kernel[1]),
        stride=(1, layer.stride[1]),
        dilation=(1, layer.dilation[1]),
        padding=((0, 0), layer.padding[1]),
    )


def fold_weights(w: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Weights (O, C / groups, kH, kW) as (O, kH * C / groups, 1, kW)."""
    out_channels, channels, kernel_height, kernel_width = w.shape
    by_row = w.transpose(0, 2, 1, 3)
    return by_row.reshape(out_channels, kernel_height * channels, 1, kernel_width)


def pack_folded(
    images: npt.NDArray[np.integer[Any]],
    layer: ConvLayer,
    channels: range,
    zero_point: int,
    out: ByteArray,
    beat_bytes: int,
) -> None:
    """Write part of the folded image, straight from the images.

    Args:
        images: int8 or uint8 (N, C, H, W).
        layer: before folding; its width and horizontal padding do not matter here.
        channels: of the folded image.
        zero_point: as an element of `images`.
        out, beat_bytes: as for `pack_images` of images (N, len(channels), out_height, W).
    """
    batch, _, in_height, width = images.shape
    shape = (batch, len(channels), layer.out_height, width)
    pixels = image_pixels(out, shape, beat_bytes)
    in_group = layer.in_channels // layer.groups
    # A run of channels comes from one input row.
    for run in range(channels.start // in_group, ceil_div(channels.stop, in_group)):
        group, ky = divmod(run, layer.kernel[0])
        folded = common(channels, run * in_group, in_group)
        first_plane = group * in_group + folded.start % in_group
        planes = images[:, first_plane : first_plane + len(folded)]
        part = pixels[..., folded.start - channels.start : folded.stop - channels.start]

        # Output rows first..end - 1 meet a row of the image here.
        stride = layer.stride[0]
        offset = ky * layer.dilation[0] - layer.padding[0][0]
        end = min(layer.out_height, max(0, ceil_div(in_height - offset, stride)))
        first = min(end, max(0, ceil_div(-offset, stride)))
        rows = slice(offset + first * stride, offset + end * stride, stride)
        part[:, :first] = part[:, end:] = zero_point & 0xFF
        if first < end:
            interleave(planes[:, :, rows], part[:, first:end])
