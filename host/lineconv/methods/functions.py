# SPDX-License-Identifier: Apache-2.0
"""Functions of one element as methods of an accelerator: all are tables of 256 entries.

The named ones compute the entries in float32: dequantise, apply the function, quantise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.arguments import byte_type, check_array, check_elements
from lineconv.errors import InvalidTensorError
from lineconv.graph.arithmetic import all_values, dequantize, quantize
from lineconv.graph.layers import AnyArray, Table
from lineconv.layer import OutputType
from lineconv.methods.elementwise import as_image
from lineconv.methods.runner import Runner, checked_tensor, tensor

__all__ = ["FunctionMethods"]

_Float32 = npt.NDArray[np.float32]


class FunctionMethods(Runner):
    """Functions of one element of a tensor."""

    def table(self, x: npt.NDArray[Any], table: npt.NDArray[Any]) -> AnyArray:
        """Any function of one element.

        Args:
            x: int8 or uint8, any shape.
            table: int8 or uint8 (256,); the first entry is for the smallest value of the type of
                x, which is -128 or 0.

        Returns:
            Shape of x, type of the table.

        Raises:
            InvalidTensorError: an array has a wrong type or shape; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        return self._table("table", x, table)

    def requantize(
        self,
        x: npt.NDArray[Any],
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """The same real numbers with another scale, zero point or type.

        Args:
            x: int8 or uint8, any shape.
            x_scale, y_scale: (x - x_zero_point) * x_scale is the real number; 2**-64..2**64.
            x_zero_point, y_zero_point: in the range of the type.
            output_type: 'int8' or 'uint8'; None is that of x.

        Returns:
            Shape of x.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed; nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        return self._function(
            "requantize", x, lambda real: real,
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def leaky_relu(
        self,
        x: npt.NDArray[Any],
        negative_slope: float = 0.01,
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """x where it is not negative, else x * negative_slope, as LeakyRelu of ONNX.

        The other arguments, result and errors: see `requantize`.
        """
        slope = _number("negative_slope", negative_slope)
        return self._function(
            "leaky_relu", x, lambda real: np.where(real < 0, real * slope, real),
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def hardsigmoid(
        self,
        x: npt.NDArray[Any],
        alpha: float = 1 / 6,
        beta: float = 0.5,
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """alpha * x + beta between 0 and 1. PyTorch has an alpha of 1/6, ONNX one of 0.2.

        The other arguments, result and errors: see `requantize`.
        """
        factors = (_number("alpha", alpha), _number("beta", beta))
        return self._function(
            "hardsigmoid", x, lambda real: _hard_sigmoid(real, *factors),
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def hardswish(
        self,
        x: npt.NDArray[Any],
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """x times its hardsigmoid with an alpha of 1/6, as HardSwish of ONNX.

        The other arguments, result and errors: see `requantize`.
        """
        factors = (np.float32(1 / 6), np.float32(0.5))
        return self._function(
            "hardswish", x, lambda real: real * _hard_sigmoid(real, *factors),
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def sigmoid(
        self,
        x: npt.NDArray[Any],
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """1 / (1 + exp(-x)), rounded to float32 once; ONNX Runtime approximates it.

        The other arguments, result and errors: see `requantize`.
        """
        return self._function(
            "sigmoid", x, lambda real: 1 / (1 + np.exp(-real.astype(np.float64))),
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def tanh(
        self,
        x: npt.NDArray[Any],
        *,
        x_scale: float,
        x_zero_point: int = 0,
        y_scale: float,
        y_zero_point: int = 0,
        output_type: OutputType | str | None = None,
    ) -> AnyArray:
        """The hyperbolic tangent, rounded to float32 once; ONNX Runtime approximates it.

        The other arguments, result and errors: see `requantize`.
        """
        return self._function(
            "tanh", x, lambda real: np.tanh(real.astype(np.float64)),
            (x_scale, x_zero_point), (y_scale, y_zero_point), output_type,
        )  # fmt: skip

    def _function(
        self,
        name: str,
        x: AnyArray,
        function: Callable[[_Float32], npt.NDArray[Any]],
        x_numbers: tuple[float, int],
        y_numbers: tuple[float, int],
        output_type: OutputType | str | None,
    ) -> AnyArray:
        check_elements("x", x)
        source = checked_tensor("x", (256,), x.dtype, *x_numbers)
        result = checked_tensor("y", (256,), byte_type(output_type, x.dtype), *y_numbers)
        with np.errstate(over="ignore"):
            real = function(dequantize(all_values(x.dtype), source)).astype(np.float32)
        return self._table(name, x, quantize(real, result))

    def _table(self, name: str, x: AnyArray, table: AnyArray) -> AnyArray:
        check_elements("x", x)
        check_array("table", table, (np.int8, np.uint8), 1)
        if table.size != 256:
            raise InvalidTensorError(f"table must have shape (256,), got {table.shape}")
        image = as_image(x, self.array.vector_lanes)
        source, result = tensor("x", image.shape, x.dtype), tensor("y", image.shape, table.dtype)
        layer = Table(name=name, inputs=(source,), outputs=(result,), table=table)
        y = self._run_chain([layer], {"x": image})
        return y.reshape(-1)[: x.size].reshape(x.shape)


def _hard_sigmoid(x: _Float32, alpha: np.float32, beta: np.float32) -> _Float32:
    result: _Float32 = np.clip(alpha * x + beta, np.float32(0), np.float32(1))
    return result


def _number(name: str, value: Any) -> np.float32:
    """A finite factor of a function, rounded to float32."""
    try:
        with np.errstate(over="ignore"):
            number = np.float32(value)
    except (TypeError, ValueError):
        number = np.float32(np.nan)
    if not np.isfinite(number) or np.ndim(number):
        raise InvalidTensorError(f"{name} must be one finite number, got {value!r}")
    return number
