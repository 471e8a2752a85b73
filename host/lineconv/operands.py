# SPDX-License-Identifier: Apache-2.0
"""The arguments of `conv2d`, checked and brought into one form."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.layer import ConvLayer, OutputType, Overflow, PaddingLike, Pair, PairLike, Rounding
from lineconv.packing import ELEMENT_TYPES

__all__ = ["Operands", "check_operands"]

_Enum = TypeVar("_Enum", bound=IntEnum)


@dataclass(frozen=True, eq=False)  # layers with equal numbers are still two layers
class Operands:
    """One convolution that can run, alone or as a layer of a program.

    Attributes:
        layer: geometry and number formats; `x_zero_point` is that of int8.
        x: int8 or uint8 (N, in_channels, in_height, in_width), N >= 1; or the layer whose result
            it is, which stays in the device's memory.
        w: int8 `layer.weight_shape`.
        bias: int32 (out_channels,).
        scale: float32 (out_channels,), finite; all 1 for INT32 output.
        name: for reports and messages.
    """

    layer: ConvLayer
    x: npt.NDArray[np.int8] | npt.NDArray[np.uint8] | Operands
    w: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    name: str = "conv2d"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, out_channels, out_height, out_width) of the result."""
        layer = self.layer
        return (self.x.shape[0], layer.out_channels, layer.out_height, layer.out_width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the result."""
        return ELEMENT_TYPES[self.layer.output]

    @property
    def unsigned(self) -> bool:
        """x is uint8."""
        return self.x.dtype == np.uint8

    @property
    def raw_zero_point(self) -> int:
        """The zero point as an element of x."""
        return self.layer.x_zero_point + (128 if self.unsigned else 0)


def check_operands(
    x: npt.NDArray[Any],
    w: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    *,
    stride: PairLike,
    padding: PaddingLike,
    dilation: PairLike,
    groups: int,
    x_zero_point: int,
    scale: npt.ArrayLike | None,
    y_zero_point: int,
    clamp: Pair | None,
    rounding: Rounding | str,
    overflow: Overflow | str,
    output_type: OutputType | str | None,
) -> Operands:
    """See `Accelerator.conv2d`, whose arguments these are; x has its batch axis.

    Raises:
        InvalidTensorError: an array has a wrong shape, element type or value.
        InvalidLayerError: another argument is out of range or contradicts the shapes.
    """
    _require_array("x", x, (np.int8, np.uint8), 4)
    _require_array("w", w, (np.int8,), 4)
    if len(x) == 0:
        raise InvalidTensorError(f"x must hold at least one image, got shape {x.shape}")
    layer = ConvLayer.from_shapes(
        x.shape,
        w.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        x_zero_point=_signed_zero_point(x_zero_point) if x.dtype == np.uint8 else x_zero_point,
        y_zero_point=y_zero_point,
        output=_output_type(output_type, scaled=scale is not None),
        rounding=_member("rounding", rounding, Rounding),
        overflow=_member("overflow", overflow, Overflow),
        clamp=clamp,
    )
    if bias is None:
        bias = np.zeros(layer.out_channels, np.int32)
    _require_array("bias", bias, (np.int32,), 1)
    if bias.size != layer.out_channels:
        raise InvalidTensorError(f"bias must have shape ({layer.out_channels},), got {bias.shape}")
    factors = _scale(1.0 if scale is None else scale, layer.out_channels)
    return Operands(layer, x, w, bias, factors)


def _require_array(name: str, array: Any, dtypes: tuple[type[Any], ...], axes: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes:
        allowed = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        got = getattr(array, "dtype", type(array).__name__)
        raise InvalidTensorError(f"{name} must be a NumPy array of {allowed}, got {got}")
    if array.ndim != axes:
        raise InvalidTensorError(f"{name} must have {axes} axes, got shape {array.shape}")


def _signed_zero_point(zero_point: int) -> int:
    """That of uint8 as that of int8: the engine flips the top bit of each byte."""
    try:
        value = operator.index(zero_point)
    except TypeError:
        value = -1
    if not 0 <= value <= 255:
        raise InvalidLayerError(
            f"x_zero_point must be an integer in 0..255 for uint8 x, got {zero_point!r}"
        )
    return value - 128


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


def _scale(value: npt.ArrayLike, out_channels: int) -> npt.NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            scale = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidTensorError(f"scale must be numbers, got {value!r}") from None
    if scale.shape not in ((), (1,), (out_channels,)):
        raise InvalidTensorError(
            f"scale must be one number or have shape ({out_channels},), got shape {scale.shape}"
        )
    if not np.isfinite(scale).all():
        raise InvalidTensorError(f"scale must be finite in float32, got {value!r}")
    return np.broadcast_to(scale, (out_channels,))
