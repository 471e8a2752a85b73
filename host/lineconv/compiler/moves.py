# SPDX-License-Identifier: Apache-2.0
"""Layers that move values: views where the bytes are right as they lie, else copies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from lineconv.compiler.channel_order import shuffled_channels
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.images import OTHER_ORDER, read_images
from lineconv.compiler.lowering import HostOnlyError, Lowering, formats
from lineconv.compiler.memory import default_shape
from lineconv.compiler.parts import MAX_AXES, concat_spans, pad_spans, part
from lineconv.compiler.vector import copy
from lineconv.compiler.view import View
from lineconv.graph.layers import (
    ChannelShuffle,
    Concat,
    Layer,
    Pad,
    Reshape,
    Resize,
    Slice,
    Tensor,
    Transpose,
)
from lineconv.layer import ConvLayer
from lineconv.regs import Kind

__all__ = [
    "lower_channel_shuffle",
    "lower_concat",
    "lower_pad",
    "lower_reshape",
    "lower_resize",
    "lower_slice",
    "lower_transpose",
]

_TURNED = "the engine cannot turn axes round"


def lower_reshape(ctx: Lowering, layer: Reshape) -> DeviceTensor:
    """The same bytes."""
    x = _in_memory(ctx, layer)
    return DeviceTensor(ctx.result, x.view, x.outer)


def lower_transpose(ctx: Lowering, layer: Transpose) -> DeviceTensor:
    """The same bytes, if only the channels take another place among the axes."""
    x = _in_memory(ctx, layer)
    shape = layer.inputs[0].shape
    before = [math.prod(shape[:axis]) for axis in range(len(shape) + 1)]
    ends = (x.outer, x.outer * x.view.channels)
    if not set(ends) <= set(before):
        raise HostOnlyError(OTHER_ORDER)
    order = [axis for axis in layer.permutation if shape[axis] > 1]
    channels = [axis for axis in sorted(order) if ends[0] <= before[axis] < ends[1]]
    pixels = [axis for axis in order if axis not in channels]
    start = order.index(channels[0]) if channels else 0
    if order[start : start + len(channels)] != channels or pixels != sorted(pixels):
        raise HostOnlyError(_TURNED)
    outer = math.prod(shape[axis] for axis in order[:start])
    return DeviceTensor(ctx.result, x.view, outer)


def lower_slice(ctx: Lowering, layer: Slice) -> DeviceTensor:
    """A part of the view; channels that do not lie side by side are gathered."""
    _in_memory(ctx, layer)
    view = _with_axes(ctx, layer.inputs[0])
    spans = [
        range(start, start + step * size, step) if size > 1 else range(start, start + 1)
        for start, step, size in zip(layer.starts, layer.steps, ctx.result.shape, strict=True)
    ]
    axis = min(1, len(spans) - 1)
    channels = spans[axis]
    if any(span.step < 0 for place, span in enumerate(spans) if place != axis):
        raise HostOnlyError(_TURNED)
    batch = len(spans[0]) if axis else 1
    if channels.step == 1:
        return DeviceTensor(ctx.result, part(view, spans), batch)
    spans[axis] = range(view.channels)
    source = part(view, spans)
    y = ctx.memory.write(ctx.result, (*source.shape[:3], len(channels)), batch)
    _gather(ctx, source, y.view, channels)
    return y


def lower_pad(ctx: Lowering, layer: Pad) -> DeviceTensor:
    """A copy into a buffer whose border never changes, if the input was not written there."""
    _few_axes(ctx.result)
    whole = ctx.memory.whole(ctx.result, layer.value)
    _place(ctx, layer.inputs[0], part(whole, pad_spans(layer)))
    return DeviceTensor(ctx.result, whole, whole.batch)


def lower_concat(ctx: Lowering, layer: Concat) -> DeviceTensor:
    """Copies of those inputs that were not written to their places."""
    _few_axes(ctx.result)
    whole = ctx.memory.whole(ctx.result)
    for tensor, spans in concat_spans(layer):
        _place(ctx, tensor, part(whole, spans))
    return DeviceTensor(ctx.result, whole, whole.batch)


def lower_resize(ctx: Lowering, layer: Resize) -> DeviceTensor:
    """A copy for each place that a pixel has among its repetitions."""
    if layer.factors[:2] != (1, 1):
        raise HostOnlyError("it repeats channels or images")
    source = _with_axes(ctx, layer.inputs[0])
    shape = default_shape(ctx.result.shape)
    y = ctx.memory.write(ctx.result, shape, shape[0])
    steps = (1, *layer.factors[2:])[-2:]
    for row, column in product(*map(range, steps)):
        phase = y.view.spatial_part(
            range(row, shape[1], steps[0]), range(column, shape[2], steps[1])
        )
        copy(ctx, source, phase, ctx.table)
    return y


def lower_channel_shuffle(ctx: Lowering, layer: ChannelShuffle) -> DeviceTensor:
    """A 1x1 convolution with a permutation."""
    source = _with_axes(ctx, layer.inputs[0])
    y = ctx.memory.write(ctx.result, source.shape, source.batch)
    _gather(ctx, source, y.view, shuffled_channels(layer).tolist())
    return y


def _in_memory(ctx: Lowering, layer: Layer) -> DeviceTensor:
    """The input, if the engine made it."""
    if ctx.memory.on_host_only(layer.inputs[0]):
        raise HostOnlyError("its input is on the host, which moves it before it packs it")
    return ctx.memory.read(layer.inputs[0])


def _few_axes(tensor: Tensor) -> None:
    if len(tensor.shape) > MAX_AXES:
        raise HostOnlyError(f"a tensor of {len(tensor.shape)} axes")


def _with_axes(ctx: Lowering, tensor: Tensor) -> View:
    """The view of a tensor each of whose axes is one of the view's."""
    _few_axes(tensor)
    return read_images(ctx, tensor)


def _place(ctx: Lowering, tensor: Tensor, target: View) -> None:
    """Copy a tensor to its place, if it is not there."""
    x = ctx.memory.read(tensor)
    if x.view == target:
        return
    source = read_images(ctx, tensor)
    copy(ctx, source, target)


def _gather(ctx: Lowering, source: View, target: View, channels: Sequence[int]) -> None:
    """Some channels, by a 1x1 convolution with one weight of 1 for each."""
    views = (source.stacked(), target.stacked())
    if views[0] is not None and views[1] is not None:
        source, target = views[0], views[1]
    output, zero_point = formats(source.dtype)
    geometry = ConvLayer(
        source.channels, len(channels), source.height, source.width, (1, 1),
        y_zero_point=zero_point, output=output,
    )  # fmt: skip
    weights = np.zeros(geometry.weight_shape, np.int8)
    weights[np.arange(len(channels)), list(channels)] = 1
    count = len(channels)
    ctx.emit(
        Kind.CONV, geometry, [source], target, weights, np.zeros(count, np.int32),
        np.ones(count, np.float32), ctx.table,
    )  # fmt: skip
