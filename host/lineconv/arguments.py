# SPDX-License-Identifier: Apache-2.0
"""Arguments that several methods of an accelerator have; each error names the argument."""

from __future__ import annotations

import operator
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.layer import OutputType, Overflow, Pair, Rounding

__all__ = [
    "as_bias",
    "as_factors",
    "as_scale",
    "as_zero_point",
    "batched",
    "byte_type",
    "check_array",
    "check_elements",
    "number_formats",
]

_BYTES = (np.int8, np.uint8)
_LARGEST_SCALE = 2.0**64  # and the smallest is its inverse: no product of two overflows float32

_Enum = TypeVar("_Enum", bound=IntEnum)


def check_array(
    name: str, array: Any, dtypes: tuple[type[Any], ...], axes: int | None = None
) -> None:
    """Raise InvalidTensorError for another type, or another number of axes if one is given."""
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes:
        allowed = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        got = getattr(array, "dtype", type(array).__name__)
        raise InvalidTensorError(f"{name} must be a NumPy array of {allowed}, got {got}")
    if axes is not None and array.ndim != axes:
        raise InvalidTensorError(f"{name} must have {axes} axes, got shape {array.shape}")


def check_elements(name: str, array: Any) -> None:
    """Raise InvalidTensorError for what is not int8 or uint8, or has no elements."""
    check_array(name, array, _BYTES)
    if array.size == 0:
        raise InvalidTensorError(f"{name} must hold at least one element, got shape {array.shape}")


def batched(name: str, array: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], bool]:
    """int8 or uint8 with an axis for the batch, and whether that had to be added.

    Args:
        axes: what they are, such as "N, C, H, W".

    Raises:
        InvalidTensorError: the type is another, an axis is missing, or there are no elements.
    """
    check_array(name, array, _BYTES)
    count = axes.count(",") + 1
    if array.ndim not in (count, count - 1):
        raise InvalidTensorError(
            f"{name} must have {count} axes ({axes}), or {count - 1} without N, "
            f"got shape {array.shape}"
        )
    check_elements(name, array)
    single = array.ndim < count
    return (array[np.newaxis] if single else array), single


def as_bias(bias: npt.NDArray[Any] | None, out_channels: int) -> npt.NDArray[np.int32]:
    """int32 (out_channels,); None is zero."""
    if bias is None:
        return np.zeros(out_channels, np.int32)
    check_array("bias", bias, (np.int32,), 1)
    if bias.size != out_channels:
        raise InvalidTensorError(f"bias must have shape ({out_channels},), got {bias.shape}")
    return bias


def as_factors(scale: npt.ArrayLike | None, out_channels: int) -> npt.NDArray[np.float32]:
    """Multipliers of accumulators: float32 (out_channels,), finite; None is 1."""
    try:
        with np.errstate(over="ignore"):
            factors = np.asarray(1 if scale is None else scale, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidTensorError(f"scale must be numbers, got {scale!r}") from None
    if factors.shape not in ((), (1,), (out_channels,)):
        raise InvalidTensorError(
            f"scale must be one number or have shape ({out_channels},), got shape {factors.shape}"
        )
    if not np.isfinite(factors).all():
        raise InvalidTensorError(f"scale must be finite in float32, got {scale!r}")
    return np.broadcast_to(factors, (out_channels,))


def as_scale(name: str, value: Any) -> float:
    """The scale of a tensor, rounded to float32.

    Raises:
        InvalidTensorError: it is not one number in 2**-64..2**64.
    """
    try:
        scale = float(np.float32(value))
    except (TypeError, ValueError):
        raise InvalidTensorError(f"{name} must be one number, got {value!r}") from None
    if not 1 / _LARGEST_SCALE <= scale <= _LARGEST_SCALE:
        raise InvalidTensorError(f"{name} must be in 2**-64..2**64, got {value!r}")
    return scale


def as_zero_point(name: str, value: Any, dtype: np.dtype[Any]) -> int:
    """The zero point of a tensor.

    Raises:
        InvalidLayerError: it is no integer in the range of `dtype`.
    """
    limits = np.iinfo(dtype)
    try:
        number = operator.index(value)
    except TypeError:
        number = limits.min - 1
    if not limits.min <= number <= limits.max:
        raise InvalidLayerError(
            f"{name} must be an integer in {limits.min}..{limits.max} for {dtype.name}, "
            f"got {value!r}"
        )
    return number


def byte_type(output_type: OutputType | str | None, default: np.dtype[Any]) -> np.dtype[Any]:
    """int8 or uint8 as NumPy has it.

    Raises:
        InvalidLayerError: it is neither.
    """
    if output_type is None:
        return default
    member = _member("output_type", output_type, OutputType)
    if member is OutputType.INT32:
        raise InvalidLayerError("output_type must be 'int8' or 'uint8', got 'int32'")
    return np.dtype(member.name.lower())


def number_formats(
    *,
    unsigned: bool,
    scaled: bool,
    x_zero_point: int,
    y_zero_point: int,
    clamp: Pair | None,
    rounding: Rounding | str,
    overflow: Overflow | str,
    output_type: OutputType | str | None,
) -> dict[str, Any]:
    """Fields of a `ConvLayer`; the other arguments are those of `Accelerator.conv2d`.

    Args:
        unsigned: x is uint8.
        scaled: there is a scale.

    Raises:
        InvalidLayerError: an argument is out of range, or contradicts another.
    """
    if unsigned:  # the engine flips the top bit of each byte
        x_zero_point = as_zero_point("x_zero_point", x_zero_point, np.dtype(np.uint8)) - 128
    return {
        "x_zero_point": x_zero_point,
        "y_zero_point": y_zero_point,
        "output": _output_type(output_type, scaled=scaled),
        "rounding": _member("rounding", rounding, Rounding),
        "overflow": _member("overflow", overflow, Overflow),
        "clamp": clamp,
    }


def _output_type(value: OutputType | str | None, *, scaled: bool) -> OutputType:
    if value is None:
        return OutputType.INT8 if scaled else OutputType.INT32
    output_type = _member("output_type", value, OutputType)
    if scaled == (output_type is OutputType.INT32):
        need = "is not scaled: it needs scale=None" if scaled else "needs a scale, got None"
        raise InvalidLayerError(f"output_type {output_type.name} {need}")
    return output_type


def _member(name: str, value: _Enum | str, kind: type[_Enum]) -> _Enum:
    """A member of the enum, given as such or by its name in any case."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value.upper() in kind.__members__:
        return kind[value.upper()]
    allowed = ", ".join(repr(member.lower()) for member in kind.__members__)
    raise InvalidLayerError(f"{name} must be one of {allowed}, got {value!r}")
