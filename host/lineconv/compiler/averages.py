# SPDX-License-Identifier: Apache-2.0
"""Means of a few pixels: the engine's numbers that equal ONNX Runtime's, proven for every sum.

ONNX Runtime adds dequantised values in float32, in an order that may change. docs/numerics.md,
section 6, says when that has one result for each integer sum, and bounds it where it may have more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.compiler.lowering import formats
from lineconv.graph.arithmetic import saturate
from lineconv.graph.layers import Tensor
from lineconv.layer import ConvLayer

__all__ = ["Average", "exact_average"]

_HALF_ULP = 2.0**-24  # largest relative error of a float32 operation
_SLACK = 1.001  # for products of such errors, and for float64
_ULPS = (0, 1, -1, 2, -2)  # tried around the multiplier
_WEIGHTS = (1, 3, 5, 7, 11, 13)  # where 1 / count has a bad float32, 1 / (weight * count) may not

_Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """Numbers of a depthwise convolution with equal weights; the bias is that of its layer."""

    weight: int
    bias: int
    multiplier: np.float32
    zero_point: int


def exact_average(x: Tensor, y: Tensor, count: int) -> Average | str:
    """Numbers that make ONNX Runtime's mean of `count` pixels, or why none are known to."""
    assert x.scale is not None
    assert y.scale is not None
    limits = np.iinfo(x.dtype)
    sums = np.arange(count * (limits.min - x.zero_point), count * (limits.max - x.zero_point) + 1)
    lowest, highest = _onnx_runtime(x, y, count, sums)
    if not np.array_equal(lowest, highest):
        return f"ONNX Runtime's mean of {count} pixels depends on the order of its float32 sum"
    scale = x.scale / y.scale / count
    # The zero point may be added before rounding, as ONNX Runtime does it, or behind.
    for weight, before, ulps in product(_WEIGHTS, (False, True), _ULPS):
        factor = np.float32(scale / weight)
        multiplier = (factor.view(np.int32) + np.int32(ulps)).view(np.float32)
        bias = round(y.zero_point * weight / scale) if before else 0
        zero_point = 0 if before else y.zero_point
        if abs(bias) > 2**30:
            continue
        if np.array_equal(_engine(sums * weight + bias, multiplier, zero_point, y), lowest):
            return Average(weight, bias, multiplier, zero_point)
    return f"no multiplier was found that equals ONNX Runtime's float32 mean of {count} pixels"


def _onnx_runtime(
    x: Tensor, y: Tensor, count: int, sums: npt.NDArray[np.int64]
) -> tuple[_Float64, _Float64]:
    """The smallest and the largest result that ONNX Runtime may have for each sum."""
    x_scale, y_scale = np.float32(x.scale), np.float32(y.scale)
    limits = np.iinfo(x.dtype)
    largest = max(limits.max - x.zero_point, x.zero_point - limits.min)
    mantissa, _ = np.frexp(x_scale)
    bits = int(mantissa * 2**24)
    odd = bits // (bits & -bits)
    if count * largest * odd <= 2**24:  # no float32 sum is rounded
        total = sums.astype(np.float32) * x_scale
        mean = total / np.float32(count) / y_scale
        exact = saturate(np.rint(mean + np.float32(y.zero_point)), y.dtype)
        return exact.astype(np.float64), exact.astype(np.float64)
    # Rounded are the terms, then each partial sum, then two quotients and the last sum.
    scale = float(x_scale) / float(y_scale) / count
    value = sums * scale
    error = largest * scale * (count + count * (count + 1) / 2)
    error = _SLACK * _HALF_ULP * (error + 3 * np.abs(value) + abs(y.zero_point))
    lowest, highest = (
        saturate(np.rint(value + y.zero_point + end), y.dtype).astype(np.float64)
        for end in (-error, error)
    )
    return lowest, highest


def _engine(
    sums: npt.NDArray[np.int64], multiplier: np.float32, zero_point: int, y: Tensor
) -> _Float64:
    layer = ConvLayer(1, 1, 1, 1, (1, 1), y_zero_point=zero_point, output=formats(y.dtype)[0])
    acc = sums.astype(np.int32).reshape(1, 1, 1, -1)
    return golden.requantize(acc, multiplier, layer).reshape(-1).astype(np.float64)
