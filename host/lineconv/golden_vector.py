# SPDX-License-Identifier: Apache-2.0
"""The reference of the vector unit, beside depthwise convolution, which `golden.conv2d` is.

Results are accumulators; `golden.requantize` makes outputs of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lineconv.golden import Int8Array, Int32Array, IntegerArray, require_array
from lineconv.layer import ConvLayer

__all__ = ["add_accumulate", "apply_table", "max_pool_accumulate"]


def max_pool_accumulate(
    x: Int8Array, w: Int8Array, bias: Int32Array, layer: ConvLayer
) -> Int32Array:
    """max(x * w) over the taps of the kernel, + bias, wrapped to int32.

    Padding takes part as `layer.x_zero_point`: max pooling has weights 1 and a zero point of -128.

    Args:
        x: int8 (N, in_channels, in_height, in_width).
        w: int8 `layer.weight_shape`, where a group is a channel.
        bias: int32 (out_channels,).

    Returns:
        int32 (N, out_channels, out_height, out_width).

    Raises:
        InvalidTensorError: an array does not fit the layer.
    """
    require_array("x", x, np.int8, (None, layer.in_channels, layer.in_height, layer.in_width))
    require_array("w", w, np.int8, layer.weight_shape)
    require_array("bias", bias, np.int32, (layer.out_channels,))
    padded = np.pad(x, ((0, 0), (0, 0), *layer.padding), constant_values=layer.x_zero_point)
    products = [
        padded[
            ...,
            top : top + (layer.out_height - 1) * layer.stride[0] + 1 : layer.stride[0],
            left : left + (layer.out_width - 1) * layer.stride[1] + 1 : layer.stride[1],
        ].astype(np.int32)
        * w[:, 0, ky, kx, np.newaxis, np.newaxis]
        for ky, kx in np.ndindex(*layer.kernel)
        for top, left in [(ky * layer.dilation[0], kx * layer.dilation[1])]
    ]
    highest: Int32Array = np.max(products, axis=0)
    highest += bias[:, np.newaxis, np.newaxis]
    return highest


def add_accumulate(a: Int8Array, b: Int8Array, digits: Int8Array, bias: Int32Array) -> Int32Array:
    """wa * a + wb * b + bias, wrapped to int32, with wa = sum(digits[0, d] * 2**(8 * d)).

    Args:
        a, b: int8 (N, C, H, W).
        digits: int8 (2, number of digits), lowest first.
        bias: int32 (C,).

    Returns:
        int32 (N, C, H, W).

    Raises:
        InvalidTensorError: an array does not fit the others.
    """
    require_array("a", a, np.int8, (None, bias.size, None, None))
    require_array("b", b, np.int8, a.shape)
    require_array("digits", digits, np.int8, (2, None))
    require_array("bias", bias, np.int32, (None,))
    factors = [sum(int(digit) << 8 * d for d, digit in enumerate(row)) for row in digits]
    total = a.astype(np.int64) * factors[0] + b.astype(np.int64) * factors[1]
    total += bias[:, np.newaxis, np.newaxis]
    return total.astype(np.int32)  # keeps the low 32 bits


def apply_table(y: IntegerArray, table: npt.NDArray[np.uint8]) -> IntegerArray:
    """table[y] for outputs of one byte; of int8, index and entry are the bit patterns."""
    result: IntegerArray = table[y.view(np.uint8)].view(y.dtype)
    return result
