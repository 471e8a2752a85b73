# SPDX-License-Identifier: Apache-2.0
"""What a tile asks of the stages of an array: beats, bursts, and the sequencer's walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lineconv.cycle_model.memory import burst_count
from lineconv.packing import ELEMENT_TYPES, PARAMETER, TABLE_BYTES, ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind
from lineconv.tile import Tile, group_lanes

__all__ = ["Output", "Step", "Work", "work"]


@dataclass(frozen=True)
class Step:
    """A stretch of the sequencer's walk that, once begun, waits only for room for its results.

    Attributes:
        rows: input rows, over all passes, that must be in the line buffer.
        weights: units of weights, over all passes, that must be loaded.
        outputs: (pixel, group) results, or the part of one that a kernel row makes; not 0.
        rows_free: input rows, over all passes, that are not needed after it.
        frees_weights: it is the last to use its unit of weights.
    """

    rows: int
    weights: int
    outputs: float
    rows_free: int
    frees_weights: bool


@dataclass(frozen=True)
class Output:
    """The (pixel, group) results of a pass.

    Attributes:
        count: how many.
        cycles: from one to the next if nothing is missing: its words, but not less than its slices
            take through requantisation and packer.
        beats, burst_beats: written in all, and per burst.
    """

    count: int
    cycles: float
    beats: int
    burst_beats: float


@dataclass(frozen=True)
class Work:
    """A tile on an array, in the units of the stages. Tiles of equal work take equal time.

    Attributes:
        in_rows, row_beats, row_slots: input, and the ring that holds its rows.
        row_step: beats from one row to the next in memory.
        out_rows, out_columns, stride, pad_top, span_rows: walk over the output; `span_rows` input
            rows lie under the kernel.
        groups, groups_per_pass, group_words: weights.
        group_units: units in which the weights of a group are loaded and freed: 1, or its kernel
            rows.
        group_slices: slices of a group, whose parameters are held like its weights.
        unit_beats, parameter_beats: of a unit in memory, and of the parameters of a group, which
            come with the first.
        table_beats: of the table in front of the first group.
        output, last_output: results of a pass with groups_per_pass groups, and of the last one.
    """

    in_rows: int
    row_beats: int
    row_step: int
    row_slots: int
    out_rows: int
    out_columns: int
    stride: int
    pad_top: int
    span_rows: int
    groups: int
    groups_per_pass: int
    group_words: int
    group_units: int
    group_slices: int
    unit_beats: int
    parameter_beats: int
    table_beats: int
    output: Output
    last_output: Output

    @property
    def passes(self) -> int:
        """Times that the input is walked over."""
        return ceil_div(self.groups, self.groups_per_pass)

    @property
    def resident(self) -> bool:
        """All input rows fit the ring, so that they are loaded once."""
        return self.row_slots >= self.in_rows

    @property
    def rows(self) -> int:
        """Input rows to load, over all passes."""
        return self.in_rows * (1 if self.resident else self.passes)

    @property
    def weight_beats(self) -> int:
        """Beats of the weight stream."""
        group_beats = self.parameter_beats + self.group_units * self.unit_beats
        return self.table_beats + self.groups * group_beats

    @property
    def mac_cycles(self) -> int:
        """Cycles in which the array is fed."""
        return self.out_rows * self.out_columns * self.groups * self.group_words

    @property
    def pass_cycles(self) -> float:
        """Cycles of all passes if nothing is missing."""
        last = self.last_output
        return (self.passes - 1) * self.output.count * self.output.cycles + last.count * last.cycles

    @property
    def write_beats(self) -> int:
        """Beats of all results."""
        return (self.passes - 1) * self.output.beats + self.last_output.beats

    @property
    def steady_rows(self) -> range:
        """Output rows, the same in each pass, whose kernels lie inside the image, but the first
        and the last: each is the row before it, `stride` input rows further down."""
        first = max(1, ceil_div(self.pad_top, self.stride))
        last = (self.in_rows - max(self.span_rows, self.stride) + self.pad_top) // self.stride
        return range(first, max(first, min(self.out_rows - 1, last + 1)))

    def steps(self, index: int, row: int) -> Iterator[Step]:
        """The sequencer's walk over an output row of a pass. The first column of a pass, which
        meets new groups, and the last, which frees them, are told group by group."""
        if self.group_units > 1:
            yield from self._unit_steps(index)
            return
        first_group = index * self.groups_per_pass
        groups = min(self.groups_per_pass, self.groups - first_group)
        loaded = first_group + groups
        rows_before = 0 if self.resident else index * self.in_rows
        last_row = row == self.out_rows - 1

        def row_at(position: int) -> int:
            return rows_before + min(self.in_rows, max(0, position))

        top = row * self.stride - self.pad_top
        rows = row_at(top + self.span_rows)
        free_before = rows_before if row == 0 else row_at(top)
        free = row_at(self.in_rows if last_row else top + self.stride)

        columns = self.out_columns
        if row == 0:
            columns -= 1
            for group in range(first_group + 1, loaded + 1):
                ends_row = columns == 0 and group == loaded
                frees_group = columns == 0 and last_row
                yield Step(rows, group, 1, free if ends_row else free_before, frees_group)
        by_group = groups if last_row and columns else 0
        if by_group:
            columns -= 1
        if columns:
            yield Step(rows, loaded, columns * groups, free_before if by_group else free, False)
        for left in reversed(range(by_group)):
            yield Step(rows, loaded, 1, free_before if left else free, True)

    def _unit_steps(self, group: int) -> Iterator[Step]:
        """The walk over the only output pixel: unit by unit of the weights."""
        rows_before = 0 if self.resident else group * self.in_rows
        rows = rows_before + self.in_rows
        first = group * self.group_units + 1
        for unit in range(first, first + self.group_units):
            last = unit == first + self.group_units - 1
            yield Step(rows, unit, 1 / self.group_units, rows if last else rows_before, True)


def work(tile: Tile, array: Array) -> Work:
    """What a tile asks of an array."""
    beat_bytes = array.beat_bytes
    groups = tile.groups(array)
    last_groups = (groups - 1) % tile.groups_per_pass + 1
    whole_rows = tile.groups_per_pass >= groups and tile.output_pixel_stride == tile.pixel_bytes
    last_bytes = tile.pixel_bytes - (groups - last_groups) * _group_bytes(tile, array)
    row_beats = tile.row_beats(beat_bytes)
    lanes = group_lanes(tile.kind, array)
    group_slices = lanes // beat_bytes
    word_beats = group_slices * (array.input_lanes if tile.kind is Kind.CONV else 1)
    last_output = _output(tile, array, last_groups, last_bytes, whole_rows)
    output = last_output
    if tile.groups_per_pass < groups:
        pass_bytes = tile.groups_per_pass * _group_bytes(tile, array)
        output = _output(tile, array, tile.groups_per_pass, pass_bytes, False)
    return Work(
        in_rows=tile.input_height,
        row_beats=row_beats,
        row_step=tile.in_rows.step * row_beats,  # but for stripes, which are narrower
        row_slots=tile.row_slots,
        out_rows=len(tile.out_rows),
        out_columns=tile.output_width,
        stride=tile.stride[0],
        pad_top=tile.padding[0][0],
        span_rows=tile.span_rows,
        groups=groups,
        groups_per_pass=tile.groups_per_pass,
        group_words=tile.group_words,
        group_units=len(tile.kernel_rows) if tile.weights_by_row else 1,
        group_slices=group_slices,
        unit_beats=word_beats * (tile.row_words if tile.weights_by_row else tile.group_words),
        parameter_beats=lanes * PARAMETER.itemsize // beat_bytes,
        table_beats=TABLE_BYTES // beat_bytes if tile.table else 0,
        output=output,
        last_output=last_output,
    )


def _group_bytes(tile: Tile, array: Array) -> int:
    """Bytes of a pixel in a group of lanes."""
    return group_lanes(tile.kind, array) * ELEMENT_TYPES[tile.output_type].itemsize


def _output(tile: Tile, array: Array, groups: int, pixel_bytes: int, whole_rows: bool) -> Output:
    """Results of a pass that computes so many groups and writes so many bytes per pixel.

    Args:
        whole_rows: a run of written bytes is an output row; else it is the pass' part of a pixel.
    """
    beat_bytes = array.beat_bytes
    rows, columns = len(tile.out_rows), tile.output_width
    start = tile.output_align + tile.output_start
    # Runs: (bytes, first byte in its beat, how many such).
    if whole_rows:
        runs = [(columns * pixel_bytes, start % beat_bytes, rows)]
    else:
        runs = [
            (
                pixel_bytes,
                (start + column * tile.output_pixel_stride) % beat_bytes,
                len(range(column, columns, beat_bytes)) * rows,
            )
            for column in range(min(beat_bytes, columns))
        ]
    beats = crossings = 0
    bursts = 0.0
    for run_bytes, align, count in runs:
        run_beats = ceil_div(align + run_bytes, beat_bytes)
        beats += count * run_beats
        bursts += count * burst_count(run_beats)
        crossings += count * (run_beats - ceil_div(run_bytes, beat_bytes))

    # The packer takes a beat of results per cycle, also a slice without any, and a cycle more for
    # a run that crosses into another beat.
    pixels = rows * columns
    slices = group_lanes(tile.kind, array) // beat_bytes
    element_bytes = ELEMENT_TYPES[tile.output_type].itemsize
    empty_slices = groups * slices - ceil_div(pixel_bytes, element_bytes * beat_bytes)
    pixel_cycles = ceil_div(pixel_bytes, beat_bytes) + empty_slices + crossings / pixels
    return Output(
        count=pixels * groups,
        cycles=max(tile.group_words, slices, pixel_cycles / groups),
        beats=beats,
        burst_beats=beats / bursts,
    )
