# SPDX-License-Identifier: Apache-2.0
"""Windows over height and width, from the attributes of ONNX; imports pooling."""

from __future__ import annotations

from typing import Any

from lineconv.errors import InvalidInputError
from lineconv.graph import layers
from lineconv.graph.context import Context
from lineconv.graph.move import move
from lineconv.graph.source import Node
from lineconv.graph.values import Real, Stored
from lineconv.layer import Padding, Pair

__all__ = [
    "convert_average_pool",
    "convert_global_average_pool",
    "convert_global_max_pool",
    "convert_max_pool",
    "numbers",
    "window_padding",
]


def numbers(node: Node, name: str, axes: int, default: int = 1) -> Pair:
    """An attribute with one number for each axis, as (height, width)."""
    given = tuple(node.attributes.get(name) or (default,) * axes)
    return (1 if axes == 1 else given[0], given[-1])


def window_padding(
    node: Node, x: tuple[int, ...], y: tuple[int, ...], kernel: Pair
) -> Padding | str:
    """((top, bottom), (left, right)) of a window that makes sizes y of sizes x.

    Text says why there is none: ONNX Runtime moves the first window where strides skip pixels.
    """
    axes = len(x)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    pads = tuple(node.attributes.get("pads") or (0,) * (2 * axes))
    if automatic in ("NOTSET", "VALID"):
        pads = pads if automatic == "NOTSET" else (0,) * (2 * axes)
        pairs = [(pads[axis], pads[axis + axes]) for axis in range(axes)]
    else:
        pairs = []
        stride, dilation = numbers(node, "strides", axes), numbers(node, "dilations", axes)
        for axis in range(axes):
            place = axis + 2 - axes
            span = dilation[place] * (kernel[place] - 1) + 1
            total = (y[axis] - 1) * stride[place] + span - x[axis]
            if total < 0:
                return f"auto_pad {automatic} with strides that skip pixels"
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if automatic == "SAME_UPPER" else (large, small))
    if axes == 1:
        pairs = [(0, 0), *pairs]
    return (pairs[0], pairs[1])


def _window(ctx: Context, node: Node) -> dict[str, Any] | str:
    """Fields of a pool layer, or why there is none."""
    x, y = ctx.shape(node.inputs[0])[2:], ctx.shape(node.outputs[0])[2:]
    axes = len(x)
    if axes not in (1, 2):
        return f"a window over {axes} axes"
    kernel, stride = numbers(node, "kernel_shape", axes), numbers(node, "strides", axes)
    padding = window_padding(node, x, y, kernel)
    if isinstance(padding, str):
        return padding
    for axis in range(axes):
        same = node.attributes.get("auto_pad", "").startswith("SAME")
        before = 0 if same else padding[axis + 2 - axes][0]
        if (y[axis] - 1) * stride[axis + 2 - axes] >= x[axis] + before:
            raise InvalidInputError(
                f"{node}: its last window lies outside of the input; ONNX has it in a result of "
                f"{y[axis]}, ONNX Runtime leaves it out"
            )
    dilation = numbers(node, "dilations", axes)
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}


def convert_max_pool(ctx: Context, node: Node) -> str | None:
    """MaxPool of bytes. An order of real numbers is that of the bytes behind them."""
    window = _window(ctx, node)
    if isinstance(window, str):
        return window
    if len(node.outputs) > 1 and node.outputs[1]:
        return "indices as a second result"
    return _max_pool(ctx, node, window)


def convert_global_max_pool(ctx: Context, node: Node) -> str | None:
    """GlobalMaxPool."""
    sizes = ctx.shape(node.inputs[0])[2:]
    if len(sizes) not in (1, 2):
        return f"a window over {len(sizes)} axes"
    kernel = (1, *sizes)[-2:]
    none: Padding = ((0, 0), (0, 0))
    window = {"kernel": kernel, "stride": (1, 1), "dilation": (1, 1), "padding": none}
    return _max_pool(ctx, node, window)


def _max_pool(ctx: Context, node: Node, window: dict[str, Any]) -> str | None:
    value = ctx.values[node.inputs[0]]
    if isinstance(value, Real):
        if any(step.op_type not in ("Relu", "Clip") for step in value.chain):
            return "a function before it that may not keep the order"
    elif not isinstance(value, Stored) or value.tensor.dtype not in ("int8", "uint8"):
        return "MaxPool of values that are not int8"
    return move(ctx, node, layers.MaxPool, **window)


def convert_average_pool(ctx: Context, node: Node) -> str | None:
    """AveragePool."""
    window = _window(ctx, node)
    if isinstance(window, str):
        return window
    counted = bool(node.attributes.get("count_include_pad", 0))
    return _average(ctx, node, layers.AveragePool, window | {"count_include_pad": counted})


def convert_global_average_pool(ctx: Context, node: Node) -> str | None:
    """GlobalAveragePool."""
    return _average(ctx, node, layers.GlobalAveragePool, {})


def _average(
    ctx: Context, node: Node, kind: type[layers.Layer], fields: dict[str, Any]
) -> str | None:
    value, end = ctx.values[node.inputs[0]], ctx.end(node.outputs[0])
    if not isinstance(value, Real) or value.chain:
        return "an average of values that are not int8"
    if end is None:
        return "no QuantizeLinear reads its result"
    if end.clamp is not None or value.tensor.dtype != end.tensor.dtype:
        return "ONNX Runtime computes it in float32 here"
    ctx.finish(kind(name=node.name, inputs=(value.tensor,), outputs=(end.tensor,), **fields), end)
    return None
