# SPDX-License-Identifier: Apache-2.0
"""Pooling layers in the order and the roundings of ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lineconv.graph.arithmetic import dequantize, saturate
from lineconv.graph.layers import AnyArray, AveragePool, GlobalAveragePool, MaxPool, Pool

__all__ = ["average_pool", "global_average_pool", "max_pool"]


def max_pool(layer: MaxPool, x: AnyArray) -> AnyArray:
    """Maximum; padding is the smallest value of the type."""
    result: AnyArray | None = None
    for tap in _taps(layer, x, np.iinfo(x.dtype).min):
        result = tap if result is None else np.maximum(result, tap)
    assert result is not None
    return result


def average_pool(layer: AveragePool, x: AnyArray) -> AnyArray:
    """float32 sums in the order of the pixels; rint(fl32(mean / scale + zero_point)).

    The zero point is added before rounding, so that halves may go the other way than `quantize`.
    """
    real = dequantize(x, layer.inputs[0])
    total = np.zeros(1, np.float32)
    for tap in _taps(layer, real, 0):
        total = total + tap
    if layer.count_include_pad:  # the whole window, also what ceil_mode adds to it
        count: AnyArray = np.full(1, math.prod(layer.kernel), np.float32)
    else:
        pixels = np.ones((1, 1, *_images(x).shape[2:]), np.float32)
        count = sum(_taps(layer, pixels, 0), start=np.zeros(1, np.float32))
    (y,) = layer.outputs
    assert y.scale is not None
    mean = total / count / np.float32(y.scale)
    return saturate(np.rint(mean + np.float32(y.zero_point)), y.dtype)


def global_average_pool(layer: GlobalAveragePool, x: AnyArray) -> AnyArray:
    """rint(fl32(sum(x - x_zero_point)) * fl32(fl32(x_scale / y_scale) / count)) + y_zero_point."""
    (source,), (y,) = layer.inputs, layer.outputs
    pixels = x.reshape(*x.shape[:2], -1)
    total = pixels.sum(-1, dtype=np.int64) - pixels.shape[-1] * source.zero_point
    assert source.scale is not None
    assert y.scale is not None
    factor = np.float32(source.scale) / np.float32(y.scale) / np.float32(pixels.shape[-1])
    mean = np.rint(total.astype(np.float32) * factor)
    return saturate(mean.astype(np.float64) + y.zero_point, y.dtype)


def _images(x: AnyArray) -> AnyArray:
    """Four axes: a row of one axis has height 1."""
    return x[:, :, None] if x.ndim == 3 else x


def _taps(layer: Pool, x: AnyArray, padding: Any) -> Iterator[AnyArray]:
    """For each tap of the kernel, row by row, the element that each output sees there."""
    images = _images(x)
    sizes = (1, 1, *layer.outputs[0].shape[2:])[-2:]
    pads = []
    for axis in range(2):
        span = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        before = layer.padding[axis][0]
        needed = (sizes[axis] - 1) * layer.stride[axis] + span
        pads.append((before, max(needed - before - images.shape[2 + axis], 0)))
    images = np.pad(images, ((0, 0), (0, 0), *pads), constant_values=padding)
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            top, left = ky * layer.dilation[0], kx * layer.dilation[1]
            yield images[
                ...,
                top : top + (sizes[0] - 1) * layer.stride[0] + 1 : layer.stride[0],
                left : left + (sizes[1] - 1) * layer.stride[1] + 1 : layer.stride[1],
            ]
