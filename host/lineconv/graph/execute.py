# SPDX-License-Identifier: Apache-2.0
"""Runs one layer in NumPy, bit by bit as ONNX Runtime (docs/numerics.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lineconv import golden
from lineconv.graph import arithmetic, layers, pooling
from lineconv.graph.host import run_host
from lineconv.graph.layers import AnyArray, Layer
from lineconv.packing import ceil_div

__all__ = ["run_layer"]


def run_layer(layer: Layer, values: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The outputs of a layer by name; `values` holds its inputs by name."""
    arrays = [values[tensor.name] for tensor in layer.inputs]
    if isinstance(layer, layers.Host):
        return run_host(layer, arrays)
    (output,) = layer.outputs
    result = _RUN[type(layer)](layer, *arrays)
    return {output.name: np.ascontiguousarray(result.reshape(output.shape))}


def _convolution(layer: layers.Convolution, x: AnyArray) -> AnyArray:
    geometry = layer.layer
    shape = (-1, geometry.in_channels, geometry.in_height, geometry.in_width)
    return golden.conv2d(
        arithmetic.as_int8(x).reshape(shape), layer.weights, layer.bias, layer.scale, geometry
    )


def _transposed_convolution(layer: layers.TransposedConvolution, x: AnyArray) -> AnyArray:
    geometry = layer.layer
    shape = (geometry.in_channels, geometry.in_height, geometry.in_width)
    pixels = [ceil_div(size, step) for size, step in zip(shape[1:], layer.stride, strict=True)]
    images = arithmetic.as_int8(x).reshape(-1, geometry.in_channels, *pixels)
    spread = np.full((len(images), *shape), geometry.x_zero_point, np.int8)
    spread[:, :, :: layer.stride[0], :: layer.stride[1]] = images
    return golden.conv2d(spread, layer.weights, layer.bias, layer.scale, geometry)


def _concat(layer: layers.Concat, *arrays: AnyArray) -> AnyArray:
    return np.concatenate(arrays, layer.axis)


def _resize(layer: layers.Resize, x: AnyArray) -> AnyArray:
    for axis, factor in enumerate(layer.factors):
        x = np.repeat(x, factor, axis) if factor > 1 else x
    return x


def _reshape(_layer: layers.Reshape, x: AnyArray) -> AnyArray:
    return x


def _transpose(layer: layers.Transpose, x: AnyArray) -> AnyArray:
    return x.transpose(layer.permutation)


def _slice(layer: layers.Slice, x: AnyArray) -> AnyArray:
    sizes = layer.outputs[0].shape
    for axis, (start, step, size) in enumerate(zip(layer.starts, layer.steps, sizes, strict=True)):
        x = x.take(start + step * np.arange(size), axis)
    return x


def _pad(layer: layers.Pad, x: AnyArray) -> AnyArray:
    return np.pad(x, layer.pads, constant_values=layer.value)


def _channel_shuffle(layer: layers.ChannelShuffle, x: AnyArray) -> AnyArray:
    return x.reshape(len(x), layer.groups, -1, *x.shape[2:]).swapaxes(1, 2)


_RUN: dict[type[Layer], Callable[..., Any]] = {
    layers.Quantize: arithmetic.run_quantize,
    layers.Dequantize: arithmetic.run_dequantize,
    layers.Convolution: _convolution,
    layers.TransposedConvolution: _transposed_convolution,
    layers.MaxPool: pooling.max_pool,
    layers.AveragePool: pooling.average_pool,
    layers.GlobalAveragePool: pooling.global_average_pool,
    layers.Add: arithmetic.run_add,
    layers.Mul: arithmetic.run_mul,
    layers.Table: arithmetic.run_table,
    layers.Concat: _concat,
    layers.Resize: _resize,
    layers.Reshape: _reshape,
    layers.Transpose: _transpose,
    layers.Slice: _slice,
    layers.Pad: _pad,
    layers.ChannelShuffle: _channel_shuffle,
}
