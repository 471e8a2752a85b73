# SPDX-License-Identifier: Apache-2.0
"""Layers as the stages see them: fields of `layer_t`, the loop nest in plain Python.

Everything follows from the definition of the descriptor by multiplication and modulo, where the
hardware adds up, so that both can only agree if both are right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from layer import derive
from lineconv.packing import PARAMETER, ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind, OutputType


class Word(NamedTuple):
    """One word for the array.

    Attributes:
        row: virtual input row (counted on over passes), None in the padding above and below.
        address: byte in the line buffer; without meaning if `row` is None.
        offset: byte in the input row, negative in the left padding.
        weight_word: place in the weight ring.
        digit: of the weights of ADD, 0 for the other kinds.
        unit: of weights (a group, or a kernel row of it), counted on over passes.
        first, last: of the pixel and group.
        unit_last: of the pixel and unit.
        rows_free: input rows that are free after this word if it ends an output row, else None.
        unit_free: the words of the unit are not needed after this word.
    """

    row: int | None
    address: int
    offset: int
    weight_word: int
    digit: int
    unit: int
    first: bool
    last: bool
    unit_last: bool
    rows_free: int | None
    unit_free: bool


@dataclass(frozen=True)
class LayerModel:
    """Descriptor fields that shape the walk (names as in the descriptor), and the array.

    `group_channels` and `group_step` are those of a grouped convolution, 0 for everything else;
    `table` and `by_row` are flags.
    """

    array: Array
    kind: Kind = Kind.CONV
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
    group_channels: int = 0
    group_step: int = 0
    output_height: int = 1
    output_width: int = 1
    input_address: int = 0
    second_address: int = 0
    input_row_stride: int = 8
    input_pixel_stride: int = 1
    input_zero_point: int = 0
    input_unsigned: int = 0
    weights_address: int = 0
    groups_per_pass: int = 1
    row_slots: int = 1
    table: bool = False
    by_row: bool = False

    @property
    def dense(self) -> bool:
        """The MAC array computes it, not the vector unit."""
        return self.kind == Kind.CONV

    @property
    def lanes(self) -> int:
        """Channels of a group."""
        return self.array.output_lanes if self.dense else self.array.vector_lanes

    @property
    def slices(self) -> int:
        """Slices of a group."""
        return self.lanes // self.array.beat_bytes

    @property
    def read_channels(self) -> int:
        """Channels that a group reads."""
        if self.dense:
            return self.group_channels or self.input_channels
        return self.array.vector_lanes

    @property
    def step_channels(self) -> int:
        """Channels from a group to the next."""
        return self.group_step if self.dense else self.array.vector_lanes

    @property
    def segment_bytes(self) -> int:
        return self.read_channels * (1 if self.segments > 1 else self.kernel_width)

    @property
    def segments(self) -> int:
        adjacent = self.dilation_width == 1 and self.input_pixel_stride == self.read_channels
        flattened = self.dense and (adjacent or self.kernel_width == 1)
        return 1 if flattened else self.kernel_width

    @property
    def segment_words(self) -> int:
        return ceil_div(self.segment_bytes, self.array.input_lanes) if self.dense else 1

    @property
    def row_words(self) -> int:
        return self.segments * self.segment_words

    @property
    def group_words(self) -> int:
        return self.kernel_height * self.row_words

    @property
    def word_beats(self) -> int:
        return self.slices * (self.array.input_lanes if self.dense else 1)

    @property
    def parameter_beats(self) -> int:
        """Of a group."""
        return self.lanes * PARAMETER.itemsize // self.array.beat_bytes

    @property
    def group_units(self) -> int:
        """Parts in which the weights of a group are loaded and freed."""
        return self.kernel_height if self.by_row else 1

    @property
    def unit_words(self) -> int:
        return self.row_words if self.by_row else self.group_words

    @property
    def groups(self) -> int:
        return ceil_div(self.output_channels, self.lanes)

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

    def row_address(self, row: int) -> int:
        """Memory address of an input row, rounded down to a beat."""
        base = self.input_address
        if self.kind == Kind.ADD:
            base, row = (base, self.second_address)[row % 2], row // 2
        return base - self.input_align + row * self.input_row_stride

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
            and self.groups_per_pass * self.unit_words <= array.weight_words
            and self.groups_per_pass * self.slices <= array.weight_words
            and self.pad_top <= self.span_height - 1
            and (self.groups - 1) * self.step_channels < self.input_channels
        )

    @property
    def fields(self) -> dict[str, int]:
        """What the descriptor check derives: arguments of `pack_layer`."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        array = own.pop("array")
        own |= {
            "flags": own.pop("input_unsigned") | own.pop("table") << 1 | own.pop("by_row") << 2,
            "group_channels": self.read_channels,
            "group_step": self.step_channels,
            "segment_words": self.segment_words,
        }
        # The output side of a layer does not matter to its walk.
        output = {"output_type": OutputType.INT8, "output_pixel_stride": self.output_channels}
        return derive(own | output, array)

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
                        + group * self.step_channels
                        + segment * self.dilation_width * self.input_pixel_stride
                        + word * self.array.input_lanes
                    )
                    address = beat * beat_bytes + self.input_align + offset
                    last = index == self.group_words - 1
                    ends_unit = (index + 1) % self.unit_words == 0
                    yield Word(
                        row=virtual if 0 <= row < self.input_height else None,
                        address=address % (self.array.line_buffer_beats * beat_bytes),
                        offset=offset,
                        weight_word=(group * self.group_words + index) % self.array.weight_words,
                        digit=segment if self.kind == Kind.ADD else 0,
                        unit=group * self.group_units + index // self.unit_words,
                        first=index == 0,
                        last=last,
                        unit_last=ends_unit,
                        rows_free=self.rows_free(number, output_row) if last and ends_row else None,
                        unit_free=ends_unit and ends_group,
                    )
                    index += 1
