# SPDX-License-Identifier: Apache-2.0
"""Folding: the packed bytes against the definition, and the folded layer against the layer."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import Convolution, convolutions

from lineconv import golden
from lineconv.fold import fold_layer, fold_weights, pack_folded
from lineconv.layer import ConvLayer
from lineconv.packing import row_stride

_Element = TypeVar("_Element", np.int8, np.uint8)


def folded_image(
    x: npt.NDArray[_Element], layer: ConvLayer, zero_point: int
) -> npt.NDArray[_Element]:
    """The folded image as the module defines it, one input row at a time."""
    kernel_height, group_channels = layer.kernel[0], layer.in_channels // layer.groups
    shape = (len(x), kernel_height * layer.in_channels, layer.out_height, layer.in_width)
    folded = np.full(shape, zero_point, x.dtype)
    for channel in range(layer.in_channels):
        group, c = divmod(channel, group_channels)
        for ky in range(kernel_height):
            for oh in range(layer.out_height):
                row = oh * layer.stride[0] + ky * layer.dilation[0] - layer.padding[0][0]
                if 0 <= row < layer.in_height:
                    at = (group * kernel_height + ky) * group_channels + c
                    folded[:, at, oh] = x[:, channel, row]
    return folded


@settings(max_examples=200, deadline=None)
@given(st.data(), convolutions(max_macs=100_000), st.sampled_from([8, 16]))
def test_any_channels_of_the_folded_image(
    data: st.DataObject, convolution: Convolution, beat_bytes: int
) -> None:
    layer, x = convolution.layer, convolution.tensors()["x"]
    zero_point = convolution.arguments()["x_zero_point"]
    expected = folded_image(x, layer, zero_point)
    start = data.draw(st.integers(0, expected.shape[1] - 1))
    stop = data.draw(st.integers(start + 1, expected.shape[1]))
    part = expected[:, start:stop].transpose(0, 2, 3, 1)
    row_bytes = layer.in_width * (stop - start)
    rows = np.full((*part.shape[:2], row_stride(row_bytes, beat_bytes)), 0xA5, np.uint8)
    pack_folded(x, layer, range(start, stop), zero_point, rows.reshape(-1), beat_bytes)
    assert (rows[..., :row_bytes] == part.reshape(*part.shape[:2], -1).view(np.uint8)).all()
    assert (rows[..., row_bytes:] == 0xA5).all()


@settings(max_examples=200, deadline=None)
@given(convolutions(max_macs=100_000))
def test_folded_layer_computes_the_same(convolution: Convolution) -> None:
    layer, tensors = convolution.layer, convolution.tensors()
    x = (tensors["x"] ^ 0x80).view(np.int8) if convolution.unsigned else tensors["x"]
    folded = fold_layer(layer)
    assert folded.kernel == (1, layer.kernel[1])
    assert folded.macs == layer.macs
    acc = golden.conv2d_accumulate(
        folded_image(x, layer, layer.x_zero_point), fold_weights(tensors["w"]), None, folded
    )
    assert (acc == golden.conv2d_accumulate(x, tensors["w"], None, layer)).all()
