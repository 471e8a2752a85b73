# SPDX-License-Identifier: Apache-2.0
"""The ways to split a layer so that each part fits the buffers of an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from lineconv.checker import MAX_PADDED_ROW_BYTES
from lineconv.layer import MAX_KERNEL_WIDTH, ConvLayer, Pair
from lineconv.packing import ELEMENT_TYPES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind
from lineconv.tile import row_walk

__all__ = ["FIELD_MAX", "Access", "Split", "splits", "vector_splits"]

FIELD_MAX = 0xFFFF  # of the descriptor's sizes
_MAX_STRIDE_WIDTH = 255


@dataclass(frozen=True)
class Access:
    """How the tensors of a layer lie in memory, if they are there: each is one tensor then, and
    the host neither copies blocks of its channels nor adds partial sums.

    Attributes:
        input_pixel_stride, output_pixel_stride: bytes from one column to the next.
        input_align, output_align: bytes from the beat before to the first one of a row.
    """

    input_pixel_stride: int
    output_pixel_stride: int
    input_align: int
    output_align: int

    def dense(self, layer: ConvLayer) -> bool:
        """Nothing lies between the pixels of a row, on both sides."""
        pixel_bytes = layer.out_channels * ELEMENT_TYPES[layer.output].itemsize
        strides = (self.input_pixel_stride, self.output_pixel_stride)
        return strides == (layer.in_channels, pixel_bytes)


@dataclass(frozen=True)
class Split:
    """Largest share of one tile along each axis.

    Attributes:
        groups: neighbouring groups that one tile computes.
        channels: input channels.
        kernel: kernel (rows, columns).
        pixels: neighbouring output columns that share the output lanes.
        out_rows, out_columns: size of the result; whole `pixels`.
        lane_groups: groups of the layer whose outputs fill the lanes, each group of lanes reading
            their channels only; 0 where all lanes read all channels of the tile.
        weights_by_row: only a kernel row of weights fits the weight buffer.
    """

    groups: int
    channels: int
    kernel: Pair
    pixels: int
    out_rows: int
    out_columns: int
    lane_groups: int = 0
    weights_by_row: bool = False


def splits(layer: ConvLayer, array: Array, access: Access | None) -> Iterator[Split]:
    """Every split of a convolution worth a look; at least one if the host gives the image.

    Args:
        access: to the tensors in memory; None if the host packs image and results as it likes.
    """
    group_outputs = layer.out_channels // layer.groups
    for groups in range(1, layer.groups + 1):
        if layer.groups % groups:
            continue
        # More than fills the output lanes would only multiply more zeros.
        if groups > 1 and groups * group_outputs >= 2 * array.output_lanes:
            break
        part = _Part(layer, groups, layer.kernel)
        whole = list(_fit(part, array, access))
        yield from whole
        if any((s.channels, s.out_columns) == (part.channels, layer.out_width) for s in whole):
            for pixels in _pixels(part, array, access):
                yield from _fit(replace(part, pixels=pixels), array, access)
        elif access is None:
            for kernel in product(_part_sizes(layer.kernel[0]), _part_sizes(layer.kernel[1])):
                if kernel != layer.kernel:
                    yield from _fit(replace(part, kernel=kernel), array, access)
    lane_groups, rest = divmod(array.output_lanes, group_outputs)
    if access is not None and rest == 0 and lane_groups < layer.groups:
        part = _Part(layer, layer.groups, layer.kernel, lane_groups=lane_groups)
        yield from _fit(part, array, access)


def vector_splits(
    layer: ConvLayer, array: Array, access: Access, kind: Kind, digits: int
) -> Iterator[Split]:
    """The same for the vector unit, which computes all channels in one tile.

    Args:
        digits: kernel columns of ADD.
    """
    kernel = (2, digits) if kind is Kind.ADD else layer.kernel
    if kernel[0] * kernel[1] <= array.weight_words and layer.in_channels <= FIELD_MAX:
        yield from _shapes(_Part(layer, layer.groups, kernel, kind=kind), array, access)


@dataclass(frozen=True)
class _Part:
    """What of a layer's depth one tile would compute.

    Attributes:
        groups, kernel, pixels, lane_groups: of the split; the kernel is that of the descriptor.
    """

    layer: ConvLayer
    groups: int
    kernel: Pair
    pixels: int = 1
    lane_groups: int = 0
    kind: Kind = Kind.CONV

    @property
    def channels(self) -> int:
        """Input channels."""
        return self.groups * self.layer.in_channels // self.layer.groups

    @property
    def read_channels(self) -> int:
        """Those that a group of lanes reads."""
        return self.channels // self.groups * (self.lane_groups or self.groups)

    @property
    def kernel_width(self) -> int:
        """Of the descriptor."""
        return self.kernel[1] + (self.pixels - 1) * self.layer.stride[1]

    @property
    def dilation_width(self) -> int:
        """Of the descriptor."""
        return self.layer.dilation[1] if self.kernel[1] > 1 else 1

    @property
    def span_width(self) -> int:
        """Input columns under the kernel."""
        if self.kind is Kind.ADD:
            return 1
        return self.dilation_width * (self.kernel_width - 1) + 1

    @property
    def rows(self) -> tuple[int, int, int]:
        """Input rows in all, under the kernel, and from one output row to the next."""
        if self.kind is Kind.ADD:
            return 2 * self.layer.in_height, 2, 2
        step, stride, dilation = row_walk(self.layer, self.kernel[0])
        span = dilation * (self.kernel[0] - 1) + 1
        return ceil_div(self.layer.in_height, step), span, stride


def _pixels(part: _Part, array: Array, access: Access | None) -> list[int]:
    """Numbers of output columns that share the lanes, where several find room."""
    layer = part.layer
    outputs = part.groups * layer.out_channels // layer.groups
    stride = layer.stride[1]
    if layer.dilation[1] > 1 and layer.kernel[1] > 1:  # the gaps of one are no taps of the next
        return []
    if access is not None and (part.groups < layer.groups or not access.dense(layer)):
        return []
    most = min(
        array.output_lanes // outputs,
        layer.out_width,
        (MAX_KERNEL_WIDTH - layer.kernel[1]) // stride + 1,
        _MAX_STRIDE_WIDTH // stride,
    )
    # Those whose kernel rows fill one word, two or three.
    full = {
        (words * array.input_lanes // part.channels - layer.kernel[1]) // stride + 1
        for words in (1, 2, 3)
    }
    numbers = {most, *full, *(1 << power for power in range(most.bit_length()))}
    if access is not None:  # there is no room beside a tensor in memory
        numbers = {number for number in range(most + 1) if number and layer.out_width % number == 0}
    return sorted(number for number in numbers if 1 < number <= most)


def _fit(part: _Part, array: Array, access: Access | None) -> Iterator[Split]:
    """Splits whose weights fit the weight buffer."""
    height, width = part.kernel[0], part.kernel_width
    if access is None:
        if part.dilation_width == 1:
            most = array.weight_words // height * array.input_lanes // width
        else:
            most = array.weight_words // (height * width) * array.input_lanes
        yield from _shapes(part, array, None, most)
        return
    if max(part.channels, part.layer.out_channels * (part.lane_groups > 0)) > FIELD_MAX:
        return
    adjacent = part.dilation_width == 1 and access.input_pixel_stride == part.read_channels
    segments = 1 if width == 1 or adjacent else width
    segment_bytes = part.read_channels * width // segments
    row_words = segments * ceil_div(segment_bytes, array.input_lanes)
    if height * row_words <= array.weight_words:
        yield from _shapes(part, array, access)
    elif row_words <= array.weight_words and part.pixels == 1:
        for split in _shapes(part, array, access):
            yield replace(split, out_rows=1, out_columns=1, weights_by_row=True)


def _shapes(
    part: _Part, array: Array, access: Access | None, most_channels: int = FIELD_MAX
) -> Iterator[Split]:
    """Those whose rows fit the line buffer: in the fewest slots, and in slots to load ahead."""
    rows, span_height, stride_height = part.rows
    if max(span_height, part.span_width) > FIELD_MAX:
        return
    out_rows = (FIELD_MAX - span_height) // stride_height + 1
    needed = max(span_height, stride_height)
    for slots in sorted({needed, min(needed + stride_height, max(needed, rows))}):
        slot_bytes = array.line_buffer_beats // slots * array.beat_bytes
        channels = part.channels
        if access is None:  # the host adds the sums over several parts of them
            columns = min(part.span_width, part.layer.in_width)
            channels = min(
                channels,
                most_channels,
                (slot_bytes - (array.beat_bytes - 1)) // columns,
                MAX_PADDED_ROW_BYTES // part.span_width,
                FIELD_MAX,
            )
            if channels < 1:
                continue
            channels = ceil_div(part.channels, ceil_div(part.channels, channels))
        out_columns = _stripe(part, channels, slot_bytes, array.beat_bytes, access)
        if out_columns >= part.pixels:
            yield Split(
                groups=part.groups,
                channels=channels,
                kernel=part.kernel,
                pixels=part.pixels,
                out_rows=out_rows,
                out_columns=out_columns,
                lane_groups=part.lane_groups,
            )


def _stripe(
    part: _Part, channels: int, slot_bytes: int, beat_bytes: int, access: Access | None
) -> int:
    """The most output columns, in whole `pixels`, whose input fits a row slot."""
    layer = part.layer
    pixel_stride = channels if access is None else access.input_pixel_stride
    stride = part.pixels * layer.stride[1]
    most = ceil_div(layer.out_width, part.pixels)
    padded_width = max(
        layer.in_width + sum(layer.padding[1]), (most - 1) * stride + part.span_width
    )
    first_column = 0  # that of a whole row, in its beat; a stripe may start anywhere
    if access is not None:
        first_column = access.input_align if part.groups == layer.groups else beat_bytes - 1
    row_bytes = (layer.in_width - 1) * pixel_stride + channels
    if (
        first_column + row_bytes <= slot_bytes
        and padded_width * pixel_stride <= MAX_PADDED_ROW_BYTES
        and padded_width <= FIELD_MAX
    ):
        return most * part.pixels
    in_columns = min(
        (slot_bytes - (beat_bytes - 1) - channels) // pixel_stride + 1,
        MAX_PADDED_ROW_BYTES // pixel_stride,
        FIELD_MAX,
    )
    return min(most, (in_columns - part.span_width) // stride + 1) * part.pixels


def _part_sizes(size: int) -> list[int]:
    """Sizes of the largest part when `size` is cut in equal parts, one to `size` of them."""
    return sorted({ceil_div(size, parts) for parts in range(1, size + 1)}, reverse=True)
