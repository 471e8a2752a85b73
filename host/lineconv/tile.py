# SPDX-License-Identifier: Apache-2.0
"""One descriptor's share of a layer, and what follows from it without knowing the array."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from lineconv.layer import ConvLayer, OutputType, Padding, Pair
from lineconv.packing import ELEMENT_TYPES, ceil_div

__all__ = ["Tile", "common", "row_walk"]


@dataclass(frozen=True)
class Tile:
    """Part of one image of a layer. All ranges count in the layer's own channels and pixels.

    Attributes:
        in_channels, out_channels: what the tile convolves; it has no groups of its own.
        kernel_rows, kernel_columns: part of the kernel that it applies.
        out_rows, out_columns: part of the result; a multiple of `pixels` columns, so that the last
            may lie beyond the layer's.
        pixels: neighbouring output columns that the engine takes for channels of one pixel, to
            fill its lanes. In memory that is the same; the kernel is as wide as theirs together.
        in_rows, in_columns: what it reads; `in_rows` steps over rows that no kernel row meets.
        kernel_width: of the descriptor, for all `pixels`.
        stride, dilation: (height, width) of the descriptor; heights count in steps of `in_rows`.
        padding: of the tile, in the same units.
        chunk: index of the partial sum that the tile contributes to.
        output_type: what it writes; INT32 for a partial sum.
        segment_words, groups_per_pass, row_slots: fields of the descriptor.
    """

    in_channels: range
    out_channels: range
    kernel_rows: range
    kernel_columns: range
    out_rows: range
    out_columns: range
    pixels: int
    in_rows: range
    in_columns: range
    kernel_width: int
    stride: Pair
    dilation: Pair
    padding: Padding
    chunk: int
    output_type: OutputType
    segment_words: int
    groups_per_pass: int
    row_slots: int

    @property
    def output_channels(self) -> int:
        """Channels of the descriptor."""
        return len(self.out_channels) * self.pixels

    @property
    def output_width(self) -> int:
        """Columns of the descriptor."""
        return len(self.out_columns) // self.pixels

    @property
    def flattened(self) -> bool:
        """The bytes under a kernel row are one segment, as the pixels lie side by side."""
        return self.dilation[1] == 1

    @property
    def group_words(self) -> int:
        """Words of weights per group of output lanes."""
        segments = 1 if self.flattened else self.kernel_width
        return len(self.kernel_rows) * segments * self.segment_words

    @property
    def span_rows(self) -> int:
        """Input rows from the first to the last kernel row."""
        return self.dilation[0] * (len(self.kernel_rows) - 1) + 1

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one output pixel of the descriptor."""
        return self.output_channels * ELEMENT_TYPES[self.output_type].itemsize

    def row_beats(self, beat_bytes: int) -> int:
        """Beats that one input row takes in the line buffer."""
        channels = len(self.in_channels)
        align = self.in_columns.start * channels % beat_bytes
        return ceil_div(align + len(self.in_columns) * channels, beat_bytes)


def row_walk(layer: ConvLayer, kernel_rows: int) -> tuple[int, int, int]:
    """(step, stride, dilation) that describe the rows which a part of the kernel meets.

    Only every step-th input row is read; stride and dilation count in such steps. A single kernel
    row has no dilation, so that a strided 1x1 layer reads just the rows that it uses.
    """
    stride, dilation = layer.stride[0], layer.dilation[0]
    if kernel_rows == 1:
        return stride, 1, 1
    step = gcd(stride, dilation)
    return step, stride // step, dilation // step


def common(span: range, start: int, size: int) -> range:
    """The part of `span` that lies in start..start + size - 1."""
    first = max(span.start, start)
    return range(first, max(first, min(span.stop, start + size)))
