# SPDX-License-Identifier: Apache-2.0
"""Random programs of all layer kinds, as bytes in memory.

The descriptors are such as no driver makes: gaps between pixels and rows, more slots than needed,
several passes, any alignment. A layer may read what an earlier one wrote.
"""

from __future__ import annotations

import numpy as np
from raw_programs import RawProgram

from lineconv.bus import ByteArray
from lineconv.checker import Fields, Window, check
from lineconv.packing import PARAMETER, TABLE_BYTES, ceil_div
from lineconv.presets import PRESETS, Array
from lineconv.program import record
from lineconv.regs import (
    DESCRIPTOR_BYTES,
    Error,
    Flag,
    Kind,
    OutputType,
    Overflow,
    Rounding,
)

__all__ = ["ARRAYS", "draw_program"]

# Down to such as hold almost nothing.
ARRAYS = {
    "tiny": PRESETS["tiny"].array,
    "pynq-z2": PRESETS["pynq-z2"].array,
    "13x32": Array(13, 32, vector_lanes=24, weight_words=36, line_buffer_beats=100),
    "32x8": Array(32, 8, vector_lanes=8, weight_words=30, line_buffer_beats=200),
    "1x8": Array(1, 8, vector_lanes=8, weight_words=40, line_buffer_beats=33),
    "5x32, 16 bytes": Array(5, 32, 48, weight_words=36, line_buffer_beats=70, beat_bytes=16),
}

Draft = dict[str, int]  # the fields of a descriptor that are not 0


def draw_program(
    rng: np.random.Generator, array: Array, kinds: list[Kind], base: int, nbytes: int
) -> RawProgram:
    """One legal layer of each of `kinds`, in that order, in `nbytes` of random memory."""
    memory = rng.integers(0, 256, nbytes, dtype=np.uint8)
    program = RawProgram(memory, base, len(kinds))
    room = _Room(rng, base, base + len(kinds) * DESCRIPTOR_BYTES)
    written: list[tuple[int, int]] = []  # address and bytes of the outputs
    for index, kind in enumerate(kinds):
        d = _draw_legal(rng, array, kind, room, written, program.window)
        program.descriptors[index] = record(d)
        _write_parameters(rng, _fields(d, array), memory[d["weights_address"] - base :])
        written.append((d["output_address"], d["output_height"] * d["output_row_stride"]))
    return program


class _Room:
    """Hands out addresses, one behind the other with gaps."""

    def __init__(self, rng: np.random.Generator, base: int, end: int) -> None:
        self._rng = rng
        self.base = base
        self.end = end

    def reserve(self, nbytes: int, alignment: int, align: int = 0) -> int:
        """`nbytes` bytes at a multiple of `alignment`, plus `align`."""
        start = ceil_div(self.end + int(self._rng.integers(64)), alignment) * alignment + align
        self.end = start + nbytes
        return start


def _draw_legal(
    rng: np.random.Generator,
    array: Array,
    kind: Kind,
    room: _Room,
    written: list[tuple[int, int]],
    window: Window,
) -> Draft:
    while True:
        d = _draw_shape(rng, array, kind)
        if d is None:
            continue
        before = room.end
        _place(rng, d, array, room, written)
        if check(_fields(d, array), window) is Error.OK:
            return d
        room.end = before


def _draw_shape(rng: np.random.Generator, array: Array, kind: Kind) -> Draft | None:
    """A small layer without addresses, or None if chance made no legal one."""
    d: Draft = {"kind": kind} | _draw_format(rng)
    if kind is Kind.ADD:
        d |= _draw_add(rng)
    else:
        kernel = _draw_kernel(rng)
        if kernel is None:
            return None
        d |= kernel
        if rng.random() < 0.2:  # what WEIGHTS_BY_ROW needs
            d["output_height"] = d["output_width"] = 1
    d |= _draw_channels(rng, d, array)
    tiling = _draw_tiling(rng, d, array)
    return None if tiling is None else d | tiling


def _draw_format(rng: np.random.Generator) -> Draft:
    output_type = _pick(rng, *OutputType)
    low = 0 if output_type == OutputType.UINT8 else -128
    clamp = np.sort(rng.integers(low, low + 256, 2))
    return {
        "output_type": output_type,
        "rounding": _pick(rng, *Rounding),
        "overflow": _pick(rng, *Overflow),
        "flags": _pick(rng, 0, Flag.INPUT_UNSIGNED)
        | (_pick(rng, 0, Flag.TABLE) if output_type != OutputType.INT32 else 0),
        "input_zero_point": int(rng.integers(-128, 128)),
        "output_zero_point": low + int(rng.integers(256)),
        "clamp_min": int(clamp[0]),
        "clamp_max": int(clamp[1]),
    }


def _draw_kernel(rng: np.random.Generator) -> Draft | None:
    d = {}
    for axis, before, after in (("height", "top", "bottom"), ("width", "left", "right")):
        kernel, stride = (int(value) for value in rng.integers(1, 5, 2))
        dilation = _pick(rng, 1, 1, 2, 3)
        span = dilation * (kernel - 1) + 1
        size = int(rng.integers(1, 13))
        pad = int(rng.integers(span)) if axis == "height" else _pick(rng, 0, 0, 1, 3, 200)
        d[f"pad_{before}"], d[f"pad_{after}"] = pad, _pick(rng, 0, 0, 1, 3, 200)
        rest = size + pad + d[f"pad_{after}"] - span
        if rest < 0:
            return None
        d[f"kernel_{axis}"], d[f"stride_{axis}"], d[f"dilation_{axis}"] = kernel, stride, dilation
        d[f"input_{axis}"] = size
        d[f"output_{axis}"] = int(rng.integers(min(rest // stride + 1, 12))) + 1
    return d


def _draw_add(rng: np.random.Generator) -> Draft:
    height, width = (int(size) for size in rng.integers(1, 13, 2))
    return {
        "input_height": 2 * height,
        "input_width": width,
        "output_height": height,
        "output_width": width,
        "kernel_height": 2,
        "kernel_width": _pick(rng, 1, 2, 3),
        "stride_height": 2,
        "stride_width": 1,
        "dilation_height": 1,
    }


def _draw_channels(rng: np.random.Generator, d: Draft, array: Array) -> Draft:
    if d["kind"] == Kind.CONV:
        channels, outputs = int(rng.integers(1, 40)), int(rng.integers(1, 80))
        group_channels, group_step = channels, 0
        if rng.random() < 0.5:  # also groups that overlap, or that end beyond the pixel
            group_channels = int(rng.integers(1, channels + 1))
            steps = max(ceil_div(outputs, array.output_lanes) - 1, 1)
            group_step = int(rng.integers((channels - 1) // steps + 1))
    else:
        channels = outputs = int(rng.integers(1, 7 * array.vector_lanes // 2))
        group_channels = group_step = array.vector_lanes
    element = 4 if d["output_type"] == OutputType.INT32 else 1
    input_pixel = channels + _pick(rng, 0, 0, 1, 9)
    output_pixel = (outputs + _pick(rng, 0, 0, 1, 9)) * element

    def row_stride(nbytes: int) -> int:
        return (nbytes // array.beat_bytes + int(rng.integers(1, 4))) * array.beat_bytes

    return {
        "input_channels": channels,
        "output_channels": outputs,
        "group_channels": group_channels,
        "group_step": group_step,
        "input_pixel_stride": input_pixel,
        "input_row_stride": row_stride(d["input_width"] * input_pixel),
        "output_pixel_stride": output_pixel,
        "output_row_stride": row_stride(d["output_width"] * output_pixel),
    }


def _draw_tiling(rng: np.random.Generator, d: Draft, array: Array) -> Draft | None:
    is_conv = d["kind"] == Kind.CONV
    segment_bytes = _fields(d, array).segment_bytes
    segment_words = ceil_div(segment_bytes, array.input_lanes) if is_conv else 1
    span = d["dilation_height"] * (d["kernel_height"] - 1) + 1
    tiling = {
        "segment_words": segment_words,
        "row_slots": max(span, d["stride_height"]) + _pick(rng, 0, 0, 1, 5, 20),
        "groups_per_pass": 1,
    }
    if is_conv and d["output_height"] == d["output_width"] == 1 and rng.random() < 0.7:
        return tiling | {"flags": d["flags"] | Flag.WEIGHTS_BY_ROW}
    fields = _fields(d | tiling, array)
    most = min(
        array.weight_words // fields.group_words,
        array.parameter_slices // fields.slices_per_group,
    )
    if most == 0:
        return None
    return tiling | {"groups_per_pass": min(_pick(rng, 1, 2, int(rng.integers(most)) + 1), most)}


def _place(
    rng: np.random.Generator,
    d: Draft,
    array: Array,
    room: _Room,
    written: list[tuple[int, int]],
) -> None:
    """Give a layer addresses; inputs may lie in what an earlier one wrote."""
    fields = _fields(d, array)
    align = int(rng.integers(array.beat_bytes))
    input_bytes = fields.input_height * fields.input_row_stride

    def input_address() -> int:
        fitting = [start for start, size in written if size >= input_bytes + 2 * array.beat_bytes]
        if fitting and rng.random() < 0.7:
            return ceil_div(_pick(rng, *fitting), array.beat_bytes) * array.beat_bytes + align
        return room.reserve(input_bytes, array.beat_bytes, align)

    d["input_address"] = input_address()
    if d["kind"] == Kind.ADD:
        d["second_address"] = input_address()
    output_bytes = fields.output_height * fields.output_row_stride
    d["output_address"] = room.reserve(output_bytes, fields.element_bytes)
    d["weights_address"] = room.reserve(fields.stream_bytes, array.beat_bytes)


def _write_parameters(rng: np.random.Generator, fields: Fields, stream: ByteArray) -> None:
    """Make the multipliers such that results neither all vanish nor all saturate."""
    start = TABLE_BYTES if fields.has_table else 0
    lanes = fields.group_lanes
    for group in range(fields.groups):
        first = start + group * fields.group_bytes
        parameters = stream[first : first + lanes * PARAMETER.itemsize].view(PARAMETER)
        parameters["multiplier"] = rng.normal(0, 1e-3, lanes)
        parameters["bias"] >>= _pick(rng, 0, 16)


def _pick(rng: np.random.Generator, *values: int) -> int:
    return int(rng.choice(values))


def _fields(d: Draft, array: Array) -> Fields:
    return Fields(record(d), array)
