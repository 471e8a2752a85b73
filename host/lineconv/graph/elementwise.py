# SPDX-License-Identifier: Apache-2.0
"""Imports QuantizeLinear, DequantizeLinear, functions of one element, Add and Mul."""

from __future__ import annotations

import itertools
import math

from lineconv.errors import InvalidInputError
from lineconv.graph.context import Context
from lineconv.graph.layers import Add, Mul, Quantize, Reshape, Tensor
from lineconv.graph.source import Node
from lineconv.graph.values import Constant, ConstantReal, Real, Stored

__all__ = ["convert_binary", "convert_chain", "convert_dequantize", "convert_quantize"]

OTHER_ORDER = (
    "ONNX Runtime scales the other input first if it moves channels last: its result may differ "
    "by one"
)


def convert_quantize(ctx: Context, node: Node) -> str | None:
    """QuantizeLinear: a layer on float, a table behind a chain, or nothing."""
    scale, zero_point = ctx.parameters(node)
    value = ctx.values[node.inputs[0]]
    if scale.size != 1 or not isinstance(value, (Real, Stored)):
        return "scale per channel" if scale.size != 1 else "QuantizeLinear of a constant"
    y = ctx.quantised(node, scale, zero_point)
    if isinstance(value, Stored):
        if value.tensor.dtype != "float32":
            return f"QuantizeLinear of {value.tensor.dtype}"
        ctx.finish(Quantize(name=node.name, inputs=(value.tensor,), outputs=(y,)))
        return None
    result = ctx.requantised(value, y, y.name)
    ctx.values[y.name] = Stored(result)
    if y.name in ctx.source.outputs and result.name != y.name:  # it needs this name
        ctx.finish(Reshape(name=node.name, inputs=(result,), outputs=(y,)))
    return None


def convert_dequantize(ctx: Context, node: Node) -> str | None:
    """DequantizeLinear: says how to read a tensor."""
    scale, zero_point = ctx.parameters(node)
    name = node.inputs[0]
    value = ctx.values[name]
    if isinstance(value, Constant):
        axis = node.attributes.get("axis", 1) % max(value.array.ndim, 1)
        ctx.values[node.outputs[0]] = ConstantReal(value.array, scale, zero_point, axis)
        return None
    if not isinstance(value, Stored):
        raise InvalidInputError(f"{node}: its input {name!r} is not quantised")
    if scale.size != 1 or value.tensor.dtype not in ("int8", "uint8"):
        return "scale per channel" if scale.size != 1 else f"{value.tensor.dtype} accumulators"
    tensor = Tensor(
        value.tensor.name, value.tensor.shape, value.tensor.dtype,
        float(scale.item()), int(zero_point.item()),
    )  # fmt: skip
    ctx.values[node.outputs[0]] = Real(tensor, (), node.outputs, node.outputs[0])
    return None


def convert_chain(ctx: Context, node: Node) -> str | None:
    """A function of one element of one tensor; other inputs are single constants."""
    reals: list[Real] = []
    for name in filter(None, node.inputs):
        value = ctx.values[name]
        if isinstance(value, Real):
            reals.append(value)
        elif not isinstance(value, Constant):
            return "a float operator on values that are not int8"
        elif value.array.size != 1:
            return "a float operator with a constant of many elements"
    if not reals or any(value.tensor != reals[0].tensor for value in reals):
        return "a float operator on more than one tensor"
    (output,) = node.outputs
    if ctx.shape(output) != reals[0].tensor.shape:
        return "a float operator that changes the shape"
    ctx.values[output] = Real(
        reals[0].tensor,
        tuple(dict.fromkeys([n for value in reals for n in value.chain] + [node])),
        tuple(dict.fromkeys(name for value in reals for name in value.sources)),
        output,
    )
    return None


def convert_binary(ctx: Context, node: Node) -> str | None:
    """Add and Mul of two quantised tensors, one of which may be constant."""
    values = [ctx.values[name] for name in node.inputs]
    if any(isinstance(value, Constant) or getattr(value, "chain", ()) for value in values):
        return convert_chain(ctx, node)
    if not all(isinstance(value, (Real, ConstantReal)) for value in values):
        return "a float operator on values that are not int8"
    end = ctx.end(node.outputs[0])
    if end is None:
        return "no QuantizeLinear reads its result"
    if end.clamp is not None:
        return "an activation before QuantizeLinear makes ONNX Runtime compute it in float32"
    tensors = []
    for name, value in zip(node.inputs, values, strict=True):
        if isinstance(value, Real):
            tensors.append(value.tensor)
            continue
        assert isinstance(value, ConstantReal)
        if value.scale.size != 1:
            return "a constant with a scale per channel"
        scale, zero_point = float(value.scale.item()), int(value.zero_point.item())
        tensors.append(ctx.constant_tensor(f"{name}/quantised", value.array, scale, zero_point))
    if len({tensor.dtype for tensor in (*tensors, end.tensor)}) > 1:
        return "int8 and uint8 meet"
    if node.op_type == "Mul":
        ctx.finish(Mul(name=node.name, inputs=tuple(tensors), outputs=(end.tensor,)), end)
        return None
    first, second = tensors
    remark = ""
    if _stands_still(first.shape, second.shape):
        tensors.reverse()
        remark = OTHER_ORDER if math.prod(first.shape) > 1 and len(end.tensor.shape) > 2 else ""
    add = Add(name=node.name, inputs=tuple(tensors), outputs=(end.tensor,), remark=remark)
    ctx.finish(add, end)
    return None


def _stands_still(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """The first of two shapes that broadcast has one element where the second has a row of them."""
    for a, b in itertools.zip_longest(first[::-1], second[::-1], fillvalue=1):
        if max(a, b) > 1:
            return a == 1
    return False
