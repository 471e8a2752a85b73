# SPDX-License-Identifier: Apache-2.0
"""The vector unit of the functional model: each channel by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lineconv.bus import ByteArray
from lineconv.checker import Fields
from lineconv.executor_rows import blocks, pad_rows, windows
from lineconv.regs import Flag, Kind

__all__ = ["add", "depthwise_or_pool"]


def depthwise_or_pool(f: Fields, rows: ByteArray, words: ByteArray) -> npt.NDArray[np.int32]:
    """The accumulators (output_height, output_width, channels) of DEPTHWISE and MAX_POOL.

    Args:
        rows: input rows in memory, (input_height, row_bytes).
        words: of all groups, (groups, bytes).
    """
    channels = f.output_channels
    weights = _decode(f, words).astype(np.int16)
    last_column = (f.output_width - 1) * f.stride_width + f.dilation_width * (f.kernel_width - 1)
    padded = pad_rows(f, rows, last_column * f.input_pixel_stride + channels)
    taps = windows(f, padded, 0, f.kernel_width, channels)
    total = np.empty((f.output_height, f.output_width, channels), np.int32)
    for block in blocks(f.output_height, f.output_width * channels):
        acc = total[block]
        for index, (ky, kx) in enumerate(np.ndindex(f.kernel_height, f.kernel_width)):
            products = taps[block, :, ky, kx] * weights[ky, kx]  # 15 bits and a sign
            if index == 0:
                acc[...] = products
            elif f.kind == Kind.MAX_POOL:
                np.maximum(acc, products, out=acc)
            else:
                acc += products
    return total


def add(f: Fields, first: ByteArray, second: ByteArray, words: ByteArray) -> npt.NDArray[np.int32]:
    """The accumulators (output_height, output_width, channels) of ADD.

    Args:
        first, second: rows of the tensors in memory, (output_height, row_bytes).
        words: of all groups, (groups, bytes).
    """
    channels = f.output_channels
    shifts = 8 * np.arange(f.kernel_width, dtype=np.int32)[:, np.newaxis]
    coefficients = (_decode(f, words).astype(np.int32) << shifts).sum(axis=1, dtype=np.int32)
    total = np.empty((f.output_height, f.output_width, channels), np.int32)
    for block in blocks(f.output_height, f.output_width * channels):
        # Both wrap, as the accumulators do.
        np.multiply(_pixels(f, first[block]), coefficients[0], out=total[block])
        total[block] += _pixels(f, second[block]) * coefficients[1]
    return total


def _decode(f: Fields, words: ByteArray) -> npt.NDArray[np.int8]:
    """Weights (kernel rows, kernel columns, channels)."""
    by_word = words.view(np.int8).reshape(len(words), f.kernel_height, f.kernel_width, -1)
    by_channel = by_word.transpose(1, 2, 0, 3).reshape(f.kernel_height, f.kernel_width, -1)
    return by_channel[..., : f.output_channels]


def _pixels(f: Fields, rows: ByteArray) -> npt.NDArray[np.int32]:
    """The inputs (rows, columns, channels) of rows without padding."""
    shape = (len(rows), f.input_width, f.input_channels)
    values = as_strided(rows, shape, (rows.strides[0], f.input_pixel_stride, 1), writeable=False)
    return (
        (values ^ 0x80 if f.flags & Flag.INPUT_UNSIGNED else values).view(np.int8).astype(np.int32)
    )
