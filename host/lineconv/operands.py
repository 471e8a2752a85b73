# SPDX-License-Identifier: Apache-2.0
"""The arguments of `conv2d`, checked and brought into one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import as_bias, as_factors, check_array, number_formats
from lineconv.errors import InvalidTensorError
from lineconv.layer import ConvLayer, OutputType, Overflow, PaddingLike, Pair, PairLike, Rounding
from lineconv.packing import ELEMENT_TYPES

__all__ = ["Operands", "check_operands"]


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
    check_array("x", x, (np.int8, np.uint8), 4)
    check_array("w", w, (np.int8,), 4)
    if len(x) == 0:
        raise InvalidTensorError(f"x must hold at least one image, got shape {x.shape}")
    layer = ConvLayer.from_shapes(
        x.shape,
        w.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        **number_formats(
            unsigned=x.dtype == np.uint8,
            scaled=scale is not None,
            x_zero_point=x_zero_point,
            y_zero_point=y_zero_point,
            clamp=clamp,
            rounding=rounding,
            overflow=overflow,
            output_type=output_type,
        ),
    )
    channels = layer.out_channels
    return Operands(layer, x, w, as_bias(bias, channels), as_factors(scale, channels))
