# SPDX-License-Identifier: Apache-2.0
"""Layer kinds, tables and grouped convolutions of the HLS core, against arithmetic in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from raw_programs import RawProgram, run_on

from lineconv import golden, hls_model
from lineconv.bus import ByteArray
from lineconv.hls_model import HlsBoard
from lineconv.layer import ConvLayer
from lineconv.packing import PARAMETER, ceil_div, pack_weights
from lineconv.presets import PRESETS, Array
from lineconv.program import record
from lineconv.regs import DESCRIPTOR_BYTES, Error, Flag, Kind, OutputType
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.memory import DEFAULT_BASE_ADDRESS as BASE

try:
    hls_model.library(PRESETS["tiny"].array)
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

Int8Array = npt.NDArray[np.int8]

ARRAY = PRESETS["pynq-z2"].array
INT8 = np.arange(-128, 128, dtype=np.int8)
EXTREMES = np.array([-128, 127, -1, 0, 1], np.int8)
# In two images of 256 x 256, all pairs of int8.
BY_COLUMN = np.broadcast_to(INT8[np.newaxis, :, np.newaxis], (1, 256, 256))
BY_CHANNEL = np.broadcast_to(INT8, (1, 256, 256))


def vector_stream(w: Int8Array, bias: int, multiplier: float, array: Array) -> ByteArray:
    """The weight stream of a layer of the vector array.

    Args:
        w: int8 (kernel_height, kernel_width, C).
    """
    lanes = array.vector_lanes
    groups = ceil_div(w.shape[2], lanes)
    words = np.zeros((*w.shape[:2], groups * lanes), np.int8)
    words[..., : w.shape[2]] = w
    parameters = np.full((groups, lanes), np.array((bias, multiplier), PARAMETER))
    by_group = words.reshape(-1, groups, lanes).transpose(1, 0, 2).reshape(groups, -1)
    return np.hstack([parameters.view(np.uint8), by_group.view(np.uint8)]).reshape(-1)


def run_layer(
    kind: Kind,
    images: list[Int8Array],
    kernel: tuple[int, int],
    out_channels: int,
    stream: ByteArray,
    array: Array = ARRAY,
    **fields: int,
) -> npt.NDArray[Any]:
    """One layer with stride 1 and without padding.

    Args:
        images: int8 (H, W, C); two for ADD.
        kernel: (height, width).
        fields: of the descriptor, where they are not those of a simple layer.

    Returns:
        int8 or int32 (H', W', out_channels).
    """
    height, width, channels = images[0].shape
    is_add, is_conv = kind is Kind.ADD, kind is Kind.CONV
    row = ceil_div(width * channels, array.beat_bytes) * array.beat_bytes
    rows = np.zeros((len(images), height, row), np.uint8)
    for image, packed in zip(images, rows, strict=True):
        packed[:, : width * channels] = image.reshape(height, -1).view(np.uint8)
    addresses = [DESCRIPTOR_BYTES, DESCRIPTOR_BYTES + rows.size]
    addresses.append(addresses[-1] + stream.size)
    values = {
        "kind": kind,
        "output_type": OutputType.INT32,
        "clamp_min": -128,
        "clamp_max": 127,
        "input_address": BASE + addresses[0],
        "second_address": BASE + addresses[0] + rows[0].size if is_add else 0,
        "weights_address": BASE + addresses[1],
        "output_address": BASE + addresses[2],
        "input_height": 2 * height if is_add else height,
        "input_width": width,
        "input_channels": channels,
        "output_channels": out_channels,
        "input_row_stride": row,
        "input_pixel_stride": channels,
        "output_height": height if is_add else height - kernel[0] + 1,
        "output_width": width if is_add else width - kernel[1] + 1,
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride_height": 2 if is_add else 1,
        "stride_width": 1,
        "dilation_height": 1,
        "dilation_width": 0 if is_add else 1,
        "groups_per_pass": 1,
        "row_slots": kernel[0],
        "segment_words": 1,
        "group_channels": channels if is_conv else array.vector_lanes,
        "group_step": 0 if is_conv else array.vector_lanes,
        **fields,
    }
    d = record(values)
    element = np.dtype("<i4") if d["output_type"] == OutputType.INT32 else np.dtype(np.int8)
    d["output_pixel_stride"] = out_channels * element.itemsize
    row_bytes = int(d["output_width"]) * out_channels * element.itemsize
    out_row = ceil_div(row_bytes, array.beat_bytes) * array.beat_bytes
    d["output_row_stride"] = out_row

    out_bytes = int(d["output_height"]) * out_row
    parts = (d.reshape(1).view(np.uint8), rows.reshape(-1), stream, np.zeros(out_bytes, np.uint8))
    memory = np.concatenate(parts)
    board = HlsBoard(array, ceil_div(memory.size, 4096) * 4096)
    outcome, after = run_on(board, RawProgram(memory, BASE, 1))
    assert outcome.status is Error.OK
    result = after[addresses[2] :].reshape(-1, out_row)[:, :row_bytes].copy().view(element)
    return result.reshape(len(result), -1, out_channels)


def test_depthwise_meets_every_product() -> None:
    w = INT8.reshape(1, 1, 256)
    y = run_layer(Kind.DEPTHWISE, [BY_COLUMN], (1, 1), 256, vector_stream(w, 0, 0, ARRAY))
    np.testing.assert_array_equal(y, BY_COLUMN.astype(np.int32) * w)


def test_depthwise_sums_the_largest_kernel() -> None:
    """16 x 32 taps fill the weight buffer; the first of 70 channels has only extremes."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (17, 33, 70), dtype=np.int8)
    w = rng.integers(-128, 128, (16, 32, 70), dtype=np.int8)
    x[..., 0] = w[..., 0] = -128
    y = run_layer(Kind.DEPTHWISE, [x], (16, 32), 70, vector_stream(w, -7, 0, ARRAY))
    products = (
        x[i : i + 2, j : j + 2].astype(np.int32) * w[i, j] for i, j in np.ndindex(w.shape[:2])
    )
    np.testing.assert_array_equal(y, sum(products) - 7)


def test_max_pool_compares_every_pair() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([BY_COLUMN, BY_CHANNEL])
    for w in (np.ones((2, 1, 256), np.int8), rng.choice(EXTREMES, (2, 1, 256))):
        y = run_layer(Kind.MAX_POOL, [x], (2, 1), 256, vector_stream(w, 0, 0, ARRAY))
        np.testing.assert_array_equal(y[0], (x.astype(np.int32) * w[:, 0, np.newaxis]).max(0))


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_add_meets_every_pair(digits: int) -> None:
    """Coefficients of up to 24 bits, of which the largest make the sum wrap."""
    rng = np.random.default_rng(digits)
    w = rng.integers(-128, 128, (2, digits, 256), dtype=np.int8)
    w[..., ::2] = rng.choice(EXTREMES, w[..., ::2].shape)
    w[..., 0] = -128
    y = run_layer(
        Kind.ADD, [BY_COLUMN, BY_CHANNEL], (2, digits), 256, vector_stream(w, 1 << 30, 0, ARRAY)
    )
    coefficients = (w.astype(np.int64) << 8 * np.arange(digits)[:, np.newaxis]).sum(1)
    expected = BY_COLUMN * coefficients[0] + BY_CHANNEL * coefficients[1] + (1 << 30)
    np.testing.assert_array_equal(y, expected.astype(np.int32))


def test_table_replaces_every_value_in_every_lane() -> None:
    rng = np.random.default_rng(0)
    table = rng.permutation(256).astype(np.uint8)
    stream = vector_stream(np.ones((1, 1, 256), np.int8), 0, 1, ARRAY)
    y = run_layer(
        Kind.MAX_POOL,
        [BY_COLUMN],
        (1, 1),
        256,
        np.concatenate([table, stream]),
        output_type=OutputType.INT8,
        flags=Flag.TABLE,
    )
    np.testing.assert_array_equal(y, table[BY_COLUMN.view(np.uint8)].view(np.int8))


@pytest.mark.parametrize("groups", [2, 4, 12])
def test_grouped_convolution(groups: int) -> None:
    """Groups of 4 outputs: 4 of them tile the 16 lanes."""
    rng = np.random.default_rng(groups)
    channels, kernel = 7 * groups, (3, 2)
    x = rng.integers(-128, 128, (6, 9, channels), dtype=np.int8)
    w = rng.integers(-128, 128, (4 * groups, 7, *kernel), dtype=np.int8)
    block = np.zeros((4 * groups, 28, *kernel), np.int8)
    for group in range(groups):
        start = group % 4
        block[4 * group : 4 * group + 4, 7 * start : 7 * start + 7] = w[4 * group : 4 * group + 4]
    read = min(28, channels)  # two groups do not fill the lanes
    flattened = read == channels
    segment_bytes = read * (kernel[1] if flattened else 1)
    no_bias, no_scale = np.zeros(len(w), np.int32), np.zeros(len(w), np.float32)
    y = run_layer(
        Kind.CONV,
        [x],
        kernel,
        len(w),
        pack_weights(block[:, :read], no_bias, no_scale, ARRAY, flattened=flattened),
        group_channels=read,
        group_step=28 if channels > 28 else 0,
        segment_words=ceil_div(segment_bytes, ARRAY.input_lanes),
    )
    layer = ConvLayer(
        in_channels=channels,
        out_channels=len(w),
        in_height=6,
        in_width=9,
        kernel=kernel,
        groups=groups,
    )
    expected = golden.conv2d_accumulate(x.transpose(2, 0, 1)[np.newaxis].copy(), w, None, layer)
    np.testing.assert_array_equal(y, expected[0].transpose(1, 2, 0))


def test_kernel_deeper_than_the_weight_buffer() -> None:
    """128,000 inputs as 16 rows; a row takes 308 of 512 words."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (16, 1, 8000), dtype=np.int8)
    w = rng.integers(-128, 128, (40, 8000, 16, 1), dtype=np.int8)
    zeros = np.zeros(40, np.int32)
    y = run_layer(
        Kind.CONV,
        [x],
        (16, 1),
        40,
        pack_weights(w, zeros, zeros.astype(np.float32), ARRAY, flattened=True),
        segment_words=ceil_div(8000, ARRAY.input_lanes),
        flags=Flag.WEIGHTS_BY_ROW,
    )
    expected = w[..., 0].transpose(0, 2, 1).reshape(40, -1).astype(np.float64) @ x.reshape(-1)
    np.testing.assert_array_equal(y.reshape(-1), expected.astype(np.int32))
