# SPDX-License-Identifier: Apache-2.0
"""What Conv, ConvTranspose, Gemm and MatMul have in common: int8 weights, int32 bias, a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.errors import InvalidInputError
from lineconv.graph.context import Context
from lineconv.graph.layers import AnyArray, Tensor
from lineconv.graph.source import Node
from lineconv.graph.values import Constant, ConstantReal, End, Real, Stored
from lineconv.layer import OutputType

__all__ = ["FLOAT_SUMS", "Operands", "int8_weights", "read_operands", "signed_zero_point"]

FLOAT_SUMS = "ONNX Runtime adds in float32: its result may differ by one"
SCALE_TOLERANCE = 1e-5  # of a bias; some tools compute it in float64


@dataclass(frozen=True, eq=False)
class Operands:
    """Input, weights and output of a node.

    Attributes:
        weights: int8, in the shape of the node.
        weight_scale: float32 (out_channels,) or one number.
        remark: see `Layer`.
    """

    x: Tensor
    weights: npt.NDArray[np.int8]
    weight_scale: npt.NDArray[np.float32]
    end: End
    remark: str

    @property
    def output_type(self) -> OutputType:
        """Of the result."""
        return OutputType.UINT8 if self.end.tensor.dtype == np.uint8 else OutputType.INT8

    def scale(self, out_channels: int) -> npt.NDArray[np.float32]:
        """float32 (out_channels,)."""
        assert self.x.scale is not None
        assert self.end.tensor.scale is not None
        factor = golden.multiplier(self.x.scale, self.weight_scale, self.end.tensor.scale)
        return np.array(np.broadcast_to(factor, (out_channels,)))

    def bias(
        self, ctx: Context, node: Node, place: int, out_channels: int
    ) -> npt.NDArray[np.int32] | str:
        """int32 (out_channels,), or why there is none."""
        if not node.input(place):
            return np.zeros(out_channels, np.int32)
        value = ctx.values[node.input(place)]
        accumulator = np.float32(self.x.scale) * self.weight_scale
        if isinstance(value, ConstantReal):
            if value.array.dtype != np.int32 or value.zero_point.any():
                return "a bias that is not int32 without zero point"
            scales = (value.scale.reshape(-1), accumulator.reshape(-1))
            if not np.allclose(*scales, rtol=SCALE_TOLERANCE, atol=0):
                raise InvalidInputError(
                    f"{node}: the scale of its bias must be that of its input times that of its "
                    "weights, as ONNX Runtime takes it to be"
                )
            bias = value.array.reshape(-1)
        elif isinstance(value, Constant):
            with np.errstate(over="ignore"):
                units = np.rint(value.array.reshape(-1) / accumulator.reshape(-1))
            if not (np.abs(units) < 2**31).all():
                return "a float bias beyond int32"
            bias = units.astype(np.int32)
        else:
            raise InvalidInputError(f"{node}: its bias must be a constant")
        if bias.size not in (1, out_channels):
            return "a bias for each row"
        return np.array(np.broadcast_to(bias, (out_channels,)))


def read_operands(ctx: Context, node: Node, channel_axis: int) -> Operands | str:
    """What a node works on, or why it is no integer layer.

    Args:
        channel_axis: of the weights, along which they may have a scale for each index.

    Raises:
        InvalidInputError: its weights are not constant.
    """
    x, w = (ctx.values[name] for name in node.inputs[:2])
    if isinstance(x, Real) and isinstance(w, (Real, Stored)) and node.op_type != "MatMul":
        raise InvalidInputError(f"{node}: its weights {node.inputs[1]!r} must be constant")
    if not isinstance(x, Real) or x.chain:
        return "its input is not int8"
    if not isinstance(w, ConstantReal):
        return "its weights are not int8"
    if w.scale.size > 1 and w.axis != channel_axis % w.array.ndim:
        return f"weights with a scale for each index of axis {w.axis}"
    end = ctx.end(node.outputs[0])
    if end is None:
        return "no QuantizeLinear reads its result"
    weights = int8_weights(w.centred())
    if weights is None:
        return "weights less zero point that do not fit int8"
    direct = ctx.source.makers[node.inputs[0]].op_type == "DequantizeLinear"
    exact = direct and end.clamp is None and x.tensor.dtype == end.tensor.dtype
    exact = exact and not (x.tensor.dtype == np.int8 and w.array.dtype == np.uint8)
    remark = "" if exact else FLOAT_SUMS
    return Operands(x.tensor, weights, w.scale.astype(np.float32), end, remark)


def int8_weights(centred: AnyArray) -> npt.NDArray[np.int8] | None:
    """Weights less zero point as int8, None if they do not fit."""
    weights = centred.astype(np.int8)
    return weights if np.array_equal(weights, centred) else None


def signed_zero_point(tensor: Tensor) -> int:
    """That of uint8 as that of int8, after the top bits are flipped."""
    return tensor.zero_point - (128 if tensor.dtype == np.uint8 else 0)
