# SPDX-License-Identifier: Apache-2.0
"""The checks that the engine makes on a descriptor before it runs it, in the engine's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.layer import (
    MAX_KERNEL_HEIGHT,
    MAX_KERNEL_WIDTH,
    MAX_STRIDE,
    OutputType,
    Overflow,
    Rounding,
)
from lineconv.packing import ELEMENT_TYPES, PARAMETER, TABLE_BYTES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Error, Flag, Kind

__all__ = ["MAX_DIGITS", "MAX_PADDED_ROW_BYTES", "Fields", "Window", "check"]

MAX_PADDED_ROW_BYTES = (1 << 22) - 1
MAX_DIGITS = 3  # of a coefficient of ADD
_ADDRESS_END = 1 << 32


@dataclass(frozen=True)
class Window:
    """The memory that the engine may touch: `base` to `last`, both included."""

    base: int
    last: int

    def holds(self, address: int, nbytes: int) -> bool:
        """Whether those bytes lie in the window, and where AXI reaches."""
        end = min(self.last + 1, _ADDRESS_END)
        return self.base <= address and address + nbytes <= end


class Fields:
    """A descriptor's fields as plain integers, and what the engine derives from them."""

    def __init__(self, descriptor: npt.NDArray[Any] | np.void, array: Array) -> None:
        for name in descriptor.dtype.names or ():
            setattr(self, name, int(descriptor[name]))
        self.array = array

    def __getattr__(self, name: str) -> int:  # the fields, which are set by name
        raise AttributeError(name)

    @property
    def is_vector(self) -> bool:
        """Computed channel by channel, by the vector unit."""
        return self.kind != Kind.CONV

    @property
    def has_table(self) -> bool:
        """The weight stream begins with a table."""
        return bool(self.flags & Flag.TABLE)

    @property
    def weights_by_row(self) -> bool:
        """The words of a kernel row, not of a group, are held at once."""
        return bool(self.flags & Flag.WEIGHTS_BY_ROW)

    @property
    def element_bytes(self) -> int:
        """Size of an output element."""
        return ELEMENT_TYPES[OutputType(self.output_type)].itemsize

    @property
    def pixel_bytes(self) -> int:
        """Bytes written per output pixel."""
        return self.output_channels * self.element_bytes

    @property
    def span_height(self) -> int:
        """Input rows from the first to the last under the kernel."""
        return self.dilation_height * (self.kernel_height - 1) + 1

    @property
    def span_width(self) -> int:
        """Input columns from the first to the last under the kernel."""
        return self.dilation_width * (self.kernel_width - 1) + 1

    @property
    def flattened(self) -> bool:
        """A kernel row of a pixel is one run of bytes."""
        adjacent = self.dilation_width == 1 and self.input_pixel_stride == self.group_channels
        return not self.is_vector and (self.kernel_width == 1 or adjacent)

    @property
    def segments(self) -> int:
        """Runs of bytes per kernel row."""
        return 1 if self.flattened else self.kernel_width

    @property
    def segment_bytes(self) -> int:
        """Bytes of a run."""
        return self.group_channels * (self.kernel_width if self.flattened else 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of an input row."""
        return (self.input_width - 1) * self.input_pixel_stride + self.input_channels

    @property
    def row_beats(self) -> int:
        """Beats of an input row, in memory and in the line buffer."""
        beat_bytes = self.array.beat_bytes
        return ceil_div(self.input_address % beat_bytes + self.row_bytes, beat_bytes)

    @property
    def tensor_rows(self) -> int:
        """Input rows of one tensor; those of ADD are of two in turn."""
        return self.input_height // 2 if self.kind == Kind.ADD else self.input_height

    @property
    def input_bytes(self) -> int:
        """Bytes from the first to the last byte of an input tensor."""
        return (self.tensor_rows - 1) * self.input_row_stride + self.row_bytes

    @property
    def row_words(self) -> int:
        """Words of weights per kernel row and group."""
        return self.segments * self.segment_words

    @property
    def group_words(self) -> int:
        """Words of weights per group."""
        return self.kernel_height * self.row_words

    @property
    def held_words(self) -> int:
        """Words of weights that are on chip at once, at least."""
        return self.row_words if self.weights_by_row else self.groups_per_pass * self.group_words

    @property
    def group_lanes(self) -> int:
        """Channels of a group."""
        return self.array.vector_lanes if self.is_vector else self.array.output_lanes

    @property
    def slices_per_group(self) -> int:
        """Slices of beat_bytes channels per group."""
        return self.group_lanes // self.array.beat_bytes

    @property
    def groups(self) -> int:
        """Groups of channels."""
        return ceil_div(self.output_channels, self.group_lanes)

    @property
    def passes(self) -> int:
        """Passes over the input."""
        return ceil_div(self.groups, self.groups_per_pass)

    @property
    def group_bytes(self) -> int:
        """Bytes of the weight stream per group."""
        word_bytes = self.group_lanes * (1 if self.is_vector else self.array.input_lanes)
        return self.group_lanes * PARAMETER.itemsize + self.group_words * word_bytes

    @property
    def table_bytes(self) -> int:
        """Bytes of the table at the start of the weight stream."""
        return TABLE_BYTES if self.has_table else 0

    @property
    def stream_bytes(self) -> int:
        """Bytes of the weight stream."""
        return self.table_bytes + self.groups * self.group_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes from the first to the last written byte."""
        return (self.output_height - 1) * self.output_row_stride + self.output_row_bytes

    @property
    def output_row_bytes(self) -> int:
        """Bytes from the first to the last written byte of an output row."""
        return (self.output_width - 1) * self.output_pixel_stride + self.pixel_bytes


def check(fields: Fields, window: Window) -> Error:
    """The code of the first check that fails, or OK."""
    checks = (
        (Error.BAD_KIND, _kind),
        (Error.BAD_FORMAT, _format),
        (Error.BAD_SHAPE, _shape),
        (Error.BAD_KERNEL, _kernel),
        (Error.BAD_STRIDE, _stride),
        (Error.BAD_TILING, _tiling),
    )
    for error, conditions in checks:
        if not all(conditions(fields)):
            return error
    return Error.OK if all(_address(fields, window)) else Error.BAD_ADDRESS


# All are lazy, so that a condition may rely on those before it.


def _kind(f: Fields) -> Iterator[bool]:
    yield f.kind in list(Kind)


def _format(f: Fields) -> Iterator[bool]:
    yield f.output_type in list(OutputType)
    yield f.rounding in list(Rounding) and f.overflow in list(Overflow)
    yield f.flags & ~sum(Flag) == 0 and -128 <= f.input_zero_point <= 127
    if f.output_type == OutputType.INT32:
        yield not f.has_table
    else:
        low, high = (0, 255) if f.output_type == OutputType.UINT8 else (-128, 127)
        yield low <= f.output_zero_point <= high
        yield low <= f.clamp_min <= f.clamp_max <= high


def _shape(f: Fields) -> Iterator[bool]:
    yield min(f.input_height, f.input_width, f.input_channels) > 0
    yield min(f.output_height, f.output_width, f.output_channels) > 0
    if f.is_vector:
        yield f.output_channels == f.input_channels
        yield f.group_channels == f.group_step == f.group_lanes
    else:
        yield 1 <= f.group_channels <= f.input_channels
        yield (f.groups - 1) * f.group_step < f.input_channels
    if f.kind == Kind.ADD:
        yield (f.input_height, f.input_width) == (2 * f.output_height, f.output_width)
    last_row = (f.output_height - 1) * f.stride_height + f.span_height
    last_column = (f.output_width - 1) * f.stride_width + f.span_width
    yield last_row <= f.input_height + f.pad_top + f.pad_bottom
    yield last_column <= f.input_width + f.pad_left + f.pad_right


def _kernel(f: Fields) -> Iterator[bool]:
    yield 1 <= f.kernel_height <= MAX_KERNEL_HEIGHT
    yield 1 <= f.kernel_width <= MAX_KERNEL_WIDTH
    yield 1 <= f.stride_height <= MAX_STRIDE and f.stride_width >= 1
    yield f.dilation_height >= 1
    yield f.pad_top < f.span_height
    if f.kind == Kind.ADD:
        yield f.kernel_height == f.stride_height == 2
        yield f.kernel_width <= MAX_DIGITS
        yield f.stride_width == f.dilation_height == 1
        yield f.dilation_width == 0
        yield max(f.pad_top, f.pad_bottom, f.pad_left, f.pad_right) == 0
    else:
        yield f.dilation_width >= 1


def _stride(f: Fields) -> Iterator[bool]:
    yield f.input_row_stride % f.array.beat_bytes == 0
    yield f.output_row_stride % f.array.beat_bytes == 0
    yield f.input_pixel_stride >= f.input_channels
    yield f.output_pixel_stride >= f.pixel_bytes


def _tiling(f: Fields) -> Iterator[bool]:
    padded_width = f.input_width + f.pad_left + f.pad_right
    yield padded_width * f.input_pixel_stride <= MAX_PADDED_ROW_BYTES
    words = 1 if f.is_vector else ceil_div(f.segment_bytes, f.array.input_lanes)
    yield f.segment_words == words
    yield f.row_slots >= max(f.span_height, f.stride_height)
    yield f.row_slots * f.row_beats <= f.array.line_buffer_beats
    yield f.groups_per_pass >= 1
    yield f.groups_per_pass * f.slices_per_group <= f.array.parameter_slices
    if f.weights_by_row:
        yield not f.is_vector
        yield f.output_height == f.output_width == f.groups_per_pass == 1
    yield f.held_words <= f.array.weight_words


def _address(f: Fields, window: Window) -> Iterator[bool]:
    yield window.holds(f.input_address, f.input_bytes)
    if f.kind == Kind.ADD:
        yield window.holds(f.second_address, f.input_bytes)
        yield (f.second_address - f.input_address) % f.array.beat_bytes == 0
    yield f.weights_address % f.array.beat_bytes == 0
    yield window.holds(f.weights_address, f.stream_bytes)
    yield f.output_address % f.element_bytes == 0
    yield window.holds(f.output_address, f.output_bytes)
