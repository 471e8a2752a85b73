# SPDX-License-Identifier: Apache-2.0
"""Element-wise layers in the float32 arithmetic of ONNX Runtime; formulas in docs/numerics.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.graph.layers import Add, AnyArray, Dequantize, Mul, Quantize, Table, Tensor

__all__ = [
    "add_factors",
    "all_values",
    "as_int8",
    "dequantize",
    "fma",
    "quantize",
    "run_add",
    "run_dequantize",
    "run_mul",
    "run_quantize",
    "run_table",
    "saturate",
]

Float32Array = npt.NDArray[np.float32]


def quantize(x: Float32Array, tensor: Tensor) -> AnyArray:
    """Real numbers as elements of an int8 or uint8 tensor: rint(fl32(x / scale)) + zero_point."""
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.asarray(x / np.float32(_scale(tensor)))
    # Adding in float32 is exact as far as it matters: beyond 2**24 it saturates anyway.
    np.rint(scaled, out=scaled)
    return saturate(np.add(scaled, np.float32(tensor.zero_point), out=scaled), tensor.dtype)


def dequantize(x: AnyArray, tensor: Tensor) -> Float32Array:
    """Elements of an int8 or uint8 tensor as real numbers."""
    centred = (x.astype(np.int32) - tensor.zero_point).astype(np.float32)
    return centred * np.float32(_scale(tensor))


def saturate(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> AnyArray:
    """Integers, as a type of any width, cut to the range of `dtype`."""
    limits = np.iinfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype)


def all_values(dtype: np.dtype[Any]) -> AnyArray:
    """The 256 values of int8 or uint8, smallest first."""
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype)


def as_int8(x: AnyArray) -> npt.NDArray[np.int8]:
    """uint8 with the top bit flipped; int8 as it is."""
    return (x ^ np.uint8(128)).view(np.int8) if x.dtype == np.uint8 else x


def fma(
    a: np.float32 | Float32Array, b: np.float32 | Float32Array, c: np.float32 | Float32Array
) -> Float32Array:
    """fl32(a * b + c), rounded once.

    The product of two float32 is exact in float64. The sum is rounded to odd first: that keeps
    enough of what was lost for the second rounding to be right (Boldo and Melquiond 2008).
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    bits = np.array(total).view(np.int64)
    step = np.where((error > 0) == (total > 0), 1, -1)
    odd = np.where((error != 0) & (bits & 1 == 0), bits + step, bits).view(np.float64)
    return odd.astype(np.float32)


def run_quantize(layer: Quantize, x: AnyArray) -> AnyArray:
    """A `Quantize` layer."""
    return quantize(x, layer.outputs[0])


def run_dequantize(layer: Dequantize, x: AnyArray) -> AnyArray:
    """A `Dequantize` layer."""
    return dequantize(x, layer.inputs[0])


def run_table(layer: Table, x: AnyArray) -> AnyArray:
    """A `Table` layer."""
    return layer.table[as_index(x)]


def as_index(x: AnyArray) -> npt.NDArray[np.intp]:
    """The place of int8 or uint8 values among `all_values`."""
    return x.astype(np.intp) - np.iinfo(x.dtype).min


def run_add(layer: Add, a: AnyArray, b: AnyArray) -> AnyArray:
    """An `Add` layer, through a table of all pairs."""
    (y,) = layer.outputs
    a_ratio, b_ratio, fixed = add_factors(layer)
    a_all, b_all = (all_values(x.dtype).astype(np.float32) for x in layer.inputs)
    table = np.rint(fma(a_ratio, a_all[:, None], fma(b_ratio, b_all, fixed)))
    low, high = layer.clamp or (-np.inf, np.inf)
    return _pairs(saturate(np.clip(table, low, high), y.dtype), a, b)


def add_factors(layer: Add) -> tuple[np.float32, np.float32, np.float32]:
    """(ra, rb, k) of the sum rne(fma(ra, a, fma(rb, b, k)))."""
    first, second = layer.inputs
    (y,) = layer.outputs
    y_scale = np.float32(_scale(y))
    a_ratio = np.float32(_scale(first)) / y_scale
    b_ratio = np.float32(_scale(second)) / y_scale
    a_zero, b_zero = np.float32(first.zero_point), np.float32(second.zero_point)
    fixed = np.float32(y.zero_point) - fma(a_ratio, a_zero, b_ratio * b_zero)
    return a_ratio, b_ratio, np.float32(fixed)


def run_mul(layer: Mul, a: AnyArray, b: AnyArray) -> AnyArray:
    """A `Mul` layer, through a table of all pairs."""
    first, second = layer.inputs
    (y,) = layer.outputs
    factor = np.float32(_scale(first)) * np.float32(_scale(second)) / np.float32(_scale(y))
    a_all = all_values(first.dtype).astype(np.int32) - first.zero_point
    b_all = all_values(second.dtype).astype(np.int32) - second.zero_point
    product = (a_all[:, None] * b_all).astype(np.float32)
    table = np.rint(product * factor + np.float32(y.zero_point))
    return _pairs(saturate(table, y.dtype), a, b)


def _pairs(table: AnyArray, a: AnyArray, b: AnyArray) -> AnyArray:
    return table[as_index(a), as_index(b)]


def _scale(tensor: Tensor) -> float:
    assert tensor.scale is not None, tensor
    return tensor.scale
