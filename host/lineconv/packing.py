# SPDX-License-Identifier: Apache-2.0
"""NumPy tensors to the bytes that the engine reads, and back.

Activations lie in memory as NHWC bytes, each row rounded up to whole beats. Weights are a stream
in exactly the order in which the engine consumes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.layer import OutputType
from lineconv.presets import Array

__all__ = [
    "ELEMENT_TYPES",
    "PARAMETER",
    "TABLE_BYTES",
    "ceil_div",
    "image_pixels",
    "interleave",
    "pack_images",
    "pack_vector_weights",
    "pack_weights",
    "row_stride",
    "unpack_images",
]

_FEW_CHANNELS = 32  # up to this many, copying plane by plane is quicker than pixel by pixel

# Memory element types of the engine's results.
ELEMENT_TYPES: dict[OutputType, np.dtype[Any]] = {
    OutputType.INT8: np.dtype(np.int8),
    OutputType.UINT8: np.dtype(np.uint8),
    OutputType.INT32: np.dtype("<i4"),
}

# What the weight stream holds per output channel ahead of the weights.
PARAMETER = np.dtype([("bias", "<i4"), ("multiplier", "<f4")])

# What the weight stream holds ahead of all, if the results go through a table.
TABLE_BYTES = 256


def ceil_div(value: int, divisor: int) -> int:
    """value / divisor, rounded up."""
    return -(-value // divisor)


def row_stride(row_bytes: int, beat_bytes: int) -> int:
    """Bytes from one row of an image to the next."""
    return ceil_div(row_bytes, beat_bytes) * beat_bytes


def pack_images(images: npt.NDArray[np.integer[Any]], out: ByteArray, beat_bytes: int) -> None:
    """Write images (N, C, H, W), int8 or uint8, as NHWC.

    Args:
        images: any memory layout.
        out: N * H * row_stride(W * C, beat_bytes) bytes; those between two rows are left alone.
    """
    interleave(images, image_pixels(out, images.shape, beat_bytes))


def image_pixels(out: ByteArray, shape: tuple[int, ...], beat_bytes: int) -> ByteArray:
    """The pixels (N, H, W, C) in the memory of images (N, C, H, W)."""
    batch, channels, height, width = shape
    rows = out.reshape(batch, height, row_stride(width * channels, beat_bytes))
    return rows[..., : width * channels].reshape(batch, height, width, channels)


def interleave(images: npt.NDArray[np.integer[Any]], pixels: ByteArray) -> None:
    """Copy images (N, C, H, W), int8 or uint8, to pixels (N, H, W, C)."""
    planes = images.view(np.uint8)
    if planes.shape[1] > _FEW_CHANNELS:
        pixels[...] = planes.transpose(0, 2, 3, 1)
        return
    # NumPy would run its inner loop over the channels, which are too few for one.
    for channel in range(planes.shape[1]):
        pixels[..., channel] = planes[:, channel]


def unpack_images(
    data: ByteArray,
    shape: tuple[int, int, int, int],
    output_type: OutputType,
    beat_bytes: int,
) -> npt.NDArray[np.integer[Any]]:
    """The tensor of that shape (N, C, H, W) from NHWC results of the engine.

    Args:
        data: N * H * row_stride(W * C * element size, beat_bytes) bytes.
    """
    batch, channels, height, width = shape
    element = ELEMENT_TYPES[output_type]
    row_bytes = width * channels * element.itemsize
    rows = data.reshape(batch, height, row_stride(row_bytes, beat_bytes))[..., :row_bytes]
    pixels = np.ascontiguousarray(rows).view(element).reshape(batch, height, width, channels)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def pack_weights(
    w: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
    array: Array,
    *,
    flattened: bool,
) -> ByteArray:
    """The weight stream of one convolution.

    Per group of output lanes: bias and multiplier of each lane, then the words in the order
    kernel row, segment, word of the segment; a word is its slices, a slice is one beat of
    weights per input lane. Lanes and bytes beyond the layer are zero.

    Args:
        w: int8 (O, C, kH, kW).
        bias: int32 (O,), with the zero point folded in.
        scale: float32 (O,); ignored by the engine for int32 results.
        flattened: a kernel row is one segment of kW * C bytes instead of kW segments of C.

    Returns:
        uint8, one-dimensional.
    """
    out_channels, channels, kernel_height, kernel_width = w.shape
    segments, segment_bytes = (
        (1, kernel_width * channels) if flattened else (kernel_width, channels)
    )
    groups = ceil_div(out_channels, array.output_lanes)
    lanes = groups * array.output_lanes
    segment_words = ceil_div(segment_bytes, array.input_lanes)
    words = kernel_height * segments * segment_words

    taps = np.zeros((lanes, kernel_height * segments, segment_words * array.input_lanes), np.int8)
    taps[:out_channels, :, :segment_bytes] = w.transpose(0, 2, 3, 1).reshape(
        out_channels, kernel_height * segments, segment_bytes
    )
    by_slice = taps.reshape(groups, array.num_slices, array.beat_bytes, words, array.input_lanes)
    ordered = by_slice.transpose(0, 3, 1, 4, 2).reshape(groups, -1)
    return _stream(bias, scale, array.output_lanes, ordered)


def pack_vector_weights(
    w: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
    array: Array,
) -> ByteArray:
    """The weight stream of one layer of the vector unit.

    Per group of vector lanes: bias and multiplier of each lane, then the words in the order kernel
    row, kernel column; a word is a weight per lane. Lanes beyond the layer are zero.

    Args:
        w: int8 (C, kH, kW); of ADD, its digits (C, 2, digits).
        bias, scale: as for `pack_weights`, (C,).

    Returns:
        uint8, one-dimensional.
    """
    channels, kernel_height, kernel_width = w.shape
    groups = ceil_div(channels, array.vector_lanes)
    taps = np.zeros((groups * array.vector_lanes, kernel_height * kernel_width), np.int8)
    taps[:channels] = w.reshape(channels, -1)
    by_lane = taps.reshape(groups, array.vector_lanes, -1)
    ordered = by_lane.transpose(0, 2, 1).reshape(groups, -1)
    return _stream(bias, scale, array.vector_lanes, ordered)


def _stream(
    bias: npt.NDArray[np.int32],
    scale: npt.NDArray[np.float32],
    lanes: int,
    words: npt.NDArray[np.int8],
) -> ByteArray:
    """Parameters of each group of lanes, then its words, which are (groups, bytes)."""
    parameters = np.zeros(len(words) * lanes, PARAMETER)
    parameters["bias"][: bias.size] = bias
    parameters["multiplier"][: scale.size] = scale
    by_group = parameters.view(np.uint8).reshape(len(words), -1)
    stream: ByteArray = np.concatenate([by_group, words.view(np.uint8)], axis=1)
    return stream.reshape(-1)
