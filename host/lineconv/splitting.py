# SPDX-License-Identifier: Apache-2.0
"""The ways to split a layer so that each part fits the buffers of an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from lineconv.checker import MAX_KERNEL_WIDTH, MAX_PADDED_ROW_BYTES
from lineconv.layer import ConvLayer, Pair
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.tile import row_walk

__all__ = ["FIELD_MAX", "Split", "splits"]

FIELD_MAX = 0xFFFF  # of the descriptor's sizes
_MAX_STRIDE_WIDTH = 255


@dataclass(frozen=True)
class Split:
    """Largest share of one tile along each axis.

    Attributes:
        groups: neighbouring groups that one tile computes as one dense convolution.
        channels: input channels.
        kernel: kernel (rows, columns).
        pixels: neighbouring output columns that share the output lanes.
        out_rows, out_columns: size of the result; whole `pixels`.
    """

    groups: int
    channels: int
    kernel: Pair
    pixels: int
    out_rows: int
    out_columns: int


def splits(layer: ConvLayer, array: Array) -> Iterator[Split]:
    """Every split worth a look; at least one."""
    group_outputs = layer.out_channels // layer.groups
    for groups in range(1, layer.groups + 1):
        if layer.groups % groups:
            continue
        # More than fills the output lanes would only multiply more zeros.
        if groups > 1 and groups * group_outputs >= 2 * array.output_lanes:
            break
        whole = list(_fit(layer, array, groups, layer.kernel, 1))
        yield from whole
        channels = groups * layer.in_channels // layer.groups
        if any((s.channels, s.out_columns) == (channels, layer.out_width) for s in whole):
            for pixels in _pixels(layer, array, groups):
                yield from _fit(layer, array, groups, layer.kernel, pixels)
            continue
        for kernel in product(_part_sizes(layer.kernel[0]), _part_sizes(layer.kernel[1])):
            if kernel != layer.kernel:
                yield from _fit(layer, array, groups, kernel, 1)


def _pixels(layer: ConvLayer, array: Array, groups: int) -> list[int]:
    """Numbers of output columns that share the lanes, where several find room."""
    outputs = groups * layer.out_channels // layer.groups
    stride = layer.stride[1]
    most = min(
        array.output_lanes // outputs,
        layer.out_width,
        (MAX_KERNEL_WIDTH - layer.kernel[1]) // stride + 1,
        _MAX_STRIDE_WIDTH // stride,
    )
    if layer.dilation[1] > 1 and layer.kernel[1] > 1:  # the gaps of one are no taps of the next
        return []
    channels = groups * layer.in_channels // layer.groups
    # Those whose kernel rows fill one word, two or three.
    full = {
        (words * array.input_lanes // channels - layer.kernel[1]) // stride + 1
        for words in (1, 2, 3)
    }
    numbers = {most, *full, *(1 << power for power in range(most.bit_length()))}
    return sorted(number for number in numbers if 1 < number <= most)


def _fit(layer: ConvLayer, array: Array, groups: int, kernel: Pair, pixels: int) -> Iterator[Split]:
    """The largest parts with the fewest row slots, and those with slots to load rows ahead."""
    kernel_height = kernel[0]
    kernel_width = kernel[1] + (pixels - 1) * layer.stride[1]
    row_step, stride_height, dilation_height = row_walk(layer, kernel_height)
    dilation_width = layer.dilation[1] if kernel_width > 1 else 1
    span_height = dilation_height * (kernel_height - 1) + 1
    span_width = dilation_width * (kernel_width - 1) + 1
    if max(span_height, span_width) > FIELD_MAX:
        return
    if dilation_width == 1:
        segment_words = array.weight_words // kernel_height
        channels_in_words = segment_words * array.input_lanes // kernel_width
    else:
        segment_words = array.weight_words // (kernel_height * kernel_width)
        channels_in_words = segment_words * array.input_lanes
    block = groups * layer.in_channels // layer.groups
    out_rows = (FIELD_MAX - span_height) // stride_height + 1

    needed = max(span_height, stride_height)
    ahead = min(needed + stride_height, max(needed, ceil_div(layer.in_height, row_step)))
    for slots in sorted({needed, ahead}):
        slot_bytes = array.line_buffer_beats // slots * array.beat_bytes
        # A stripe may start anywhere in a beat.
        stripe_bytes = slot_bytes - (array.beat_bytes - 1)
        channels = min(
            block,
            channels_in_words,
            stripe_bytes // min(span_width, layer.in_width),
            MAX_PADDED_ROW_BYTES // span_width,
            FIELD_MAX,
        )
        if channels < 1:
            continue
        channels = ceil_div(block, ceil_div(block, channels))
        out_columns = _stripe(layer, span_width, pixels, channels, (slot_bytes, stripe_bytes))
        if out_columns >= pixels:
            yield Split(groups, channels, kernel, pixels, out_rows, out_columns)


def _stripe(layer: ConvLayer, span_width: int, pixels: int, channels: int, room: Pair) -> int:
    """The most output columns, in whole `pixels`, whose input fits a row slot.

    Args:
        room: bytes of a slot for a whole row, and for a stripe, which may start inside a beat.
    """
    slot_bytes, stripe_bytes = room
    stride = pixels * layer.stride[1]
    most = ceil_div(layer.out_width, pixels)
    padded_width = max(layer.in_width + sum(layer.padding[1]), (most - 1) * stride + span_width)
    if (
        layer.in_width * channels <= slot_bytes
        and padded_width * channels <= MAX_PADDED_ROW_BYTES
        and padded_width <= FIELD_MAX
    ):
        return most * pixels
    in_columns = min(min(stripe_bytes, MAX_PADDED_ROW_BYTES) // channels, FIELD_MAX)
    return min(most, (in_columns - span_width) // stride + 1) * pixels


def _part_sizes(size: int) -> list[int]:
    """Sizes of the largest part when `size` is cut in equal parts, one to `size` of them."""
    return sorted({ceil_div(size, parts) for parts in range(1, size + 1)}, reverse=True)
