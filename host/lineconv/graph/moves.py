# SPDX-License-Identifier: Apache-2.0
"""Imports operators that move the values of one tensor."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from lineconv.graph import arithmetic, layers
from lineconv.graph.context import Context
from lineconv.graph.layers import AnyArray, Tensor
from lineconv.graph.move import alike, move
from lineconv.graph.source import Node, build_model
from lineconv.graph.values import Constant, Real, Stored
from lineconv.onnx_session import int8_session

__all__ = [
    "convert_depth_to_space",
    "convert_gather",
    "convert_pad",
    "convert_reshape",
    "convert_resize",
    "convert_slice",
    "convert_split",
    "convert_transpose",
]


def convert_reshape(ctx: Context, node: Node) -> str | None:
    """Reshape, Flatten, Squeeze, Unsqueeze, Identity, and Dropout, which does nothing here."""
    if len(node.outputs) > 1 or (node.op_type == "Dropout" and node.input(2)):
        return "Dropout with a mask or in training"
    return move(ctx, node, layers.Reshape)


def convert_transpose(ctx: Context, node: Node) -> str | None:
    """Transpose."""
    axes = len(ctx.shape(node.inputs[0]))
    permutation = tuple(node.attributes.get("perm", range(axes)[::-1]))
    return move(ctx, node, layers.Transpose, permutation=permutation)


def convert_slice(ctx: Context, node: Node) -> str | None:
    """Slice with constant bounds."""
    shape = ctx.shape(node.inputs[0])
    given = [ctx.constant(node, place) for place in range(1, 5)]
    assert given[0] is not None
    assert given[1] is not None
    axes = range(len(given[0])) if given[2] is None else given[2].tolist()
    steps = [1] * len(given[0]) if given[3] is None else given[3].tolist()
    starts, strides = [0] * len(shape), [1] * len(shape)
    for axis, start, stop, step in zip(
        axes, given[0].tolist(), given[1].tolist(), steps, strict=True
    ):
        # An end far below zero means: to the very first element.
        stop = None if step < 0 and stop < -shape[axis] else stop
        starts[axis], _, strides[axis] = slice(start, stop, step).indices(shape[axis])
    return move(ctx, node, layers.Slice, starts=tuple(starts), steps=tuple(strides))


def convert_split(ctx: Context, node: Node) -> str | None:
    """Split: one Slice for each output."""
    shape = ctx.shape(node.inputs[0])
    axis = node.attributes.get("axis", 0) % len(shape)
    starts = [0] * len(shape)
    for output in node.outputs:
        reason = move(
            ctx, node, layers.Slice, output=output, starts=tuple(starts), steps=(1,) * len(shape)
        )
        if reason is not None:
            return reason
        starts[axis] += ctx.shape(output)[axis]
    return None


def convert_gather(ctx: Context, node: Node) -> str | None:
    """Gather of one index, or of indices at equal distances: a Slice."""
    value = ctx.values[node.inputs[1]]
    if not isinstance(value, Constant):
        return "indices that are not constant"
    shape = ctx.shape(node.inputs[0])
    axis = node.attributes.get("axis", 0) % len(shape)
    indices = value.array.astype(np.int64) % shape[axis]
    if indices.ndim > 1:
        return "indices of more than one axis"
    flat = indices.reshape(-1)
    distances = np.unique(np.diff(flat))
    if len(distances) > 1 or (len(distances) == 1 and not distances[0]) or not len(flat):
        return "indices at unequal distances"
    starts, steps = [0] * len(shape), [1] * len(shape)
    starts[axis], steps[axis] = int(flat[0]), int(distances[0]) if len(distances) else 1
    if indices.ndim == 1:
        return move(ctx, node, layers.Slice, starts=tuple(starts), steps=tuple(steps))
    kept, output = (*shape[:axis], 1, *shape[axis + 1 :]), node.outputs[0]
    ctx.source.tensors[f"{output}/slice"] = dataclasses.replace(
        ctx.source.tensors[output], name=f"{output}/slice", shape=kept
    )
    starts_, steps_ = tuple(starts), tuple(steps)
    reason = move(ctx, node, layers.Slice, output=f"{output}/slice", starts=starts_, steps=steps_)
    return reason or move(ctx, node, layers.Reshape, x=f"{output}/slice")


def convert_pad(ctx: Context, node: Node) -> str | None:
    """Pad with a constant."""
    if node.attributes.get("mode", "constant") != "constant":
        return f"mode {node.attributes['mode']}"
    shape = ctx.shape(node.inputs[0])
    amounts, fill, given = (ctx.constant(node, place) for place in (1, 2, 3))
    assert amounts is not None
    axes = range(len(shape)) if given is None else [int(axis) % len(shape) for axis in given]
    pads = [(0, 0)] * len(shape)
    for place, axis in enumerate(axes):
        pads[axis] = (int(amounts[place]), int(amounts[place + len(amounts) // 2]))
    if min(min(pair) for pair in pads) < 0:
        return "negative pads"
    value = ctx.values[node.inputs[0]]
    number: Any = 0 if fill is None else fill.item()
    if isinstance(value, Real):
        if value.chain:
            return "an activation before Pad"
        quantised = arithmetic.quantize(np.array([number], np.float32), value.tensor)
        end = ctx.end(node.outputs[0])
        exact = arithmetic.dequantize(quantised, value.tensor)[0] == np.float32(number)
        if not exact and not (end and len(end.nodes) == 1 and alike(end.tensor, value.tensor)):
            return f"a fill of {number}, which is no value of the tensor"
        number = int(quantised[0])
    elif not isinstance(value, Stored) or value.tensor.dtype == np.float32:
        return "Pad of values that are not int8"
    return move(ctx, node, layers.Pad, pads=tuple(pads), value=number)


def convert_resize(ctx: Context, node: Node) -> str | None:
    """Resize that repeats each pixel; ONNX Runtime says whether it does, on numbered pixels."""
    shape, target = ctx.shape(node.inputs[0]), ctx.shape(node.outputs[0])
    if node.attributes.get("mode", "nearest") != "nearest":
        return f"mode {node.attributes['mode']}"
    if any(size % old for size, old in zip(target, shape, strict=True)):
        return f"from {shape} to {target}, which is no whole factor"
    factors = tuple(size // old for size, old in zip(target, shape, strict=True))
    count = math.prod(shape)
    if count >= 2**24:
        return "too many pixels to number them in float32"
    numbers: AnyArray = np.arange(count, dtype=np.float32).reshape(shape)
    names = {name: ctx.values[name] for name in node.inputs[1:] if name}
    constants = {name: v.array for name, v in names.items() if isinstance(v, Constant)}
    if len(constants) < len(names):
        return "sizes that are not constant"
    x = Tensor(node.inputs[0], shape, numbers.dtype)
    y = Tensor(node.outputs[0], target, numbers.dtype)
    model = build_model([node.proto], constants, [x], [y], ctx.source.opsets)
    moved = int8_session(model).run(None, {x.name: numbers})[0]
    expected = numbers
    for axis, factor in enumerate(factors):
        expected = np.repeat(expected, factor, axis)
    if not np.array_equal(moved, expected):
        return "its nearest pixels are not those of repetition"
    return move(ctx, node, layers.Resize, factors=factors)


def convert_depth_to_space(ctx: Context, node: Node) -> str | None:
    """DepthToSpace and SpaceToDepth: Reshape, Transpose, Reshape."""
    batch, channels, height, width = ctx.shape(node.inputs[0])
    block = node.attributes["blocksize"]
    if node.op_type == "SpaceToDepth":
        split = (batch, channels, height // block, block, width // block, block)
        permutation = (0, 3, 5, 1, 2, 4)
    elif node.attributes.get("mode", "DCR") == "DCR":
        split = (batch, block, block, channels // block**2, height, width)
        permutation = (0, 3, 4, 1, 5, 2)
    else:
        split = (batch, channels // block**2, block, block, height, width)
        permutation = (0, 1, 4, 2, 5, 3)
    (output,) = node.outputs
    steps = [(f"{output}/split", split), (f"{output}/turned", tuple(split[i] for i in permutation))]
    for name, shape in steps:
        ctx.source.tensors[name] = dataclasses.replace(
            ctx.source.tensors[output], name=name, shape=shape
        )
    return (
        move(ctx, node, layers.Reshape, output=steps[0][0])
        or move(
            ctx, node, layers.Transpose, x=steps[0][0], output=steps[1][0], permutation=permutation
        )
        or move(ctx, node, layers.Reshape, x=steps[1][0])
    )
