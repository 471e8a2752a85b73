# SPDX-License-Identifier: Apache-2.0
"""Convolutions and matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.images import OTHER_ORDER, view_images
from lineconv.compiler.lowering import HostOnlyError, Lowering, left_to_host
from lineconv.compiler.vector import windows
from lineconv.compiler.view import View
from lineconv.errors import InvalidLayerError
from lineconv.fold import fold_layer, fold_weights
from lineconv.graph.layers import Convolution
from lineconv.layer import MAX_KERNEL_HEIGHT, ConvLayer
from lineconv.packing import ceil_div
from lineconv.regs import Kind
from lineconv.tiling import tile_layer

__all__ = ["emit_convolution", "lower_convolution"]

Weights = npt.NDArray[np.int8]

# The host writes the folded image, which is larger: it must be clearly quicker.
_FOLDED_SHARE = 0.9


def lower_convolution(ctx: Lowering, layer: Convolution) -> DeviceTensor:
    """A convolution, or a matrix product as a convolution of single pixels."""
    geometry, source = layer.layer, layer.inputs[0]
    channels, height, width = geometry.in_channels, geometry.in_height, geometry.in_width
    images = math.prod(source.shape) // (channels * height * width)
    result = (images, geometry.out_height, geometry.out_width, geometry.out_channels)
    if ctx.memory.on_host_only(source) and _is_quicker_folded(ctx, geometry):
        zero_point = geometry.x_zero_point + (128 if source.dtype == np.uint8 else 0)
        folded = ctx.memory.read_folded(source, geometry, zero_point)
        y = ctx.memory.write(ctx.result, result, images)
        emit_convolution(
            ctx, layer, fold_layer(geometry), fold_weights(layer.weights), folded, y.view
        )
        return y
    x = ctx.memory.read(source, (images, height, width, channels))
    if x.outer == images and x.view.channels == channels:
        if _is_pointwise(geometry):
            return _pointwise(ctx, layer, x)
        view = view_images(ctx, x, (images, height, width, channels))
        y = ctx.memory.write(ctx.result, result, images)
        emit_convolution(ctx, layer, geometry, layer.weights, view, y.view)
        return y
    if x.outer == images and x.view.channels * x.inner == channels and height == width == 1:
        return _flattened(ctx, layer, x)
    raise HostOnlyError(OTHER_ORDER)


def emit_convolution(
    ctx: Lowering,
    layer: Convolution,
    geometry: ConvLayer,
    weights: Weights,
    source: View,
    target: View,
) -> None:
    """An operation of the geometry, with bias and scale of the layer."""
    groups, channels = geometry.groups, geometry.in_channels
    depthwise = groups > 1 and groups == channels == geometry.out_channels
    scale = np.ones(len(layer.bias), np.float32) if layer.scale is None else layer.scale
    if depthwise:
        windows(ctx, Kind.DEPTHWISE, geometry, source, target, weights, layer.bias, scale)
    else:
        ctx.emit(Kind.CONV, geometry, [source], target, weights, layer.bias, scale, ctx.table)


def _is_pointwise(geometry: ConvLayer) -> bool:
    sizes = (geometry.out_height, geometry.out_width)
    return geometry.kernel == (1, 1) and sizes == (geometry.in_height, geometry.in_width)


def _is_quicker_folded(ctx: Lowering, geometry: ConvLayer) -> bool:
    """The host should fold the kernel rows of an image that it packs."""
    if geometry.kernel[0] == 1 or geometry.groups > 1:
        return False

    def cycles(layer: ConvLayer) -> float:
        try:
            return tile_layer(layer, ctx.array, ctx.model, host_input=False).cycles
        except InvalidLayerError:
            return math.inf

    return cycles(fold_layer(geometry)) < _FOLDED_SHARE * cycles(geometry)


# --- single pixels ------------------------------------------------------------------------------


def _pointwise(ctx: Lowering, layer: Convolution, x: DeviceTensor) -> DeviceTensor:
    """A 1x1 convolution: pixels may be arranged in any way."""
    geometry = layer.layer
    y = ctx.memory.write(ctx.result, (*x.view.shape[:3], geometry.out_channels), x.outer)
    if ceil_div(geometry.in_channels, ctx.array.input_lanes) > ctx.array.weight_words:
        _deep(ctx, layer, x.view, y.view)
        return y
    views = (x.view.stacked(), y.view.stacked())
    source, target = (x.view, y.view) if None in views else views
    assert source is not None
    assert target is not None
    sized = replace(geometry, in_height=source.height, in_width=source.width)
    emit_convolution(ctx, layer, sized, layer.weights, source, target)
    return y


def _deep(ctx: Lowering, layer: Convolution, source: View, target: View) -> None:
    """A matrix product with more inputs than the weight buffer has words for: one pixel as an image
    of several rows, for each of which it has. Beyond the inputs, bytes meet zero weights."""
    array, channels = ctx.array, layer.layer.in_channels
    if (source.height, source.width, layer.layer.groups) != (1, 1, 1):
        raise HostOnlyError(f"{channels} input channels are too many for the weight buffer")
    rows = ceil_div(channels, array.weight_words * array.input_lanes)
    row_bytes = ceil_div(channels, rows * array.beat_bytes) * array.beat_bytes
    last = (source.batch - 1) * source.image_stride
    ctx.memory.extend(source, last + rows * row_bytes)
    padded = np.zeros((len(layer.weights), rows * row_bytes), np.int8)
    padded[:, :channels] = layer.weights.reshape(-1, channels)
    tall = replace(
        source, height=rows, channels=row_bytes, row_stride=row_bytes, pixel_stride=row_bytes
    )
    weights = padded.reshape(-1, rows, row_bytes).swapaxes(1, 2)[..., np.newaxis]
    _one_pixel(ctx, layer, tall, np.ascontiguousarray(weights), target)


def _flattened(ctx: Lowering, layer: Convolution, x: DeviceTensor) -> DeviceTensor:
    """A matrix product of flattened images: its kernel is the image, in one of several shapes."""
    images = x.outer
    view = x.view.as_images(images)
    if view is None:
        raise HostOnlyError(OTHER_ORDER)
    y = ctx.memory.write(ctx.result, (images, 1, 1, layer.layer.out_channels), images)
    trials: list[Lowering] = []
    problem = HostOnlyError(f"its images of {view.height} x {view.width} pixels are too large")
    for shaped, weights in _kernels(view, layer.weights, ctx.array.beat_bytes):
        trial = ctx.trial()
        try:
            _one_pixel(trial, layer, shaped, weights, y.view)
            trials.append(trial)
        except HostOnlyError as error:
            problem = error
    if not trials:
        raise problem
    ctx.operations += min(trials, key=lambda trial: trial.cycles).operations
    return y


def _kernels(view: View, weights: Weights, beat_bytes: int) -> Iterator[tuple[View, Weights]]:
    """Images, and weights (O, C * H * W, 1, 1) in the shape of their kernel: rows of bytes where
    pixels lie side by side."""
    outputs, pixels = len(weights), view.height * view.width
    by_pixel = weights.reshape(outputs, view.channels, pixels)
    if not view.adjacent and view.width > 1:
        yield view, by_pixel.reshape(outputs, view.channels, view.height, view.width)
        return
    rows_of_bytes = by_pixel.swapaxes(1, 2)
    for rows in range(1, MAX_KERNEL_HEIGHT + 1):
        shaped = view.with_rows(rows, beat_bytes)
        if shaped is not None and (shaped.adjacent or shaped.width == 1):
            kernel = rows_of_bytes.reshape(outputs, rows, -1).swapaxes(1, 2)
            yield shaped.merged(shaped.width), np.ascontiguousarray(kernel)[..., np.newaxis]


def _one_pixel(
    ctx: Lowering, layer: Convolution, source: View, weights: Weights, target: View
) -> None:
    """A convolution whose kernel is the image."""
    with left_to_host():
        geometry = replace(
            layer.layer,
            in_channels=source.channels,
            in_height=source.height,
            in_width=source.width,
            kernel=(source.height, source.width),
        )
    emit_convolution(ctx, layer, geometry, weights, source, target)
