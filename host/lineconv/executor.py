# SPDX-License-Identifier: Apache-2.0
"""A functional model of the engine: runs programs from the same bytes as the hardware.

It decodes descriptors, weight stream and images on its own, knowing nothing of how the host made
them, so it is the second opinion on both the host and the hardware. It does not count cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from lineconv import golden
from lineconv.bus import ByteArray
from lineconv.checker import Fields, Window, check
from lineconv.executor_conv import convolve
from lineconv.executor_rows import blocks
from lineconv.executor_vector import add, depthwise_or_pool
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding
from lineconv.packing import ELEMENT_TYPES, PARAMETER
from lineconv.presets import Array
from lineconv.regs import (
    DESCRIPTOR,
    DESCRIPTOR_BYTES,
    DESCRIPTOR_READ_BYTES,
    RESULT_BYTES,
    RESULT_OFFSET,
    Error,
    Kind,
)

__all__ = ["Memory", "NoMemoryError", "Outcome", "run_program"]


class NoMemoryError(Exception):
    """Nothing answers at an address."""


class Memory(Protocol):
    """What the engine's masters reach."""

    def view(self, address: int, nbytes: int) -> ByteArray:
        """Those bytes, readable and writable.

        Raises:
            NoMemoryError: some of them do not exist.
        """
        ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended; on failure, `completed` is also the index of the failed descriptor."""

    status: Error
    completed: int


def run_program(
    memory: Memory, program_address: int, count: int, window: Window, array: Array
) -> Outcome:
    """Run descriptors until one fails, writing results and result blocks to memory."""
    for index in range(count):
        address = program_address + index * DESCRIPTOR_BYTES
        if address % DESCRIPTOR_BYTES or not window.holds(address, DESCRIPTOR_BYTES):
            return Outcome(Error.BAD_ADDRESS, index)
        try:
            block = memory.view(address, DESCRIPTOR_BYTES)
        except NoMemoryError:
            return Outcome(Error.READ_ERROR, index)
        result = _run(memory, Fields(block.view(DESCRIPTOR)[0], array), window)
        block[RESULT_OFFSET : RESULT_OFFSET + RESULT_BYTES] = result.view(np.uint8)[
            RESULT_OFFSET : RESULT_OFFSET + RESULT_BYTES
        ]
        if result["status"][0] != Error.OK:
            return Outcome(Error(result["status"][0]), index)
    return Outcome(Error.OK, count)


def _run(memory: Memory, fields: Fields, window: Window) -> npt.NDArray[np.void]:
    """Run one descriptor; its result fields, shape (1,)."""
    result = np.zeros(1, DESCRIPTOR)
    beat_bytes = fields.array.beat_bytes
    result["read_beats"] = DESCRIPTOR_READ_BYTES // beat_bytes
    result["status"] = error = check(fields, window)
    if error != Error.OK:
        return result
    try:
        stream = memory.view(fields.weights_address, fields.stream_bytes)
        rows = _input_rows(memory, fields)
    except NoMemoryError:
        result["status"] = Error.READ_ERROR
        return result
    pixels = _results(fields, rows, stream)
    try:
        _strided(
            memory,
            fields.output_address,
            pixels.shape,
            (fields.output_row_stride, fields.output_pixel_stride, 1),
        )[...] = pixels
    except NoMemoryError:
        result["status"] = Error.WRITE_ERROR
        return result

    resident = fields.row_slots >= fields.input_height
    input_beats = fields.input_height * fields.row_beats * (1 if resident else fields.passes)
    result["read_beats"] += input_beats + stream.size // beat_bytes
    result["write_beats"] = _write_beats(fields)
    result["mac_cycles"] = (
        fields.output_height * fields.output_width * fields.groups * fields.group_words
    )
    return result


def _input_rows(memory: Memory, f: Fields) -> list[ByteArray]:
    """The rows (rows, bytes) of each input tensor."""
    tensors = [f.input_address, f.second_address] if f.kind == Kind.ADD else [f.input_address]
    shape = (f.tensor_rows, f.row_bytes)
    return [_strided(memory, address, shape, (f.input_row_stride, 1)) for address in tensors]


def _accumulate(f: Fields, rows: list[ByteArray], words: ByteArray) -> npt.NDArray[np.int32]:
    """What the compute unit hands on: (output_height, output_width, at least the channels)."""
    if f.kind == Kind.CONV:
        return convolve(f, rows[0], words)
    if f.kind == Kind.ADD:
        return add(f, rows[0], rows[1], words)
    return depthwise_or_pool(f, rows[0], words)


def _results(f: Fields, rows: list[ByteArray], stream: ByteArray) -> ByteArray:
    """The output bytes (output_height, output_width, pixel_bytes)."""
    table, stream = np.split(stream, [f.table_bytes])
    parameters, words = np.split(
        stream.reshape(f.groups, -1), [f.group_lanes * PARAMETER.itemsize], axis=1
    )
    channels = f.output_channels
    by_channel = np.ascontiguousarray(parameters).view(PARAMETER).reshape(-1)[:channels]
    total = _accumulate(f, rows, words)[..., :channels]
    total += by_channel["bias"]  # wraps, as the accumulators do
    if f.output_type == OutputType.INT32:
        return np.ascontiguousarray(total, ELEMENT_TYPES[OutputType.INT32]).view(np.uint8)
    pixels = np.empty(total.shape, np.uint8)
    for block in blocks(f.output_height, f.output_width * channels):
        results = _requantize(f, total[block], by_channel["multiplier"])
        pixels[block] = results.view(np.uint8)
    return table[pixels] if table.size else pixels


def _requantize(
    f: Fields, acc: npt.NDArray[np.int32], multiplier: npt.NDArray[np.float32]
) -> npt.NDArray[np.integer[Any]]:
    """acc (output_height, output_width, output_channels) to output elements."""
    formats = ConvLayer(
        in_channels=1,
        out_channels=f.output_channels,
        in_height=1,
        in_width=1,
        kernel=(1, 1),
        y_zero_point=f.output_zero_point,
        output=OutputType(f.output_type),
        rounding=Rounding(f.rounding),
        overflow=Overflow(f.overflow),
        clamp=(f.clamp_min, f.clamp_max),
    )
    result = golden.requantize(acc.transpose(2, 0, 1)[np.newaxis], multiplier, formats)
    return np.ascontiguousarray(result[0].transpose(1, 2, 0))


def _write_beats(f: Fields) -> int:
    """Beats that the output takes: runs of whole rows, or of a pass's bytes of one pixel."""
    rows = f.output_address + np.arange(f.output_height) * f.output_row_stride
    if f.passes == 1 and f.output_pixel_stride == f.pixel_bytes:
        return _run_beats(f, rows, f.output_width * f.pixel_bytes)
    pixels = rows[:, np.newaxis] + np.arange(f.output_width) * f.output_pixel_stride
    pass_bytes = f.groups_per_pass * f.group_lanes * f.element_bytes
    return sum(
        _run_beats(f, pixels + start, min(pass_bytes, f.pixel_bytes - start))
        for start in range(0, f.pixel_bytes, pass_bytes)
    )


def _run_beats(f: Fields, starts: npt.NDArray[np.int64], nbytes: int) -> int:
    """Beats that runs of that length touch."""
    beat_bytes = f.array.beat_bytes
    return int(((starts % beat_bytes + nbytes + beat_bytes - 1) // beat_bytes).sum())


def _strided(
    memory: Memory, address: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> ByteArray:
    """A view on bytes that are not contiguous."""
    extent = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    return as_strided(memory.view(address, extent), shape, strides)
