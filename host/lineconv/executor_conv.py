# SPDX-License-Identifier: Apache-2.0
"""The MAC array of the functional model: sums of products by matrix multiplication."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.checker import Fields
from lineconv.executor_rows import blocks, pad_rows, windows

__all__ = ["convolve"]

_WEIGHT_ELEMENTS = 1 << 23  # decoded together

# float32 holds integers up to 2**24 exactly. An input is at most 128, so a sum of products is exact
# in any order if the absolute weights add up to at most this.
_EXACT_WEIGHTS = (1 << 24) // 128


def convolve(f: Fields, rows: ByteArray, words: ByteArray) -> npt.NDArray[np.int32]:
    """The accumulators (output_height, output_width, groups x output lanes).

    Args:
        rows: input rows in memory, (input_height, row_bytes).
        words: of all groups, (groups, bytes).
    """
    lanes = f.array.output_lanes
    total = np.zeros((f.output_height, f.output_width, f.groups * lanes), np.int32)
    # Groups that read the same inputs are computed together.
    most = 1 if f.group_step else max(1, _WEIGHT_ELEMENTS * lanes // words[0].size // lanes)
    padded = pad_rows(f, rows, _padded_row_bytes(f))
    for first in range(0, f.groups, most):
        groups = slice(first, min(f.groups, first + most))
        weights = _decode(f, words[groups])
        outputs = slice(groups.start * lanes, groups.stop * lanes)
        _multiply(f, padded, first * f.group_step, weights, total[..., outputs])
    return total


def _padded_row_bytes(f: Fields) -> int:
    """From the first padded column to the last byte that a word can reach."""
    last_column = (f.output_width - 1) * f.stride_width + f.dilation_width * (f.segments - 1)
    last_group = (f.groups - 1) * f.group_step
    word_bytes = f.segment_words * f.array.input_lanes
    return last_column * f.input_pixel_stride + last_group + word_bytes


def _decode(f: Fields, words: ByteArray) -> npt.NDArray[np.int8]:
    """Weights (kernel rows, segments, bytes of a segment, outputs) of some groups, as far as there
    are any that are not zero."""
    array = f.array
    by_word = words.view(np.int8).reshape(
        len(words), f.group_words, array.num_slices, array.input_lanes, array.beat_bytes
    )
    weights = by_word.transpose(1, 3, 0, 2, 4).reshape(
        f.kernel_height, f.segments, f.segment_words * array.input_lanes, -1
    )
    used = np.flatnonzero(weights.any(axis=(0, 1, 3)))
    return weights[:, :, : used[-1] + 1 if used.size else 1]


def _multiply(
    f: Fields,
    padded: npt.NDArray[np.int8],
    first_byte: int,
    weights: npt.NDArray[np.int8],
    total: npt.NDArray[np.int32],
) -> None:
    """Add the products of all output pixels to total (output_height, output_width, outputs)."""
    _, segments, segment_bytes, outputs = weights.shape
    matrix = weights.reshape(-1, outputs).astype(np.float32)
    depth = len(matrix)
    exact = depth if np.abs(matrix).sum(axis=0).max() <= _EXACT_WEIGHTS else _EXACT_WEIGHTS // 128
    inputs = windows(f, padded, first_byte, segments, segment_bytes)
    for rows in blocks(f.output_height, f.output_width * max(depth, outputs)):
        block = inputs[rows].astype(np.float32, order="C").reshape(-1, depth)
        for start in range(0, depth, exact):
            part = slice(start, start + exact)
            products = (block[:, part] @ matrix[part]).astype(np.int32)
            total[rows] += products.reshape(total[rows].shape)  # wraps, as the accumulators do
