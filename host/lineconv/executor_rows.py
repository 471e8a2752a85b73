# SPDX-License-Identifier: Apache-2.0
"""Input rows as the compute units see them: padded, and cut into what each output needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lineconv.bus import ByteArray
from lineconv.checker import Fields
from lineconv.regs import Flag

__all__ = ["blocks", "pad_rows", "windows"]

_BLOCK_ELEMENTS = 1 << 20  # that are worked on together, so that they stay in the caches


def pad_rows(f: Fields, rows: ByteArray, row_bytes: int) -> npt.NDArray[np.int8]:
    """All rows that kernels meet, from the first padded column on; what is no input is padding.

    Args:
        rows: (input rows, bytes) of memory.
        row_bytes: of a padded row that somebody will look at.
    """
    height = (f.output_height - 1) * f.stride_height + f.dilation_height * (f.kernel_height - 1) + 1
    padded = np.full((height, row_bytes), f.input_zero_point, np.int8)
    left = f.pad_left * f.input_pixel_stride
    inside = padded[f.pad_top : f.pad_top + len(rows), left : left + rows.shape[1]]
    inside[...] = rows[: inside.shape[0], : inside.shape[1]].view(np.int8)
    if f.flags & Flag.INPUT_UNSIGNED:
        inside ^= -128
    return padded


def windows(
    f: Fields, padded: npt.NDArray[np.int8], first_byte: int, segments: int, segment_bytes: int
) -> npt.NDArray[np.int8]:
    """The bytes under each kernel: (output rows, output columns, kernel rows, segments, bytes).

    Args:
        first_byte: of the first segment in its pixel.
    """
    row = padded.strides[0]
    return as_strided(
        padded[:, first_byte:],
        (f.output_height, f.output_width, f.kernel_height, segments, segment_bytes),
        (
            f.stride_height * row,
            f.stride_width * f.input_pixel_stride,
            f.dilation_height * row,
            f.dilation_width * f.input_pixel_stride,
            1,
        ),
        writeable=False,
    )


def blocks(rows: int, row_elements: int) -> Iterator[slice]:
    """Rows in runs of a moderate number of elements."""
    step = max(1, _BLOCK_ELEMENTS // max(1, row_elements))
    for first in range(0, rows, step):
        yield slice(first, min(rows, first + step))
