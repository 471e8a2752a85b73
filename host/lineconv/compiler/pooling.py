# SPDX-License-Identifier: Apache-2.0
"""Pooling: the largest value of a window, or the mean by a convolution with equal weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, product
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.compiler.averages import exact_average
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.images import OTHER_ORDER, read_images, window
from lineconv.compiler.lowering import HostOnlyError, Lowering, formats, left_to_host
from lineconv.compiler.memory import default_shape
from lineconv.compiler.vector import windows
from lineconv.compiler.view import View
from lineconv.graph.layers import AveragePool, GlobalAveragePool, MaxPool, Pool
from lineconv.graph.weighted import signed_zero_point
from lineconv.layer import MAX_KERNEL_HEIGHT, MAX_KERNEL_WIDTH, ConvLayer
from lineconv.regs import Kind

__all__ = ["lower_average_pool", "lower_global_average_pool", "lower_max_pool"]

_LOWEST = -128  # padding that never wins: as the engine sees bytes, also of uint8


def lower_max_pool(ctx: Lowering, layer: MaxPool) -> DeviceTensor:
    """The maximum of products with 1."""
    source = read_images(ctx, layer.inputs[0])
    shape = default_shape(ctx.result.shape)
    y = ctx.memory.write(ctx.result, shape, shape[0])
    output, zero_point = formats(source.dtype)
    _emit(
        ctx, Kind.MAX_POOL, layer, (source, y.view), (range(shape[1]), range(shape[2])),
        x_zero_point=_LOWEST, y_zero_point=zero_point, output=output,
    )  # fmt: skip
    return y


def lower_average_pool(ctx: Lowering, layer: AveragePool) -> DeviceTensor:
    """Regions of results with equally many pixels, each of which has its multiplier."""
    x, z = layer.inputs[0], layer.outputs[0]
    source = read_images(ctx, x)
    shape = default_shape(ctx.result.shape)
    y = ctx.memory.write(ctx.result, shape, shape[0])
    output, _ = formats(z.dtype)
    runs = [list(_runs(layer, axis, shape[1 + axis], source.shape[1 + axis])) for axis in (0, 1)]
    for (rows, row_pixels), (columns, column_pixels) in product(*runs):
        count = row_pixels * column_pixels
        average = exact_average(x, z, count)
        if isinstance(average, str):
            raise HostOnlyError(average)
        _emit(
            ctx, Kind.DEPTHWISE, layer, (source, y.view), (rows, columns),
            weight=average.weight, bias=average.bias, scale=average.multiplier,
            x_zero_point=signed_zero_point(x), y_zero_point=average.zero_point, output=output,
        )  # fmt: skip
    return y


def lower_global_average_pool(ctx: Lowering, layer: GlobalAveragePool) -> DeviceTensor:
    """A depthwise convolution whose kernel is the image, in whatever shape that fits."""
    source, z = layer.inputs[0], layer.outputs[0]
    batch, channels = source.shape[:2]
    x = ctx.memory.read(source)
    view = x.view.as_images(batch) if (x.outer, x.view.channels) == (batch, channels) else None
    if view is None:
        raise HostOnlyError(OTHER_ORDER)
    pixels = view.height * view.width
    fitting = [
        shaped
        for rows in (view.height, *range(1, MAX_KERNEL_HEIGHT + 1))
        if (shaped := view.with_rows(rows, ctx.array.beat_bytes)) is not None
        and shaped.height <= MAX_KERNEL_HEIGHT
        and shaped.width <= MAX_KERNEL_WIDTH
    ]
    if not fitting or pixels > ctx.array.weight_words:
        raise HostOnlyError(f"an image of {view.height} x {view.width} is no kernel of the engine")
    kernel = fitting[0]
    y = ctx.memory.write(ctx.result, (batch, 1, 1, channels), batch)
    output, _ = formats(z.dtype)
    geometry = ConvLayer(
        channels, channels, kernel.height, kernel.width, (kernel.height, kernel.width),
        groups=channels, x_zero_point=signed_zero_point(source), y_zero_point=z.zero_point,
        output=output,
    )  # fmt: skip
    factor = np.float32(source.scale) / np.float32(z.scale) / np.float32(pixels)
    windows(ctx, Kind.DEPTHWISE, geometry, kernel, y.view, *_equal(geometry, 1, 0, factor))
    return y


def _equal(
    geometry: ConvLayer, weight: int, bias: int, scale: float | np.float32
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """One weight for all taps, and one bias and scale for all channels."""
    channels = geometry.out_channels
    weights = np.full(geometry.weight_shape, weight, np.int8)
    return weights, np.full(channels, bias, np.int32), np.full(channels, scale, np.float32)


def _runs(layer: AveragePool, axis: int, outputs: int, size: int) -> Iterator[tuple[range, int]]:
    """Neighbouring results along an axis whose windows have so many pixels."""
    first = np.arange(outputs) * layer.stride[axis] - layer.padding[axis][0]
    taps = np.arange(layer.kernel[axis]) * layer.dilation[axis]
    places = first[:, np.newaxis] + taps
    inside = ((places >= 0) & (places < size)).sum(1)
    if layer.count_include_pad:
        inside[:] = layer.kernel[axis]
    start = 0
    for count, run in groupby(inside.tolist()):
        stop = start + len(list(run))
        yield range(start, stop), count
        start = stop


def _emit(
    ctx: Lowering,
    kind: Kind,
    layer: Pool,
    views: tuple[View, View],
    outputs: tuple[range, range],
    weight: int = 1,
    bias: int = 0,
    scale: float | np.float32 = 1.0,
    **numbers: Any,
) -> None:
    """The results in some rows and columns, with equal weights.

    Args:
        views: of the whole input and result.
        numbers: formats of the layer.
    """
    source, target = views
    parts, padding = [], []
    for axis in (0, 1):
        span = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        before = layer.padding[axis][0]
        pixels, around = window(
            outputs[axis], source.shape[1 + axis], span, layer.stride[axis], before
        )
        parts.append(pixels)
        padding.append(around)
    channels = source.channels
    with left_to_host():
        geometry = ConvLayer(
            channels, channels, len(parts[0]), len(parts[1]), layer.kernel, layer.stride,
            layer.dilation, (padding[0], padding[1]), channels, **numbers,
        )  # fmt: skip
    windows(
        ctx, kind, geometry, source.spatial_part(*parts), target.spatial_part(*outputs),
        *_equal(geometry, weight, bias, scale),
    )  # fmt: skip
