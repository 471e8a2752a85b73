# SPDX-License-Identifier: Apache-2.0
"""The reference: what every implementation of the engine must compute, bit for bit.

docs/numerics.md states the same contract in words and proves the steps that are not obvious.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
IntegerArray = npt.NDArray[np.integer[Any]]  # the element type depends on the layer


def conv2d(
    x: Int8Array,
    w: Int8Array,
    bias: Int32Array | None,
    scale: npt.ArrayLike | None,
    layer: ConvLayer,
) -> IntegerArray:
    """One layer from input to output: `conv2d_accumulate`, then `requantize`.

    Args:
        x: int8 (N, in_channels, in_height, in_width).
        w: int8 `layer.weight_shape`.
        bias: int32 (out_channels,), or None for zero.
        scale: see `requantize`; None exactly when the layer's output is INT32.
        layer: what to compute.

    Returns:
        (N, out_channels, out_height, out_width), int8, uint8 or int32 as `layer.output` says.

    Raises:
        InvalidTensorError: an array does not fit the layer.
    """
    acc = conv2d_accumulate(x, w, bias, layer)
    if layer.output is OutputType.INT32:
        if scale is not None:
            raise InvalidTensorError("scale must be None for INT32 output, which is not scaled")
        return acc
    if scale is None:
        raise InvalidTensorError(f"scale is needed for {layer.output.name} output, got None")
    return requantize(acc, scale, layer)


def conv2d_accumulate(
    x: Int8Array, w: Int8Array, bias: Int32Array | None, layer: ConvLayer
) -> Int32Array:
    """sum((x - x_zero_point) * w) + bias, wrapped to int32. Arguments as for `conv2d`.

    Returns:
        int32 (N, out_channels, out_height, out_width).

    Raises:
        InvalidTensorError: an array does not fit the layer.
    """
    require_array("x", x, np.int8, (None, layer.in_channels, layer.in_height, layer.in_width))
    require_array("w", w, np.int8, layer.weight_shape)
    batch, groups = x.shape[0], layer.groups
    out_channels, group_channels, kernel_height, kernel_width = layer.weight_shape
    stride_height, stride_width = layer.stride
    dilation_height, dilation_width = layer.dilation
    rows, columns = layer.out_height, layer.out_width

    # Padding holds the zero point, so after the subtraction it holds 0. The products and all
    # their partial sums are integers below 2**53, hence exact in float64 in any order of
    # summation, and float64 is what BLAS is fast at.
    centred = np.pad(x.astype(np.float64) - layer.x_zero_point, ((0, 0), (0, 0), *layer.padding))
    centred = centred.reshape(batch, groups, group_channels, *centred.shape[2:])
    weights = w.astype(np.float64).reshape(groups, out_channels // groups, *w.shape[1:])
    total = np.zeros((batch, groups, out_channels // groups, rows * columns))
    for ky in range(kernel_height):
        for kx in range(kernel_width):
            top, left = ky * dilation_height, kx * dilation_width
            tap = centred[
                ...,
                top : top + (rows - 1) * stride_height + 1 : stride_height,
                left : left + (columns - 1) * stride_width + 1 : stride_width,
            ]
            total += weights[..., ky, kx] @ tap.reshape(batch, groups, group_channels, -1)

    acc = total.astype(np.int64).reshape(batch, out_channels, rows, columns)
    if bias is not None:
        require_array("bias", bias, np.int32, (out_channels,))
        acc += bias[:, np.newaxis, np.newaxis]
    return acc.astype(np.int32)  # keeps the low 32 bits


def requantize(acc: Int32Array, scale: npt.ArrayLike, layer: ConvLayer) -> IntegerArray:
    """clamp(overflow(round(fl32(fl32(acc) * scale)) + y_zero_point)).

    fl32 rounds to the nearest float32, ties to even; rounding, overflow and clamp are the
    layer's.

    Args:
        acc: int32 (N, out_channels, height, width).
        scale: float32 multiplier of the accumulator, one or (out_channels,); see `multiplier`.
            Python floats and float64 are rounded to float32 first.
        layer: output type, zero point and modes; its spatial sizes do not matter here.

    Returns:
        int8 or uint8, shaped as `acc`.

    Raises:
        InvalidTensorError: an array does not fit the layer, or a scale is not finite.
        InvalidLayerError: the layer's output is INT32.
    """
    if layer.output is OutputType.INT32:
        raise InvalidLayerError("requantize needs INT8 or UINT8 output, got INT32")
    require_array("acc", acc, np.int32, (None, layer.out_channels, None, None))
    factor = _as_scale("scale", scale, layer.out_channels).reshape(-1, 1, 1)
    with np.errstate(over="ignore", under="ignore"):
        scaled = acc.astype(np.float32) * factor

    rounded = _round(scaled.astype(np.float64), layer.rounding)
    # Beyond +-2**31 every float32 is a multiple of 256 (24 significant bits), and so are the
    # limits: clipping changes neither a saturated nor a wrapped result, infinities included.
    shifted = np.clip(rounded, -(2.0**31), 2.0**31).astype(np.int64) + layer.y_zero_point

    low, high = layer.output_range
    dtype: type[np.integer[Any]] = np.int8 if layer.output is OutputType.INT8 else np.uint8
    if layer.overflow is Overflow.WRAP:
        fitted = shifted.astype(dtype)  # keeps the low 8 bits
    else:
        if layer.overflow is Overflow.SATURATE_SYMMETRIC:
            low = max(low, -high)
        fitted = np.clip(shifted, low, high).astype(dtype)
    return fitted if layer.clamp is None else np.clip(fitted, *layer.clamp).astype(dtype)


def multiplier(
    x_scale: npt.ArrayLike, w_scale: npt.ArrayLike, y_scale: npt.ArrayLike
) -> Float32Array:
    """The scale of `requantize` for quantised tensors: fl32(fl32(x_scale * w_scale) / y_scale).

    Both operations round, in this order, as ONNX Runtime does it. Each argument is one number or
    (out_channels,).

    Raises:
        InvalidTensorError: an argument or the result is not finite.
    """
    x_factor, w_factor, y_factor = (
        _as_scale(name, value, None)
        for name, value in (("x_scale", x_scale), ("w_scale", w_scale), ("y_scale", y_scale))
    )
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        result = x_factor * w_factor / y_factor
    return _as_scale("x_scale * w_scale / y_scale", result, None)


def fold_zero_point(w: Int8Array, bias: Int32Array | None, x_zero_point: int) -> Int32Array:
    """The bias that makes sum(x * w) + result equal sum((x - x_zero_point) * w) + bias.

    Args:
        w: int8 (out_channels, ...).
        bias: int32 (out_channels,), or None for zero.
        x_zero_point: also the value of padding.

    Returns:
        int32 (out_channels,), wrapped.
    """
    folded: npt.NDArray[np.int64] = -x_zero_point * w.reshape(len(w), -1).sum(1, np.int64)
    if bias is not None:
        folded += bias
    return folded.astype(np.int32)


def _round(value: npt.NDArray[np.float64], rounding: Rounding) -> npt.NDArray[np.float64]:
    """Round float32 values, held in float64, to integers."""
    if rounding is Rounding.HALF_EVEN:
        return np.rint(value)
    if rounding is Rounding.HALF_UP:
        # The sum is exact, or |value| is below 2**-29 or at least 2**52 and the rounding of the
        # sum does not change its floor.
        value = value + 0.5
    floor: npt.NDArray[np.float64] = np.floor(value)
    return floor


def _as_scale(name: str, value: npt.ArrayLike, out_channels: int | None) -> Float32Array:
    try:
        with np.errstate(over="ignore"):
            scale = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidTensorError(f"{name} must be numbers, got {value!r}") from None
    if scale.ndim > 1 or (out_channels is not None and scale.size not in (1, out_channels)):
        length = "one per output channel" if out_channels is None else f"({out_channels},)"
        raise InvalidTensorError(f"{name} must be one number or {length}, got shape {scale.shape}")
    if not np.isfinite(scale).all():
        raise InvalidTensorError(f"{name} must be finite in float32, got {value!r}")
    return scale


def require_array(
    name: str,
    array: npt.NDArray[np.generic],
    dtype: type[np.generic],
    shape: tuple[int | None, ...],
) -> None:
    """Check type and shape; None stands for any size."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        got = getattr(array, "dtype", type(array).__name__)
        raise InvalidTensorError(f"{name} must be a NumPy array of {dtype.__name__}, got {got}")
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = str(shape).replace("None", "any")
        raise InvalidTensorError(f"{name} must have shape {wanted}, got {array.shape}")
