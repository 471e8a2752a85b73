# SPDX-License-Identifier: Apache-2.0
"""Plain stacks of convolutions: LeNet, VGG-16, SqueezeNet."""

from __future__ import annotations

from typing import Any

from lineconv.zoo.builder import Builder, Tensor

__all__ = ["lenet", "squeezenet1_1", "vgg16"]


def lenet(input_size: int = 8, classes: int = 10, seed: int = 0) -> Any:
    """The shape of LeNet-5 (LeCun et al. 1998), for 8x8 digits.

    Two convolutions with pooling, then fully connected layers; 3x3 kernels with padding and ReLU,
    because 5x5 kernels without padding would leave nothing of an 8x8 image.
    """
    net = Builder("lenet", (1, 1, input_size, input_size), seed)
    x = net.input
    for name, channels in (("conv1", 16), ("conv2", 32)):
        x = net.relu(net.conv(x, channels, 3, padding=1, name=name))
        x = net.max_pool(x, 2, stride=2)
    x = net.relu(net.linear(net.flatten(x), 64, name="fc1"))
    return net.model([net.linear(x, classes, gain=1, name="fc2")])


def vgg16(input_size: int = 224, classes: int = 1000, hidden: int = 4096, seed: int = 0) -> Any:
    """VGG-16 (Simonyan and Zisserman 2015, configuration D); names of the Caffe model.

    `hidden`: width of the fully connected layers, which have most of the weights.
    """
    net = Builder("vgg16", (1, 3, input_size, input_size), seed)
    x = net.input
    for stage, (channels, layers) in enumerate(
        [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1
    ):
        for layer in range(1, layers + 1):
            x = net.relu(net.conv(x, channels, 3, padding=1, name=f"conv{stage}_{layer}"))
        x = net.max_pool(x, 2, stride=2)
    x = net.flatten(x)
    for name in ("fc6", "fc7"):
        x = net.relu(net.linear(x, hidden, name=name))
    return net.model([net.linear(x, classes, gain=1, name="fc8")])


def squeezenet1_1(input_size: int = 224, classes: int = 1000, seed: int = 0) -> Any:
    """SqueezeNet 1.1 (Iandola et al. 2016) as in torchvision; pooling rounds up, as in Caffe."""
    net = Builder("squeezenet1_1", (1, 3, input_size, input_size), seed)
    x = net.relu(net.conv(net.input, 64, 3, stride=2, name="features.0"))
    for index, squeeze, expand in (
        (2, 0, 0),
        (3, 16, 64),
        (4, 16, 64),
        (5, 0, 0),
        (6, 32, 128),
        (7, 32, 128),
        (8, 0, 0),
        (9, 48, 192),
        (10, 48, 192),
        (11, 64, 256),
        (12, 64, 256),
    ):
        if squeeze:
            x = _fire(net, x, squeeze, expand, f"features.{index}")
        else:
            x = net.max_pool(x, 3, stride=2, ceil_mode=True)
    x = net.relu(net.conv(x, classes, 1, name="classifier.1"))
    return net.model([net.flatten(net.global_average_pool(x))])


def _fire(net: Builder, x: Tensor, squeeze: int, expand: int, name: str) -> Tensor:
    """A 1x1 convolution to few channels, then 1x1 and 3x3 side by side."""
    x = net.relu(net.conv(x, squeeze, 1, name=f"{name}.squeeze"))
    expand1x1 = net.relu(net.conv(x, expand, 1, name=f"{name}.expand1x1"))
    expand3x3 = net.relu(net.conv(x, expand, 3, padding=1, name=f"{name}.expand3x3"))
    return net.concat([expand1x1, expand3x3], name=f"{name}.concat")
