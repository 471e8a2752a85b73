# SPDX-License-Identifier: Apache-2.0
"""Layers as the stages see them: fields of `layer_t`, random draws, the loop nest in plain Python.

Everything follows from the definition of the descriptor by multiplication and modulo, where the
hardware adds up, so that both can only agree if both are right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from layer import derive
from lineconv.packing import PARAMETER, ceil_div, row_stride
from lineconv.presets import Array
from lineconv.regs import Kind, OutputType


class Word(NamedTuple):
    """One word for the array.

    Attributes:
        row: virtual input row (counted on over passes), None in the padding above and below.
        address: byte in the line buffer; without meaning if `row` is None.
        offset: byte in the input row, negative in the left padding.
        weight_word: place in the weight ring.
        group: counted on over passes.
        first, last: of the pixel and group.
        rows_free: input rows that are free after this word if it ends an output row, else None.
        group_free: the words of the group are not needed after this word.
    """

    row: int | None
    address: int
    offset: int
    weight_word: int
    group: int
    first: bool
    last: bool
    rows_free: int | None
    group_free: bool


@dataclass(frozen=True)
class LayerModel:
    """Descriptor fields that shape the walk (names as in the descriptor), and the array."""

    array: Array
    input_height: int = 1
    input_width: int = 1
    input_channels: int = 1
    output_channels: int = 1
    kernel_height: int = 1
    kernel_width: int = 1
    stride_height: int = 1
    stride_width: int = 1
    dilation_height: int = 1
    dilation_width: int = 1
    pad_top: int = 0
    pad_left: int = 0
    output_height: int = 1
    output_width: int = 1
    input_address: int = 0
    input_row_stride: int = 8
    input_pixel_stride: int = 1
    input_zero_point: int = 0
    input_unsigned: int = 0
    weights_address: int = 0
    groups_per_pass: int = 1
    row_slots: int = 1

    @property
    def segment_bytes(self) -> int:
        return self.input_channels * (1 if self.segments > 1 else self.kernel_width)

    @property
    def segments(self) -> int:
        dense = self.dilation_width == 1 and self.input_pixel_stride == self.input_channels
        return 1 if dense or self.kernel_width == 1 else self.kernel_width

    @property
    def segment_words(self) -> int:
        return ceil_div(self.segment_bytes, self.array.input_lanes)

    @property
    def group_words(self) -> int:
        return self.kernel_height * self.segments * self.segment_words

    @property
    def group_beats(self) -> int:
        array = self.array
        parameters = array.output_lanes * PARAMETER.itemsize // array.beat_bytes
        return parameters + self.group_words * array.num_slices * array.input_lanes

    @property
    def groups(self) -> int:
        return ceil_div(self.output_channels, self.array.output_lanes)

    @property
    def passes(self) -> int:
        return ceil_div(self.groups, self.groups_per_pass)

    @property
    def row_bytes(self) -> int:
        return (self.input_width - 1) * self.input_pixel_stride + self.input_channels

    @property
    def row_beats(self) -> int:
        return ceil_div(self.input_align + self.row_bytes, self.array.beat_bytes)

    @property
    def input_align(self) -> int:
        return self.input_address % self.array.beat_bytes

    @property
    def span_height(self) -> int:
        """Input rows from the top of the kernel to its bottom."""
        return self.dilation_height * (self.kernel_height - 1) + 1

    @property
    def resident(self) -> bool:
        """The input stays in the line buffer for all passes."""
        return self.row_slots >= self.input_height

    @property
    def rows_to_load(self) -> int:
        return self.input_height * (1 if self.resident else self.passes)

    @property
    def outputs(self) -> int:
        """Pixels times groups."""
        return self.output_height * self.output_width * self.groups

    @property
    def legal(self) -> bool:
        """The engine takes it (as far as the walk is concerned)."""
        array = self.array
        return (
            self.row_slots >= max(self.span_height, self.stride_height)
            and self.row_slots * self.row_beats <= array.line_buffer_beats
            and self.groups_per_pass * self.group_words <= array.weight_words
            and self.groups_per_pass <= array.weight_words // array.num_slices
            and self.pad_top <= self.span_height - 1
        )

    @property
    def fields(self) -> dict[str, int]:
        """What the descriptor check derives: arguments of `pack_layer`."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        array, flags = own.pop("array"), own.pop("input_unsigned")
        # The output side of a layer does not matter to its walk.
        output = {"output_type": OutputType.INT8, "output_pixel_stride": self.output_channels}
        kind = {
            "kind": Kind.CONV,
            "flags": flags,
            "segment_words": self.segment_words,
            "group_channels": self.input_channels,
            "group_step": 0,
            "second_address": 0,
        }
        return derive(own | output | kind, array)

    def pass_groups(self, number: int) -> range:
        """Groups of a pass."""
        start = number * self.groups_per_pass
        return range(start, min(start + self.groups_per_pass, self.groups))

    def rows_before(self, number: int) -> int:
        """Virtual number of input row 0 in a pass."""
        return 0 if self.resident else number * self.input_height

    def rows_free(self, number: int, output_row: int) -> int:
        """Virtual rows that are free after an output row of a pass."""
        following = (output_row + 1) * self.stride_height - self.pad_top
        if output_row == self.output_height - 1:
            following = self.input_height
        return self.rows_before(number) + min(max(following, 0), self.input_height)

    def words(self) -> Iterator[Word]:
        """All words of the layer in order."""
        for number in range(self.passes):
            for output_row in range(self.output_height):
                for column in range(self.output_width):
                    for group in self.pass_groups(number):
                        yield from self._output(number, output_row, column, group)

    def _output(self, number: int, output_row: int, column: int, group: int) -> Iterator[Word]:
        ends_row = column == self.output_width - 1 and group == self.pass_groups(number)[-1]
        ends_group = column == self.output_width - 1 and output_row == self.output_height - 1
        beat_bytes = self.array.beat_bytes
        index = 0
        for kernel_row in range(self.kernel_height):
            row = output_row * self.stride_height - self.pad_top + kernel_row * self.dilation_height
            virtual = self.rows_before(number) + row
            beat = virtual % self.row_slots * self.row_beats
            for segment in range(self.segments):
                for word in range(self.segment_words):
                    offset = (
                        (column * self.stride_width - self.pad_left) * self.input_pixel_stride
                        + segment * self.dilation_width * self.input_pixel_stride
                        + word * self.array.input_lanes
                    )
                    address = beat * beat_bytes + self.input_align + offset
                    last = index == self.group_words - 1
                    yield Word(
                        row=virtual if 0 <= row < self.input_height else None,
                        address=address % (self.array.line_buffer_beats * beat_bytes),
                        offset=offset,
                        weight_word=(group * self.group_words + index) % self.array.weight_words,
                        group=group,
                        first=index == 0,
                        last=last,
                        rows_free=self.rows_free(number, output_row) if last and ends_row else None,
                        group_free=last and ends_group,
                    )
                    index += 1


def draw(rng: np.random.Generator, array: Array, max_words: int) -> LayerModel:
    """A random legal layer of at most that many words; tight buffers are as likely as wide ones."""
    while True:
        layer = _draw(rng, array)
        if layer.legal and layer.outputs * layer.group_words <= max_words:
            return layer


def _draw(rng: np.random.Generator, array: Array) -> LayerModel:
    def size(high: int) -> int:  # every order of magnitude is as likely
        return int((high + 1) ** rng.random())

    def often(chance: float, value: int) -> int:
        return value if rng.random() < chance else 1

    input_channels = size(3 * array.input_lanes)
    layer = LayerModel(
        array=array,
        input_channels=input_channels,
        output_channels=size(6 * array.output_lanes),
        kernel_height=size(16),
        kernel_width=size(16),
        stride_height=size(8),
        stride_width=size(8),
        dilation_height=often(0.4, size(6)),
        dilation_width=often(0.4, size(6)),
        input_pixel_stride=input_channels + (size(9) if rng.random() < 0.3 else 0),
        input_address=int(rng.integers(1 << 20)),
        input_zero_point=int(rng.integers(-128, 128)),
        input_unsigned=int(rng.integers(2)),
        weights_address=array.beat_bytes * int(rng.integers(1 << 20)),
    )
    span_width = layer.dilation_width * (layer.kernel_width - 1) + 1
    pad_top = int(rng.integers(layer.span_height)) if rng.random() < 0.6 else 0
    pad_left = int(rng.integers(span_width + 2)) if rng.random() < 0.6 else 0
    # Padding behind the image, so that some outputs lie wholly in it.
    pad_bottom = int(rng.integers(layer.span_height + 9)) if rng.random() < 0.5 else 0
    pad_right = int(rng.integers(span_width + 9)) if rng.random() < 0.5 else 0
    input_height = size(24) + max(0, layer.span_height - pad_top - pad_bottom - 1)
    input_width = size(16) + max(0, span_width - pad_left - pad_right - 1)
    rows = (input_height + pad_top + pad_bottom - layer.span_height) // layer.stride_height
    columns = (input_width + pad_left + pad_right - span_width) // layer.stride_width
    layer = replace(
        layer,
        pad_top=pad_top,
        pad_left=pad_left,
        input_height=input_height,
        input_width=input_width,
        output_height=rows + 1 if rng.random() < 0.8 else int(rng.integers(rows + 1)) + 1,
        output_width=columns + 1 if rng.random() < 0.8 else int(rng.integers(columns + 1)) + 1,
    )
    needed = max(layer.span_height, layer.stride_height)
    fit = array.weight_words // max(layer.group_words, array.num_slices)
    return replace(
        layer,
        input_row_stride=row_stride(layer.row_bytes, array.beat_bytes) + array.beat_bytes * size(4),
        groups_per_pass=max(1, min(fit, size(layer.groups + 1))),
        row_slots=needed + (0 if rng.random() < 0.4 else size(input_height + 2) - 1),
    )


def edge_layers(array: Array) -> list[LayerModel]:
    """Legal layers at the corners of the loop nest."""
    lanes, channels = array.input_lanes, array.output_lanes
    base = LayerModel(array=array, input_pixel_stride=lanes, input_channels=lanes)
    small = replace(base, input_height=7, output_height=7, input_width=5, output_width=5)
    return [
        base,  # one word
        replace(base, input_height=9, output_height=9, output_channels=3 * channels),  # 3 passes
        replace(small, output_channels=4 * channels, groups_per_pass=3, row_slots=1),
        replace(small, output_channels=2 * channels, groups_per_pass=1, row_slots=7),  # resident
        # Strides beyond the kernel: skipped rows, also at the end of a pass.
        replace(small, stride_height=3, output_height=3, row_slots=3, output_channels=2 * channels),
        replace(small, stride_height=8, output_height=1, row_slots=8, stride_width=8,
                output_width=1, output_channels=2 * channels),
        # Output rows wholly in the padding, top and bottom.
        replace(base, input_height=1, kernel_height=3, dilation_height=2, pad_top=4,
                output_height=9, row_slots=5, output_channels=2 * channels),
        replace(small, kernel_height=4, pad_top=3, output_height=13, row_slots=4,
                output_channels=2 * channels),
        # Taps of a single byte, far apart.
        replace(small, input_channels=1, kernel_width=3, dilation_width=2, output_width=1,
                pad_left=2, kernel_height=2, output_height=6, row_slots=2),
    ]  # fmt: skip
