# SPDX-License-Identifier: Apache-2.0
"""A time delay network: one-dimensional, dilated convolutions over time."""

from __future__ import annotations

from typing import Any

from lineconv.zoo.builder import Builder

__all__ = ["tdnn"]


def tdnn(frames: int = 300, features: int = 24, classes: int = 1000, seed: int = 0) -> Any:
    """Frame and segment layers of the x-vector network (Snyder et al. 2018).

    Input (1, features, frames): features are the bands of a filter bank. Over time it takes the
    mean alone, where the paper takes mean and standard deviation. At least 15 frames.
    """
    net = Builder("tdnn", (1, features, frames), seed)
    x = net.input
    for index, (channels, kernel, dilation) in enumerate(
        [(512, 5, 1), (512, 3, 2), (512, 3, 3), (512, 1, 1), (1500, 1, 1)], start=1
    ):
        x = net.relu(net.conv(x, channels, kernel, dilation=dilation, name=f"frame{index}"))
    x = net.flatten(net.global_average_pool(x))
    for name in ("segment6", "segment7"):
        x = net.relu(net.linear(x, 512, name=name))
    return net.model([net.linear(x, classes, gain=1, name="output")])
