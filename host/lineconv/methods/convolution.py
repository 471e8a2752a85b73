# SPDX-License-Identifier: Apache-2.0
"""Convolutions and matrix products as methods of an accelerator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lineconv.arguments import (
    as_bias,
    as_factors,
    batched,
    check_array,
    check_elements,
    number_formats,
)
from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.graph.layers import AnyArray, Convolution
from lineconv.layer import (
    MAX_STRIDE,
    ConvLayer,
    OutputType,
    Overflow,
    PaddingLike,
    Pair,
    PairLike,
    Rounding,
    as_number,
    as_pair,
)
from lineconv.methods.runner import Runner, tensor
from lineconv.methods.transposed import transposed_layer
from lineconv.operands import Operands, check_operands
from lineconv.packing import ELEMENT_TYPES

__all__ = ["ConvolutionMethods"]


class ConvolutionMethods(Runner):
    """Layers with weights."""

    def conv2d(
        self,
        x: npt.NDArray[Any],
        w: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        groups: int = 1,
        x_zero_point: int = 0,
        scale: npt.ArrayLike | None = None,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        output_type: OutputType | str | None = None,
    ) -> npt.NDArray[np.integer[Any]]:
        """2-D convolution of quantised tensors, as `torch.nn.functional.conv2d` has it.

        Without `scale`: acc = sum((x - x_zero_point) * w) + bias in int32, which wraps. With it:
        clamp(overflow(round(fl32(fl32(acc) * scale)) + y_zero_point)), see `lineconv.golden`.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            w: int8 (O, C / groups, kH, kW), kernels up to 16 x 64.
            bias: int32 (O,).
            stride: one number or (height, width), 1..8.
            padding: one number, (vertical, horizontal), ((top, bottom), (left, right)), 'same' or
                'valid'; x is padded with its zero point.
            dilation: one number or (height, width).
            groups: divides C and O; `groups == C` is depthwise.
            x_zero_point: in the range of x.
            scale: float32 multiplier of the accumulator, one number or (O,).
            y_zero_point: in the range of the output.
            clamp: (low, high) in the range of the output; ReLU is (y_zero_point, 127).
            rounding: 'half_even', 'half_up' or 'floor'.
            overflow: 'saturate', 'saturate_symmetric' or 'wrap'.
            output_type: 'int8' or 'uint8' with scale, 'int32' without; None is 'int8' or 'int32'.

        Returns:
            int32, int8 or uint8 (N, O, H', W'), or (O, H', W') for x without N.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed; nothing was run.
            ProgramError: the engine refused the program, or memory answered with an error.
            RunTimeoutError: no descriptor ended within `timeout_s`; the engine has been reset.
            MemoryError: the device has too little memory.
        """
        single = isinstance(x, np.ndarray) and x.ndim == 3
        operands = check_operands(
            x[np.newaxis] if single else x,
            w,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            x_zero_point=x_zero_point,
            scale=scale,
            y_zero_point=y_zero_point,
            clamp=clamp,
            rounding=rounding,
            overflow=overflow,
            output_type=output_type,
        )
        (y,) = self.run_layers([operands])
        return y[0] if single else y

    def conv1d(
        self,
        x: npt.NDArray[Any],
        w: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        stride: int = 1,
        padding: PairLike | Literal["same", "valid"] = 0,
        dilation: int = 1,
        groups: int = 1,
        x_zero_point: int = 0,
        scale: npt.ArrayLike | None = None,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """1-D convolution, as `torch.nn.functional.conv1d`: `conv2d` of an image of one row.

        Args:
            x: int8 or uint8 (N, C, L) or (C, L).
            w: int8 (O, C / groups, K), kernels up to 64.
            stride: 1..8.
            padding: one number, (before, behind), 'same' or 'valid'.
            dilation: at least 1.
            bias, groups, x_zero_point, scale, y_zero_point, clamp, rounding, overflow,
                output_type: see `conv2d`.

        Returns:
            int32, int8 or uint8 (N, O, L'), or (O, L') for x without N.

        Raises:
            InvalidTensorError, InvalidLayerError, ProgramError, RunTimeoutError, MemoryError: see
                `conv2d`.
        """
        x, single = batched("x", x, "N, C, L")
        check_array("w", w, (np.int8,), 3)
        sides = padding if isinstance(padding, str) else ((0, 0), as_pair("padding", padding, 0))
        y = self.conv2d(
            x[:, :, np.newaxis],
            w[:, :, np.newaxis],
            bias,
            stride=(1, as_number("stride", stride, 1, MAX_STRIDE)),
            padding=sides,
            dilation=(1, as_number("dilation", dilation, 1)),
            groups=groups,
            x_zero_point=x_zero_point,
            scale=scale,
            y_zero_point=y_zero_point,
            clamp=clamp,
            rounding=rounding,
            overflow=overflow,
            output_type=output_type,
        )[:, :, 0]
        return y[0] if single else y

    def conv_transpose2d(
        self,
        x: npt.NDArray[Any],
        w: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        output_padding: PairLike = 0,
        groups: int = 1,
        dilation: PairLike = 1,
        x_zero_point: int = 0,
        scale: npt.ArrayLike | None = None,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """Transposed convolution, as `torch.nn.functional.conv_transpose2d` has it.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            w: int8 (C, O / groups, kH, kW), kernels up to 16 x 64.
            stride: one number or (height, width), at least 1.
            padding: what the result lacks at its sides: one number, (vertical, horizontal) or
                ((top, bottom), (left, right)).
            output_padding: what it has more at the bottom and the right: one number or (height,
                width), less than stride or dilation.
            dilation: one number or (height, width).
            bias, groups, x_zero_point, scale, y_zero_point, clamp, rounding, overflow,
                output_type: see `conv2d`.

        Returns:
            int32, int8 or uint8 (N, O, H', W'), or (O, H', W') for x without N, with
            H' = (H - 1) * stride - top - bottom + dilation * (kH - 1) + output_padding + 1.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed, or the engine cannot
                compute the layer; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        x, single = batched("x", x, "N, C, H, W")
        check_array("w", w, (np.int8,), 4)
        layer, (rows, columns) = transposed_layer(
            x, w, bias,
            stride=stride, padding=padding, output_padding=output_padding, groups=groups,
            dilation=dilation, scale=scale,
            numbers=number_formats(
                unsigned=x.dtype == np.uint8, scaled=scale is not None,
                x_zero_point=x_zero_point, y_zero_point=y_zero_point, clamp=clamp,
                rounding=rounding, overflow=overflow, output_type=output_type,
            ),
        )  # fmt: skip
        y = self._run_chain([layer], {"x": x})[:, :, rows, columns]
        return y[0] if single else y

    def linear(
        self,
        x: npt.NDArray[Any],
        w: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        x_zero_point: int = 0,
        scale: npt.ArrayLike | None = None,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """Matrix product, as `torch.nn.functional.linear`: x @ w.T + bias.

        Args:
            x: int8 or uint8 (..., C).
            w: int8 (O, C).
            bias, x_zero_point, scale, y_zero_point, clamp, rounding, overflow, output_type: see
                `conv2d`.

        Returns:
            int32, int8 or uint8 (..., O).

        Raises:
            InvalidTensorError, InvalidLayerError, ProgramError, RunTimeoutError, MemoryError: see
                `conv2d`.
        """
        check_elements("x", x)
        check_array("w", w, (np.int8,), 2)
        if x.ndim == 0 or x.shape[-1] != w.shape[1]:
            raise InvalidTensorError(
                f"the last axis of x must have the {w.shape[1]} elements that rows of w have, "
                f"got shape {x.shape}"
            )
        geometry = ConvLayer(
            w.shape[1], len(w), 1, 1, (1, 1),
            **number_formats(
                unsigned=x.dtype == np.uint8, scaled=scale is not None,
                x_zero_point=x_zero_point, y_zero_point=y_zero_point, clamp=clamp,
                rounding=rounding, overflow=overflow, output_type=output_type,
            ),
        )  # fmt: skip
        rows = x.reshape(-1, x.shape[-1])
        result = tensor("y", (len(rows), len(w)), ELEMENT_TYPES[geometry.output])
        factors = as_factors(scale, len(w))
        layer = Convolution(
            name="linear", inputs=(tensor("x", rows.shape, x.dtype),), outputs=(result,),
            layer=geometry, weights=w[:, :, np.newaxis, np.newaxis], bias=as_bias(bias, len(w)),
            scale=None if scale is None else factors,
        )  # fmt: skip
        try:
            y = self._run_chain([layer], {"x": rows})
        except InvalidLayerError:  # C is too deep for the weight buffer: the host adds parts
            pixels = rows.T[np.newaxis, :, np.newaxis]
            one = Operands(
                replace(geometry, in_width=len(rows)),
                pixels,
                layer.weights,
                layer.bias,
                factors,
                "linear",
            )
            y = self.run_layers([one])[0][0, :, 0].T
        return y.reshape(*x.shape[:-1], len(w))
