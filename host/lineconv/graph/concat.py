# SPDX-License-Identifier: Apache-2.0
"""Imports Concat."""

from __future__ import annotations

import dataclasses

from lineconv.graph import arithmetic, layers
from lineconv.graph.context import Context
from lineconv.graph.move import alike
from lineconv.graph.source import Node
from lineconv.graph.values import ConstantReal, Real

__all__ = ["convert_concat"]


def convert_concat(ctx: Context, node: Node) -> str | None:
    """Concat; inputs of another scale than the result go through a table first."""
    (output,) = node.outputs
    axis = node.attributes["axis"] % len(ctx.shape(output))
    values = [ctx.values[name] for name in node.inputs]
    if all(isinstance(value, (Real, ConstantReal)) for value in values):
        end = ctx.end(output)
        if end is None or end.clamp is not None:
            return _concat_real(ctx, node, axis)
        tensors = []
        for i, (name, value) in enumerate(zip(node.inputs, values, strict=True)):
            label = f"{node.name}/input{i}"
            if isinstance(value, Real):
                tensors.append(ctx.requantised(value, end.tensor, label))
            else:
                assert isinstance(value, ConstantReal)
                array = arithmetic.quantize(value.real(), end.tensor)
                scale, zero_point = end.tensor.scale, end.tensor.zero_point
                tensors.append(ctx.constant_tensor(f"{name}/quantised", array, scale, zero_point))
        ctx.finish(
            layers.Concat(name=node.name, inputs=tuple(tensors), outputs=(end.tensor,), axis=axis),
            end,
        )
        return None
    tensors = [ctx.stored(name) for name in node.inputs]
    result = dataclasses.replace(tensors[0], name=output, shape=ctx.shape(output))
    ctx.finish(layers.Concat(name=node.name, inputs=tuple(tensors), outputs=(result,), axis=axis))
    return None


def _concat_real(ctx: Context, node: Node, axis: int) -> str | None:
    """Concat that no QuantizeLinear follows: of bytes if all scales are equal."""
    values = [ctx.values[name] for name in node.inputs]
    first = values[0]
    if not isinstance(first, Real) or not all(
        isinstance(v, Real) and not v.chain and alike(v.tensor, first.tensor) for v in values
    ):
        return "inputs of several scales and no QuantizeLinear behind"
    (output,) = node.outputs
    tensors = tuple(value.tensor for value in values if isinstance(value, Real))
    result = dataclasses.replace(tensors[0], name=f"{output}/quantised", shape=ctx.shape(output))
    ctx.finish(layers.Concat(name=node.name, inputs=tensors, outputs=(result,), axis=axis))
    ctx.values[output] = Real(result, (), (output,), output)
    return None
