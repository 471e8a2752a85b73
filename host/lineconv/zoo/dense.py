# SPDX-License-Identifier: Apache-2.0
"""Networks whose output has a place for every pixel or comes from one: DCGAN, U-Net."""

from __future__ import annotations

from typing import Any

from lineconv.errors import InvalidInputError
from lineconv.zoo.builder import Builder, Tensor

__all__ = ["dcgan_generator", "unet_small"]


def dcgan_generator(
    output_size: int = 64, latent: int = 100, features: int = 64, seed: int = 0
) -> Any:
    """Generator of DCGAN (Radford et al. 2016) as in the PyTorch example.

    Input (1, latent, 1, 1), output (1, 3, output_size, output_size); the size is a power of two
    from 8 on. `features`: channels of the last hidden layer.
    """
    stages = output_size.bit_length() - 3  # each doubles a side, from 4 on
    if output_size < 8 or output_size != 4 << stages:
        raise InvalidInputError(
            f"dcgan_generator: output size is {output_size}, must be a power of two from 8 on"
        )
    net = Builder("dcgan_generator", (1, latent, 1, 1), seed)
    x = net.relu(net.conv_transpose(net.input, features << (stages - 1), 4, name="main.0"))
    for stage in range(1, stages):
        channels = features << (stages - 1 - stage)
        name = f"main.{3 * stage}"  # convolution, BatchNorm, ReLU
        x = net.relu(net.conv_transpose(x, channels, 4, stride=2, padding=1, name=name))
    name = f"main.{3 * stages}"
    x = net.conv_transpose(x, 3, 4, stride=2, padding=1, gain=0.5, name=name)
    return net.model([net.tanh(x)])


def unet_small(input_size: int = 96, classes: int = 2, features: int = 16, seed: int = 0) -> Any:
    """U-Net (Ronneberger et al. 2015) with three levels, padded convolutions and few channels.

    Output (1, classes, input_size, input_size). The size must be a multiple of 8.
    """
    if input_size % 8:
        raise InvalidInputError(f"unet_small: input size is {input_size}, must be a multiple of 8")
    net = Builder("unet_small", (1, 3, input_size, input_size), seed)
    x = _double_conv(net, net.input, features, "inc")
    skips = [x]
    for level in (1, 2, 3):
        x = _double_conv(net, net.max_pool(x, 2, stride=2), features << level, f"down{level}")
        skips.append(x)
    for level in (1, 2, 3):
        skip = skips[3 - level]
        x = net.conv_transpose(x, skip.channels, 2, stride=2, gain=1, name=f"up{level}.up")
        x = net.concat([skip, x], name=f"up{level}.concat")
        x = _double_conv(net, x, skip.channels, f"up{level}")
    return net.model([net.conv(x, classes, 1, gain=1, name="outc")])


def _double_conv(net: Builder, x: Tensor, channels: int, name: str) -> Tensor:
    for index in (1, 2):
        x = net.relu(net.conv(x, channels, 3, padding=1, name=f"{name}.conv{index}"))
    return x
