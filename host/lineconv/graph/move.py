# SPDX-License-Identifier: Apache-2.0
"""Moves values: the common part of the operators that do nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

from lineconv.graph import layers
from lineconv.graph.context import Context
from lineconv.graph.execute import run_layer
from lineconv.graph.layers import Layer, Tensor
from lineconv.graph.source import Node
from lineconv.graph.values import Constant, ConstantReal, Real, Stored

__all__ = ["alike", "move"]


def move(
    ctx: Context,
    node: Node,
    kind: type[Layer],
    *,
    output: str | None = None,
    x: str | None = None,
    **fields: Any,
) -> str | None:
    """Add a layer that moves the values of `x` (default: the first input) to `output`.

    Real values stay so: the quantised tensor behind them is moved.
    """
    output = output or node.outputs[0]
    value = ctx.values[x or node.inputs[0]]
    shape = ctx.shape(output)
    if isinstance(value, (Constant, ConstantReal)):
        return _move_constant(ctx, node, kind, output, value, fields)
    source = value.tensor
    if isinstance(value, Stored):
        result = dataclasses.replace(source, name=output, shape=shape)
        ctx.finish(kind(name=node.name, inputs=(source,), outputs=(result,), **fields))
        return None
    end = None if value.chain else ctx.end(output)
    same = end is not None and len(end.nodes) == 1 and alike(end.tensor, source)
    name = end.tensor.name if end is not None and same else f"{output}/quantised"
    result = dataclasses.replace(source, name=name, shape=shape)
    ctx.finish(
        kind(name=node.name, inputs=(source,), outputs=(result,), **fields), end if same else None
    )
    if not same:
        result_name = value.result if value.chain else output
        sources = value.sources if value.chain else (output,)
        ctx.values[output] = Real(result, value.chain, sources, result_name)
    return None


def alike(a: Tensor, b: Tensor) -> bool:
    return (a.dtype, a.scale, a.zero_point) == (b.dtype, b.scale, b.zero_point)


def _move_constant(
    ctx: Context,
    node: Node,
    kind: type[Layer],
    output: str,
    value: Constant | ConstantReal,
    fields: dict[str, Any],
) -> str | None:
    x = Tensor("x", value.array.shape, value.array.dtype)
    y = dataclasses.replace(x, name="y", shape=ctx.shape(output))
    layer = kind(name=node.name, inputs=(x,), outputs=(y,), **fields)
    moved = run_layer(layer, {"x": value.array})["y"]
    if isinstance(value, Constant):
        ctx.values[output] = Constant(moved)
        return None
    axis = value.axis
    if value.scale.size > 1:
        if kind is not layers.Transpose:
            return "moves a constant with a scale per channel"
        axis = fields["permutation"].index(axis)
    ctx.values[output] = ConstantReal(moved, value.scale, value.zero_point, axis)
    return None
