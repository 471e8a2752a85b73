# SPDX-License-Identifier: Apache-2.0
"""Imports Conv, ConvTranspose, Gemm, MatMul, ConvInteger and MatMulInteger."""

from __future__ import annotations

import dataclasses

import numpy as np

from lineconv.errors import InvalidInputError, InvalidLayerError
from lineconv.graph.context import Context
from lineconv.graph.layers import AnyArray, Convolution, TransposedConvolution
from lineconv.graph.source import Node
from lineconv.graph.values import Constant, Stored
from lineconv.graph.weighted import (
    FLOAT_SUMS,
    Operands,
    int8_weights,
    read_operands,
    signed_zero_point,
)
from lineconv.graph.windows import numbers, window_padding
from lineconv.layer import ConvLayer, OutputType, Pair

__all__ = [
    "convert_conv",
    "convert_conv_integer",
    "convert_conv_transpose",
    "convert_gemm",
    "convert_mat_mul",
    "convert_mat_mul_integer",
]


def convert_conv(ctx: Context, node: Node) -> str | None:
    """Conv."""
    operands = read_operands(ctx, node, channel_axis=0)
    if isinstance(operands, str):
        return operands
    layer = _geometry(ctx, node, operands.weights, signed_zero_point(operands.x))
    if isinstance(layer, str):
        return layer
    return _finish(ctx, node, operands, layer, operands.weights)


def convert_conv_transpose(ctx: Context, node: Node) -> str | None:
    """ConvTranspose, as the convolution of a spread input with weights turned by half a circle."""
    operands = read_operands(ctx, node, channel_axis=1)
    if isinstance(operands, str):
        return operands
    x, y = ctx.shape(node.inputs[0]), ctx.shape(node.outputs[0])
    axes = len(x) - 2
    if axes not in (1, 2):
        return f"a kernel of {axes} axes"
    groups = node.attributes.get("group", 1)
    weights = _four_axes(operands.weights)
    kernel = weights.shape[2:]
    per_group = weights.reshape(groups, -1, *weights.shape[1:]).swapaxes(1, 2)
    turned = np.ascontiguousarray(per_group.reshape(-1, x[1] // groups, *kernel)[..., ::-1, ::-1])
    if operands.weight_scale.size > 1:
        scale = np.tile(operands.weight_scale, groups)
        operands = dataclasses.replace(operands, weight_scale=scale)
    stride, dilation = numbers(node, "strides", axes), numbers(node, "dilations", axes)
    before = _transposed_pads(node, x[2:], y[2:], kernel)
    sizes = [(n - 1) * s + 1 for n, s in zip((1, *x[2:])[-2:], stride, strict=True)]
    padding: list[Pair] = []
    for axis, target in enumerate((1, *y[2:])[-2:]):
        span = dilation[axis] * (kernel[axis] - 1)
        first = span - before[axis]
        last = target - 1 + span + 1 - sizes[axis] - first
        if min(first, last) < 0:
            return "padding beyond the kernel"
        padding.append((first, last))
    try:
        layer = ConvLayer(
            x[1], y[1], sizes[0], sizes[1], (kernel[0], kernel[1]), dilation=dilation,
            padding=(padding[0], padding[1]), groups=groups,
            x_zero_point=signed_zero_point(operands.x),
        )  # fmt: skip
    except InvalidLayerError as error:
        return str(error)
    operands = dataclasses.replace(operands, remark=FLOAT_SUMS)
    return _finish(ctx, node, operands, layer, turned, stride)


def _transposed_pads(
    node: Node, x: tuple[int, ...], y: tuple[int, ...], kernel: tuple[int, ...]
) -> Pair:
    """What ONNX cuts off at the top and the left."""
    axes = len(x)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    shaped = bool(node.attributes.get("output_shape"))
    if automatic == "NOTSET" and not shaped:
        pads = tuple(node.attributes.get("pads") or (0,) * (2 * axes))
        return (0 if axes == 1 else pads[0], pads[axes - 1])
    if automatic == "VALID" and not shaped:
        return (0, 0)
    stride, dilation = numbers(node, "strides", axes), numbers(node, "dilations", axes)
    extra = numbers(node, "output_padding", axes, 0)
    cut = [0, 0]
    for axis in range(axes):
        place = axis + 2 - axes
        span = dilation[place] * (kernel[place] - 1) + 1
        total = max(stride[place] * (x[axis] - 1) + extra[place] + span - y[axis], 0)
        cut[place] = total // 2 if automatic == "SAME_UPPER" else total - total // 2
    return (cut[0], cut[1])


def convert_gemm(ctx: Context, node: Node) -> str | None:
    """Gemm with constant weights: a 1x1 convolution."""
    given = node.attributes
    if given.get("transA", 0) or (given.get("alpha", 1.0), given.get("beta", 1.0)) != (1.0, 1.0):
        return "transA, alpha or beta"
    operands = read_operands(ctx, node, channel_axis=0 if given.get("transB", 0) else 1)
    if isinstance(operands, str):
        return operands
    weights = operands.weights if given.get("transB", 0) else operands.weights.T
    return _matrix(ctx, node, operands, weights)


def convert_mat_mul(ctx: Context, node: Node) -> str | None:
    """MatMul with constant weights: a 1x1 convolution."""
    operands = read_operands(ctx, node, channel_axis=-1)
    if isinstance(operands, str):
        return operands
    if operands.weights.ndim != 2 or len(ctx.shape(node.inputs[0])) < 2:
        return "weights that are no matrix"
    return _matrix(ctx, node, operands, operands.weights.T)


def convert_conv_integer(ctx: Context, node: Node) -> str | None:
    """ConvInteger: int32 accumulators."""
    found = _integer_operands(ctx, node, channel_axis=0)
    if isinstance(found, str):
        return found
    weights, zero_point = found
    layer = _geometry(ctx, node, weights, zero_point)
    if isinstance(layer, str):
        return layer
    _finish_integer(ctx, node, layer, weights)
    return None


def convert_mat_mul_integer(ctx: Context, node: Node) -> str | None:
    """MatMulInteger with constant weights: int32 accumulators."""
    found = _integer_operands(ctx, node, channel_axis=1)
    if isinstance(found, str):
        return found
    weights, zero_point = found
    if weights.ndim != 2 or len(ctx.shape(node.inputs[0])) < 2:
        return "weights that are no matrix"
    kernel = np.ascontiguousarray(weights.T)[:, :, None, None]
    layer = ConvLayer(kernel.shape[1], len(kernel), 1, 1, (1, 1), x_zero_point=zero_point)
    _finish_integer(ctx, node, layer, kernel)
    return None


def _integer_operands(ctx: Context, node: Node, channel_axis: int) -> tuple[AnyArray, int] | str:
    """int8 weights, and the zero point of the input as int8."""
    x, w = (ctx.values[name] for name in node.inputs[:2])
    if not isinstance(w, Constant):
        raise InvalidInputError(f"{node}: its weights {node.inputs[1]!r} must be constant")
    if not isinstance(x, Stored):
        return "its input is a constant"
    x_zero, w_zero = ctx.constant(node, 2), ctx.constant(node, 3)
    if x_zero is not None and x_zero.size != 1:
        return "a zero point for each row"
    centred = w.array.astype(np.int64)
    if w_zero is not None:
        shape = [-1 if i == channel_axis and w_zero.size > 1 else 1 for i in range(w.array.ndim)]
        centred = centred - w_zero.astype(np.int64).reshape(shape)
    weights = int8_weights(centred)
    if weights is None:
        return "weights less zero point that do not fit int8"
    zero_point = 0 if x_zero is None else int(x_zero.item())
    return weights, signed_zero_point(dataclasses.replace(x.tensor, zero_point=zero_point))


def _finish_integer(ctx: Context, node: Node, layer: ConvLayer, weights: AnyArray) -> None:
    (output,) = node.outputs
    x, y = ctx.stored(node.inputs[0]), ctx.source.tensors[output]
    ctx.finish(
        Convolution(
            name=node.name, inputs=(x,), outputs=(y,), weights=_four_axes(weights), scale=None,
            layer=dataclasses.replace(layer, output=OutputType.INT32),
            bias=np.zeros(layer.out_channels, np.int32),
        )
    )  # fmt: skip


def _four_axes(weights: AnyArray) -> AnyArray:
    """A row of one axis has height 1."""
    return weights[:, :, None] if weights.ndim == 3 else weights


def _geometry(ctx: Context, node: Node, weights: AnyArray, zero_point: int) -> ConvLayer | str:
    x, y = ctx.shape(node.inputs[0]), ctx.shape(node.outputs[0])
    axes = len(x) - 2
    if axes not in (1, 2):
        return f"a kernel of {axes} axes"
    kernel = _four_axes(weights).shape
    padding = window_padding(node, x[2:], y[2:], (kernel[2], kernel[3]))
    if isinstance(padding, str):
        return padding
    try:
        return ConvLayer.from_shapes(
            (x[0], x[1], *(1, *x[2:])[-2:]),
            kernel,
            stride=numbers(node, "strides", axes),
            dilation=numbers(node, "dilations", axes),
            padding=padding,
            groups=node.attributes.get("group", 1),
            x_zero_point=zero_point,
        )
    except InvalidLayerError as error:  # kernel or stride beyond the engine's
        return str(error)


def _matrix(ctx: Context, node: Node, operands: Operands, weights: AnyArray) -> str | None:
    kernel = np.ascontiguousarray(weights)[:, :, None, None]
    zero_point = signed_zero_point(operands.x)
    layer = ConvLayer(kernel.shape[1], len(kernel), 1, 1, (1, 1), x_zero_point=zero_point)
    return _finish(ctx, node, operands, layer, kernel)


def _finish(
    ctx: Context,
    node: Node,
    operands: Operands,
    layer: ConvLayer,
    weights: AnyArray,
    stride: Pair | None = None,
) -> str | None:
    """Add the layer; `stride` is that of a transposed convolution."""
    channels, end = layer.out_channels, operands.end
    bias = operands.bias(ctx, node, 2, channels)
    if isinstance(bias, str):
        return bias
    scaled = dataclasses.replace(
        layer, output=operands.output_type, y_zero_point=end.tensor.zero_point, clamp=end.clamp
    )
    plain = Convolution(
        name=node.name, inputs=(operands.x,), outputs=(end.tensor,), layer=scaled,
        weights=_four_axes(weights), bias=bias, scale=operands.scale(channels),
        remark=operands.remark,
    )  # fmt: skip
    ctx.finish(
        plain if stride is None else TransposedConvolution(**vars(plain), stride=stride), end
    )
    return None
