# SPDX-License-Identifier: Apache-2.0
"""Residual networks, with the names of torchvision."""

from __future__ import annotations

from typing import Any

from lineconv.zoo.builder import Builder, Tensor

__all__ = ["resnet18", "resnet50", "resnext50_32x4d"]

STAGE_CHANNELS = (64, 128, 256, 512)
# A branch adds a fifth to the second moment of its input, so that 16 blocks do not blow it up.
BRANCH_GAIN = 0.2


def resnet18(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """ResNet-18 (He et al. 2016)."""
    net = Builder("resnet18", (1, 3, input_size, input_size), seed)
    x = _stem(net)
    for stage, channels in enumerate(STAGE_CHANNELS, start=1):
        for block in range(2):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _basic_block(net, x, channels, stride, f"layer{stage}.{block}")
    return _classifier(net, x, classes)


def resnet50(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """ResNet-50 v1.5: as He et al. 2016, but the 3x3 convolution has the stride."""
    return _bottleneck_network("resnet50", input_size, classes, seed, groups=1, width=64)


def resnext50_32x4d(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """ResNeXt-50 32x4d (Xie et al. 2017): 3x3 convolutions in 32 groups."""
    return _bottleneck_network("resnext50_32x4d", input_size, classes, seed, groups=32, width=128)


def _bottleneck_network(
    name: str, input_size: int, classes: int, seed: int, *, groups: int, width: int
) -> Any:
    """`width`: channels of the 3x3 convolutions of the first stage."""
    net = Builder(name, (1, 3, input_size, input_size), seed)
    x = _stem(net)
    for stage, (channels, blocks) in enumerate(
        zip(STAGE_CHANNELS, (3, 4, 6, 3), strict=True), start=1
    ):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            inner = channels * width // 64
            x = _bottleneck(net, x, inner, 4 * channels, stride, groups, f"layer{stage}.{block}")
    return _classifier(net, x, classes)


def _stem(net: Builder) -> Tensor:
    x = net.relu(net.conv(net.input, 64, 7, stride=2, padding=3, name="conv1"))
    return net.max_pool(x, 3, stride=2, padding=1)


def _classifier(net: Builder, x: Tensor, classes: int) -> Any:
    x = net.flatten(net.global_average_pool(x))
    return net.model([net.linear(x, classes, gain=1, name="fc")])


def _basic_block(net: Builder, x: Tensor, channels: int, stride: int, name: str) -> Tensor:
    y = net.relu(net.conv(x, channels, 3, stride=stride, padding=1, name=f"{name}.conv1"))
    y = net.conv(y, channels, 3, padding=1, gain=BRANCH_GAIN, name=f"{name}.conv2")
    return _join(net, x, y, stride, name)


def _bottleneck(
    net: Builder, x: Tensor, inner: int, outer: int, stride: int, groups: int, name: str
) -> Tensor:
    y = net.relu(net.conv(x, inner, 1, name=f"{name}.conv1"))
    y = net.conv(y, inner, 3, stride=stride, padding=1, groups=groups, name=f"{name}.conv2")
    y = net.conv(net.relu(y), outer, 1, gain=BRANCH_GAIN, name=f"{name}.conv3")
    return _join(net, x, y, stride, name)


def _join(net: Builder, x: Tensor, y: Tensor, stride: int, name: str) -> Tensor:
    if x.shape != y.shape:
        x = net.conv(x, y.channels, 1, stride=stride, gain=1, name=f"{name}.downsample.0")
    return net.relu(net.add(y, x, name=f"{name}.add"))
