# SPDX-License-Identifier: Apache-2.0
"""What a graph of integer layers is made of. Needs NumPy alone.

Shapes are those of ONNX: batch first, then channels, then height and width; a tensor of fewer axes
keeps them. `docs/onnx.md` says which operators become which layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.layer import ConvLayer, Padding, Pair

__all__ = [
    "Add",
    "AveragePool",
    "ChannelShuffle",
    "Concat",
    "Convolution",
    "Dequantize",
    "GlobalAveragePool",
    "Host",
    "Layer",
    "MaxPool",
    "Mul",
    "Pad",
    "Quantize",
    "Reshape",
    "Resize",
    "Slice",
    "Table",
    "Tensor",
    "Transpose",
    "TransposedConvolution",
]

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A value that layers pass on.

    Attributes:
        name: of the tensor in the ONNX model, where there is one.
        shape: all sizes, batch included.
        dtype: int8 and uint8 where layers compute; others at the ends of a graph.
        scale: a float32 value, if (value - zero_point) * scale is the real number; else None.
        zero_point: in the range of `dtype`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float | None = None
    zero_point: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One step of a graph.

    Attributes:
        name: of the ONNX node.
        inputs, outputs: tensors; each input is an input of the graph, a constant or the output of a
            layer before.
        remark: where ONNX Runtime computes something else than this layer; empty where both are
            equal in every bit.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    remark: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantize(Layer):
    """float32 to int8 or uint8: rint(x / scale) + zero_point, saturated."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dequantize(Layer):
    """int8 or uint8 to float32: (x - zero_point) * scale."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Layer):
    """Conv, and Gemm and MatMul with constant weights: `golden.conv2d`.

    The bytes of the input, in order, are (images, in_channels, in_height, in_width) of `layer`. One
    axis is a row of height 1; a matrix product is an image of one pixel for each row of its input.

    Attributes:
        layer: `x_zero_point` is that of the input as int8: a uint8 input is flipped.
        weights: int8 `layer.weight_shape`.
        bias: int32 (out_channels,).
        scale: float32 (out_channels,), see `golden.multiplier`; None for INT32 output.
    """

    layer: ConvLayer
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class TransposedConvolution(Convolution):
    """ConvTranspose, as a convolution of stride 1 over an input that was spread.

    Between the pixels of the input, `stride - 1` zero points are put; `layer` and `weights`, which
    are turned by half a circle, are those of the convolution that follows.
    """

    stride: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Layer):
    """A window over height and width; one axis is a row of height 1.

    Attributes:
        padding: never wins a maximum. Windows may reach further at the bottom and the right, as far
            as the shape of the output asks for (ceil_mode).
    """

    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Pool):
    """The largest value of each window."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool(Pool):
    """The mean of each window, with the float32 roundings of ONNX Runtime.

    Attributes:
        count_include_pad: padding counts as zeros; else the mean is that of real pixels.
    """

    count_include_pad: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalAveragePool(Layer):
    """The mean of each channel."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Layer):
    """Sum of two tensors that broadcast, each with its scale, as QLinearAdd of ONNX Runtime.

    The order of the inputs matters: the second one is scaled and rounded first.

    Attributes:
        clamp: (low, high) applied last, in the range of the output, or None.
    """

    clamp: Pair | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Layer):
    """Product of two tensors that broadcast, as QLinearMul of ONNX Runtime."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Layer):
    """A function of each byte.

    Attributes:
        table: (256,) of the output's type; entry 0 is for the smallest value of the input's type.
    """

    table: AnyArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """Joins tensors of one scale and zero point along an axis."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(Layer):
    """Repeats each element `factors[axis]` times along each axis (nearest neighbour)."""

    factors: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Layer):
    """Same bytes in the order of the ONNX axes, another shape. Flatten, Squeeze, Unsqueeze too."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Layer):
    """Axis i of the output is axis `permutation[i]` of the input."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Layer):
    """Elements starts, starts + steps, ... of each axis, as many as the output has."""

    starts: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Layer):
    """Adds `pads[axis]` (before, after) elements of one value."""

    pads: tuple[Pair, ...]
    value: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelShuffle(Layer):
    """Channel c of the output is channel (c % groups) * (channels / groups) + c / groups."""

    groups: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Host(Layer):
    """What has no integer form; the host computes it as ONNX Runtime does.

    Attributes:
        op_type: of the ONNX operator.
        reason: why it is not an integer layer.
        model: serialised ONNX model whose inputs and outputs are named like those of the layer.
        attributes: of a single float operator; empty where the model has more than one node.
    """

    op_type: str
    reason: str
    model: bytes
    attributes: dict[str, Any] = field(default_factory=dict)
