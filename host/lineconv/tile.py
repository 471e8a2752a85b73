# SPDX-License-Identifier: Apache-2.0
"""One descriptor's share of a layer, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from lineconv.layer import ConvLayer, OutputType, Padding, Pair
from lineconv.packing import ELEMENT_TYPES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind

__all__ = ["Tile", "common", "group_lanes", "row_walk"]


@dataclass(frozen=True)
class Tile:
    """Part of one image of a layer. All ranges count in the layer's own channels and pixels.

    Attributes:
        kind: of the descriptor.
        in_channels, out_channels: that the tile reads and makes.
        group_channels, group_step: fields of the descriptor.
        kernel_rows, kernel_columns: part of the kernel that it applies. Of ADD, the two tensors
            are the kernel rows, and the digits of the coefficients its columns.
        out_rows, out_columns: part of the result; a multiple of `pixels` columns, so that the last
            may lie beyond the layer's.
        pixels: neighbouring output columns that the engine takes for channels of one pixel, to
            fill its lanes. In memory that is the same; the kernel is as wide as theirs together.
        in_rows, in_columns: what it reads; `in_rows` steps over rows that no kernel row meets. ADD
            reads them in both tensors.
        input_pixel_stride, output_pixel_stride: bytes from one column of the descriptor to the
            next.
        input_start, output_start: bytes from the start of a row of the image, and of the result,
            to the tile's first channel of its first column.
        input_align, output_align: bytes from the beat before to the start of such a row.
        kernel_width: of the descriptor, for all `pixels`.
        stride, dilation: (height, width) of the descriptor; heights count in steps of `in_rows`.
        padding: of the tile, in the same units.
        chunk: index of the partial sum that the tile contributes to.
        output_type: what it writes; INT32 for a partial sum.
        table: its weight stream starts with a table.
        weights_by_row: weights are held kernel row by kernel row.
        segment_words, groups_per_pass, row_slots: fields of the descriptor.
    """

    kind: Kind
    in_channels: range
    out_channels: range
    group_channels: int
    group_step: int
    kernel_rows: range
    kernel_columns: range
    out_rows: range
    out_columns: range
    pixels: int
    in_rows: range
    in_columns: range
    input_pixel_stride: int
    output_pixel_stride: int
    input_start: int
    output_start: int
    input_align: int
    output_align: int
    kernel_width: int
    stride: Pair
    dilation: Pair
    padding: Padding
    chunk: int
    output_type: OutputType
    table: bool
    weights_by_row: bool
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
    def input_height(self) -> int:
        """Input rows of the descriptor."""
        return len(self.in_rows) * (2 if self.kind is Kind.ADD else 1)

    @property
    def flattened(self) -> bool:
        """The bytes under a kernel row are one segment, as the pixels lie side by side."""
        adjacent = self.dilation[1] == 1 and self.input_pixel_stride == self.group_channels
        return self.kind is Kind.CONV and (self.kernel_width == 1 or adjacent)

    @property
    def row_words(self) -> int:
        """Words of weights per kernel row, for a group of lanes."""
        return (1 if self.flattened else self.kernel_width) * self.segment_words

    @property
    def group_words(self) -> int:
        """Words of weights per group of lanes."""
        return len(self.kernel_rows) * self.row_words

    @property
    def span_rows(self) -> int:
        """Input rows from the first to the last kernel row."""
        return self.dilation[0] * (len(self.kernel_rows) - 1) + 1

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one output pixel of the descriptor."""
        return self.output_channels * ELEMENT_TYPES[self.output_type].itemsize

    def groups(self, array: Array) -> int:
        """Groups of lanes that the output channels take."""
        return ceil_div(self.output_channels, group_lanes(self.kind, array))

    def row_beats(self, beat_bytes: int) -> int:
        """Beats that one input row takes in the line buffer."""
        align = (self.input_align + self.input_start) % beat_bytes
        gaps = (len(self.in_columns) - 1) * self.input_pixel_stride
        return ceil_div(align + gaps + len(self.in_channels), beat_bytes)


def group_lanes(kind: Kind, array: Array) -> int:
    """Output channels that a layer of that kind computes together."""
    return array.output_lanes if kind is Kind.CONV else array.vector_lanes


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
