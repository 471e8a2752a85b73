# SPDX-License-Identifier: Apache-2.0
"""Sums of two tensors."""

from __future__ import annotations

import numpy as np

from lineconv.compiler.add_search import find_add
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.images import OTHER_ORDER
from lineconv.compiler.lowering import HostOnlyError, Lowering, formats
from lineconv.compiler.vector import copy, elementwise_views
from lineconv.compiler.view import View
from lineconv.graph.layers import Add
from lineconv.layer import ConvLayer
from lineconv.regs import Kind

__all__ = ["lower_add"]


def lower_add(ctx: Lowering, layer: Add) -> DeviceTensor:
    """A sum with one multiplier and integer coefficients, which is equal for all pairs of bytes."""
    (first, second), z = layer.inputs, layer.outputs[0]
    if first.shape != second.shape:
        raise HostOnlyError("one of its inputs is repeated along an axis")
    numbers = find_add(layer)
    if numbers is None:
        raise HostOnlyError("no integer coefficients were found that equal its float32 arithmetic")
    a, b = (ctx.memory.read(tensor) for tensor in layer.inputs)
    if a.view.shape != b.view.shape or a.outer != b.outer:
        raise HostOnlyError(OTHER_ORDER)
    y = ctx.memory.write(ctx.result, a.view.shape, a.outer)
    sources = _alike(ctx, a.view, b.view)
    *merged, target = elementwise_views((*sources, y.view), ctx.array)
    channels = target.channels
    geometry = ConvLayer(
        channels, channels, target.height, target.width, (1, 1), groups=channels,
        y_zero_point=numbers.zero_point, output=formats(z.dtype)[0], clamp=layer.clamp,
    )  # fmt: skip
    ctx.emit(
        Kind.ADD, geometry, merged, target, numbers.digits,
        np.full(channels, numbers.bias, np.int32),
        np.full(channels, numbers.multiplier, np.float32), ctx.table,
    )  # fmt: skip
    return y


def _alike(ctx: Lowering, a: View, b: View) -> tuple[View, View]:
    """The two with equal strides and places in a beat, as the engine wants them: copies where they
    are not."""
    beat_bytes = ctx.array.beat_bytes
    if a.strides == b.strides and a.offset % beat_bytes == b.offset % beat_bytes:
        return a, b
    dense = []
    for view in (a, b):
        target = ctx.memory.scratch(view)
        if (target.strides, 0) == (view.strides, view.offset % beat_bytes):
            target = view
        else:
            copy(ctx, view, target)
        dense.append(target)
    return dense[0], dense[1]
