# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions, as one convolution for each phase of the result.

The graph has them as convolutions of an image with zeros between its pixels. A result pixel in row
`stride * t + r` meets pixels of the image only under every `step`-th kernel row, always the same
ones for a phase `r`; so with columns. The phases skip the zeros, and write to every `stride`-th row
and column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from lineconv.compiler.convolutions import emit_convolution
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.images import view_images, window
from lineconv.compiler.lowering import Lowering, left_to_host
from lineconv.graph.layers import TransposedConvolution
from lineconv.layer import Pair
from lineconv.packing import ceil_div

__all__ = ["lower_transposed"]


@dataclass(frozen=True)
class _Phase:
    """Along one axis.

    Attributes:
        outputs: places in the result.
        taps: of the kernel.
        zeros: taps of weight 0 behind them.
        dilation: from one tap to the next, in pixels.
        pixels: of the image that they meet.
        padding: before and behind these.
    """

    outputs: range
    taps: range
    zeros: int
    dilation: int
    pixels: range
    padding: Pair


def lower_transposed(ctx: Lowering, layer: TransposedConvolution) -> DeviceTensor:
    """A transposed convolution."""
    geometry, source = layer.layer, layer.inputs[0]
    height, width = (
        ceil_div(size, stride)
        for size, stride in zip((geometry.in_height, geometry.in_width), layer.stride, strict=True)
    )
    images = math.prod(source.shape) // (geometry.in_channels * height * width)
    shape = (images, height, width, geometry.in_channels)
    view = view_images(ctx, ctx.memory.read(source, shape), shape)
    result = (images, geometry.out_height, geometry.out_width, geometry.out_channels)
    y = ctx.memory.write(ctx.result, result, images)
    for rows, columns in product(_phases(layer, 0, height), _phases(layer, 1, width)):
        if rows.taps and columns.taps:
            weights = layer.weights[
                :, :, rows.taps.start : rows.taps.stop : rows.taps.step,
                columns.taps.start : columns.taps.stop : columns.taps.step,
            ]  # fmt: skip
            weights = np.pad(weights, ((0, 0), (0, 0), (0, rows.zeros), (0, columns.zeros)))
        else:  # no pixel of the image is met: the bias alone
            rows, columns = _constant(rows, height), _constant(columns, width)
            weights = np.zeros((*layer.weights.shape[:2], 1, 1), np.int8)
        with left_to_host():
            part = replace(
                geometry,
                in_height=len(rows.pixels),
                in_width=len(columns.pixels),
                kernel=(weights.shape[2], weights.shape[3]),
                dilation=(rows.dilation, columns.dilation),
                padding=(rows.padding, columns.padding),
            )
        emit_convolution(
            ctx, layer, part, weights,
            view.spatial_part(rows.pixels, columns.pixels),
            y.view.spatial_part(rows.outputs, columns.outputs),
        )  # fmt: skip
    return y


def _phases(layer: TransposedConvolution, axis: int, size: int) -> Iterator[_Phase]:
    """All that have results. `size`: pixels of the image along the axis."""
    geometry = layer.layer
    kernel, dilation = geometry.kernel[axis], geometry.dilation[axis]
    stride, before = layer.stride[axis], geometry.padding[axis][0]
    total = (geometry.out_height, geometry.out_width)[axis]
    step = stride // math.gcd(stride, dilation)
    for phase in range(min(stride, total)):
        outputs = range(phase, total, stride)
        # Tap k of result `stride * t + phase` lies on pixel t + (phase - before + k * dilation)
        # / stride of the image, if that is a whole number.
        first = next(
            (k for k in range(min(step, kernel)) if (phase - before + k * dilation) % stride == 0),
            kernel,
        )
        taps = range(first, kernel, step)
        offset = (phase - before + first * dilation) // stride
        apart = step * dilation // stride
        # The engine pads no more rows than lie under a kernel.
        zeros = max(0, ceil_div(-offset, apart) + 1 - len(taps)) if taps else 0
        span = apart * (len(taps) + zeros - 1) + 1
        pixels, padding = window(range(len(outputs)), size, span, 1, -offset)
        if not pixels:
            taps = range(0)
        yield _Phase(outputs, taps, zeros, apart, pixels, padding)


def _constant(phase: _Phase, size: int) -> _Phase:
    """Results that do not depend on the image; a kernel of 1 needs something to read."""
    count = len(phase.outputs)
    pixels = range(min(size, count))
    return replace(phase, dilation=1, pixels=pixels, padding=(0, count - len(pixels)))
