# SPDX-License-Identifier: Apache-2.0
"""Networks of depthwise and pointwise convolutions."""

from __future__ import annotations

from typing import Any

from lineconv.packing import ceil_div
from lineconv.zoo.builder import Builder, Tensor

__all__ = ["mobilenet_v1", "mobilenet_v2"]


def mobilenet_v1(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """MobileNet (Howard et al. 2017): names, ReLU6 and `SAME` padding of the TensorFlow model."""
    net = Builder("mobilenet_v1", (1, 3, input_size, input_size), seed)
    x = net.relu6(_conv_same(net, net.input, 32, stride=2, groups=1, name="Conv2d_0"))
    layers = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    layers += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for index, (channels, stride) in enumerate(layers, start=1):
        name = f"Conv2d_{index}"
        depthwise = _conv_same(net, x, x.channels, stride, x.channels, f"{name}_depthwise")
        x = net.relu6(net.conv(net.relu6(depthwise), channels, 1, name=f"{name}_pointwise"))
    x = net.conv(net.global_average_pool(x), classes, 1, gain=1, name="Conv2d_1c_1x1")
    return net.model([net.flatten(x)])


def mobilenet_v2(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """MobileNetV2 (Sandler et al. 2018) as in torchvision."""
    net = Builder("mobilenet_v2", (1, 3, input_size, input_size), seed)
    x = net.relu6(net.conv(net.input, 32, 3, stride=2, padding=1, name="features.0.0"))
    index = 1
    for expansion, channels, blocks, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for block in range(blocks):
            block_stride = stride if block == 0 else 1
            x = _inverted_residual(net, x, expansion, channels, block_stride, f"features.{index}")
            index += 1
    x = net.relu6(net.conv(x, 1280, 1, name="features.18.0"))
    x = net.flatten(net.global_average_pool(x))
    return net.model([net.linear(x, classes, gain=1, name="classifier.1")])


def _conv_same(
    net: Builder, x: Tensor, channels: int, stride: int, groups: int, name: str
) -> Tensor:
    """A 3x3 convolution with TensorFlow's `SAME` padding: the odd pixel at the end."""
    size = x.shape[2]
    total = max((ceil_div(size, stride) - 1) * stride + 3 - size, 0)
    begin, end = total // 2, total - total // 2
    pads = (begin, begin, end, end)
    return net.conv(x, channels, 3, stride=stride, padding=pads, groups=groups, name=name)


def _inverted_residual(
    net: Builder, x: Tensor, expansion: int, channels: int, stride: int, name: str
) -> Tensor:
    """1x1 to more channels, 3x3 depthwise, 1x1 to few channels without an activation."""
    inner, layer, y = x.channels * expansion, 0, x
    if expansion != 1:
        y = net.relu6(net.conv(y, inner, 1, name=f"{name}.conv.{layer}.0"))
        layer += 1
    y = net.conv(y, inner, 3, stride=stride, padding=1, groups=inner, name=f"{name}.conv.{layer}.0")
    residual = stride == 1 and x.channels == channels
    # A branch adds half of the second moment of its input: sums stay in range.
    gain = 0.5 if residual else 1
    y = net.conv(net.relu6(y), channels, 1, gain=gain, name=f"{name}.conv.{layer + 1}")
    return net.add(x, y, name=f"{name}.add") if residual else y
