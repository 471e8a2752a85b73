# SPDX-License-Identifier: Apache-2.0
"""The checks that the engine makes on a descriptor before it runs it, in the engine's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.layer import MAX_KERNEL, MAX_STRIDE, OutputType, Overflow, Rounding
from lineconv.packing import ELEMENT_TYPES, PARAMETER, TABLE_BYTES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Error, Kind

__all__ = ["MAX_KERNEL_WIDTH", "MAX_PADDED_ROW_BYTES", "Fields", "Window", "check"]

MAX_KERNEL_WIDTH = 64
MAX_PADDED_ROW_BYTES = (1 << 22) - 1
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
    def element_bytes(self) -> int:
        """Size of an output element."""
        return ELEMENT_TYPES[OutputType(self.output_type)].itemsize

    @property
    def pixel_bytes(self) -> int:
        """Bytes written per output pixel."""
        return self.output_channels * self.element_bytes

    @property
    def flattened(self) -> bool:
        """A kernel row of a pixel is one run of bytes."""
        adjacent = self.dilation_width == 1 and self.input_pixel_stride == self.group_channels
        return self.kind == Kind.CONV and (self.kernel_width == 1 or adjacent)

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
    def row_words(self) -> int:
        """Words of weights per kernel row, for a group of lanes."""
        return self.segments * self.segment_words

    @property
    def group_words(self) -> int:
        """Words of weights per group of lanes."""
        return self.kernel_height * self.row_words

    @property
    def group_lanes(self) -> int:
        """Output channels that are computed together."""
        conv = self.kind == Kind.CONV
        return self.array.output_lanes if conv else self.array.vector_lanes

    @property
    def groups(self) -> int:
        """Groups of lanes."""
        return ceil_div(self.output_channels, self.group_lanes)

    @property
    def passes(self) -> int:
        """Passes over the input."""
        return ceil_div(self.groups, self.groups_per_pass)

    @property
    def group_bytes(self) -> int:
        """Bytes of the weight stream per group."""
        weights = self.array.input_lanes if self.kind == Kind.CONV else 1
        return self.group_lanes * (PARAMETER.itemsize + self.group_words * weights)

    @property
    def table_bytes(self) -> int:
        """Bytes of the table in front of the weight stream."""
        return TABLE_BYTES if self.flags & 2 else 0

    @property
    def stream_bytes(self) -> int:
        """Bytes of the weight stream."""
        return self.table_bytes + self.groups * self.group_bytes

    @property
    def output_row_bytes(self) -> int:
        """Bytes from the first to the last written byte of an output row."""
        return (self.output_width - 1) * self.output_pixel_stride + self.pixel_bytes


def check(fields: Fields, window: Window) -> Error:
    """The code of the first check that fails, or OK."""
    return next((error for error, passed in _checks(fields, window) if not passed), Error.OK)


def _checks(f: Fields, window: Window) -> Iterator[tuple[Error, bool]]:
    """Lazy, so that a check may rely on those before it."""
    yield Error.BAD_KIND, f.kind == Kind.CONV

    yield Error.BAD_FORMAT, f.output_type in list(OutputType)
    yield Error.BAD_FORMAT, f.rounding in list(Rounding) and f.overflow in list(Overflow)
    yield Error.BAD_FORMAT, f.flags >> 1 == 0 and -128 <= f.input_zero_point <= 127
    if f.output_type != OutputType.INT32:
        low, high = (0, 255) if f.output_type == OutputType.UINT8 else (-128, 127)
        yield Error.BAD_FORMAT, low <= f.output_zero_point <= high
        yield Error.BAD_FORMAT, low <= f.clamp_min <= f.clamp_max <= high

    yield Error.BAD_SHAPE, min(f.input_height, f.input_width, f.input_channels) > 0
    yield Error.BAD_SHAPE, min(f.output_height, f.output_width, f.output_channels) > 0
    yield Error.BAD_SHAPE, f.group_channels == f.input_channels and f.group_step == 0
    span_height = f.dilation_height * (f.kernel_height - 1) + 1
    span_width = f.dilation_width * (f.kernel_width - 1) + 1
    last_row = (f.output_height - 1) * f.stride_height + span_height
    last_column = (f.output_width - 1) * f.stride_width + span_width
    yield Error.BAD_SHAPE, last_row <= f.input_height + f.pad_top + f.pad_bottom
    yield Error.BAD_SHAPE, last_column <= f.input_width + f.pad_left + f.pad_right

    yield Error.BAD_KERNEL, 1 <= f.kernel_height <= MAX_KERNEL
    yield Error.BAD_KERNEL, 1 <= f.kernel_width <= MAX_KERNEL_WIDTH
    yield Error.BAD_KERNEL, 1 <= f.stride_height <= MAX_STRIDE and f.stride_width >= 1
    yield Error.BAD_KERNEL, f.dilation_height >= 1 and f.dilation_width >= 1
    yield Error.BAD_KERNEL, f.pad_top < span_height

    yield Error.BAD_STRIDE, f.input_row_stride % f.array.beat_bytes == 0
    yield Error.BAD_STRIDE, f.output_row_stride % f.array.beat_bytes == 0
    yield Error.BAD_STRIDE, f.input_pixel_stride >= f.input_channels
    yield Error.BAD_STRIDE, f.output_pixel_stride >= f.pixel_bytes

    padded_width = f.input_width + f.pad_left + f.pad_right
    yield Error.BAD_TILING, padded_width * f.input_pixel_stride <= MAX_PADDED_ROW_BYTES
    yield Error.BAD_TILING, f.segment_words == ceil_div(f.segment_bytes, f.array.input_lanes)
    yield Error.BAD_TILING, f.row_slots >= max(span_height, f.stride_height)
    yield Error.BAD_TILING, f.row_slots * f.row_beats <= f.array.line_buffer_beats
    yield Error.BAD_TILING, 1 <= f.groups_per_pass <= f.array.parameter_groups
    yield Error.BAD_TILING, f.groups_per_pass * f.group_words <= f.array.weight_words

    input_bytes = (f.input_height - 1) * f.input_row_stride + f.row_bytes
    yield Error.BAD_ADDRESS, window.holds(f.input_address, input_bytes)
    yield Error.BAD_ADDRESS, f.weights_address % f.array.beat_bytes == 0
    yield Error.BAD_ADDRESS, window.holds(f.weights_address, f.stream_bytes)
    output_bytes = (f.output_height - 1) * f.output_row_stride + f.output_row_bytes
    yield Error.BAD_ADDRESS, f.output_address % f.element_bytes == 0
    yield Error.BAD_ADDRESS, window.holds(f.output_address, output_bytes)
