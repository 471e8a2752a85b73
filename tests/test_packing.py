# SPDX-License-Identifier: Apache-2.0
"""Packing: the bytes, one by one, against loops that say what they should be."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from lineconv.layer import OutputType
from lineconv.packing import (
    ELEMENT_TYPES,
    pack_images,
    pack_vector_weights,
    pack_weights,
    row_stride,
    unpack_images,
)
from lineconv.presets import Array

ARRAYS = [
    Array(4, 8, 8, 99, 9),
    Array(26, 16, 8, 99, 9),
    Array(1, 32, 8, 99, 9),
    Array(3, 32, 16, 99, 9, 16),
]
SHAPES = [(1, 1, 1, 1), (2, 3, 4, 5), (3, 8, 2, 1), (1, 5, 3, 16), (1, 17, 1, 7), (2, 40, 3, 2)]


@pytest.mark.parametrize(
    ("row_bytes", "beat_bytes", "stride"),
    [(1, 8, 8), (7, 8, 8), (8, 8, 8), (9, 8, 16), (64, 8, 64), (9, 16, 16), (17, 16, 32)],
)
def test_row_stride_is_whole_beats(row_bytes: int, beat_bytes: int, stride: int) -> None:
    assert row_stride(row_bytes, beat_bytes) == stride


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("beat_bytes", [8, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_nhwc(
    shape: tuple[int, int, int, int], beat_bytes: int, dtype: type[Any]
) -> None:
    batch, channels, height, width = shape
    x = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8).view(dtype)
    stride = row_stride(width * channels, beat_bytes)
    out = np.full(batch * height * stride, 0xA5, np.uint8)
    pack_images(x, out, beat_bytes)
    expected = np.full_like(out, 0xA5)
    for (n, c, y, column), value in np.ndenumerate(x.view(np.uint8)):
        expected[(n * height + y) * stride + column * channels + c] = value
    assert out.tolist() == expected.tolist()


def test_images_of_any_memory_layout() -> None:
    x = np.random.default_rng(2).integers(-128, 128, (2, 36, 8, 10)).astype(np.int8)
    few = x[:, 1:5, ::2, ::-1]
    for view in (few, x[:, 1:, ::2, ::-1], x.transpose(0, 1, 3, 2), np.asfortranarray(x)):
        n, c, h, w = view.shape
        out = np.zeros(n * h * row_stride(w * c, 8), np.uint8)
        same = out.copy()
        pack_images(view, out, 8)
        pack_images(np.ascontiguousarray(view), same, 8)
        assert (out == same).all()


@pytest.mark.parametrize("output_type", OutputType)
@pytest.mark.parametrize("beat_bytes", [8, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_results_come_back(
    shape: tuple[int, int, int, int], beat_bytes: int, output_type: OutputType
) -> None:
    batch, channels, height, width = shape
    element = ELEMENT_TYPES[output_type]
    info = np.iinfo(element)
    y = np.random.default_rng(3).integers(info.min, info.max, shape, element, endpoint=True)
    stride = row_stride(width * channels * element.itemsize, beat_bytes)
    data = bytearray(batch * height * stride)
    code = {OutputType.INT8: "<b", OutputType.UINT8: "<B", OutputType.INT32: "<i"}[output_type]
    for (n, c, row, column), value in np.ndenumerate(y):
        at = (n * height + row) * stride + (column * channels + c) * element.itemsize
        struct.pack_into(code, data, at, int(value))
    back = unpack_images(np.frombuffer(data, np.uint8), shape, output_type, beat_bytes)
    assert back.dtype == element
    assert (back == y).all()


@pytest.mark.parametrize("flattened", [True, False])
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (8, 4, 2, 3), (17, 5, 3, 2), (33, 27, 1, 4)])
def test_weight_stream(shape: tuple[int, int, int, int], array: Array, flattened: bool) -> None:
    """In the words of the contract: groups; parameters, then kernel row, segment, word, slice."""
    rng = np.random.default_rng(4)
    out_channels, channels, kernel_height, kernel_width = shape
    w = rng.integers(-128, 128, shape).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, out_channels).astype(np.int32)
    scale = rng.random(out_channels).astype(np.float32)

    segments = 1 if flattened else kernel_width
    segment_bytes = kernel_width * channels if flattened else channels
    expected = bytearray()
    for first in range(0, out_channels, array.output_lanes):
        group = range(first, first + array.output_lanes)
        for o in group:
            expected += struct.pack("<if", bias[o], scale[o]) if o < out_channels else bytes(8)
        for ky in range(kernel_height):
            for segment in range(segments):
                for start in range(0, segment_bytes, array.input_lanes):
                    for lanes in range(first, first + array.output_lanes, array.beat_bytes):
                        for byte in range(start, start + array.input_lanes):
                            kx, c = divmod(byte, channels) if flattened else (segment, byte)
                            for o in range(lanes, lanes + array.beat_bytes):
                                real = byte < segment_bytes and o < out_channels
                                expected.append(int(w[o, c, ky, kx]) & 0xFF if real else 0)
    stream = pack_weights(w, bias, scale, array, flattened=flattened)
    assert stream.tobytes() == bytes(expected)


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (16, 2, 3), (45, 3, 2)])
def test_vector_weight_stream(shape: tuple[int, int, int], array: Array) -> None:
    """Groups; parameters, then for kernel row and kernel column a weight per lane."""
    rng = np.random.default_rng(5)
    channels, kernel_height, kernel_width = shape
    w = rng.integers(-128, 128, shape).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, channels).astype(np.int32)
    scale = rng.random(channels).astype(np.float32)
    expected = bytearray()
    for first in range(0, channels, array.vector_lanes):
        group = range(first, first + array.vector_lanes)
        for c in group:
            expected += struct.pack("<if", bias[c], scale[c]) if c < channels else bytes(8)
        for ky in range(kernel_height):
            for kx in range(kernel_width):
                expected += bytes(int(w[c, ky, kx]) & 0xFF if c < channels else 0 for c in group)
    assert pack_vector_weights(w, bias, scale, array).tobytes() == bytes(expected)
