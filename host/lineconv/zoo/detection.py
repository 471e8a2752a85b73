# SPDX-License-Identifier: Apache-2.0
"""YOLOv3-tiny, numbered as in its darknet configuration: pooling, routes and the like count."""

from __future__ import annotations

from typing import Any

from lineconv.errors import InvalidInputError
from lineconv.zoo.builder import Builder, Tensor

__all__ = ["yolov3_tiny"]

LEAKY_SLOPE = 0.1
ANCHORS = 3  # boxes per cell and output
# Weights of variance gain / fan_in keep the second moment through a LeakyReLU of this slope.
LEAKY_GAIN = 2 / (1 + LEAKY_SLOPE**2)


def yolov3_tiny(input_size: int = 416, classes: int = 80, seed: int = 0) -> Any:
    """YOLOv3-tiny (Redmon and Farhadi 2018) without the decoding of boxes.

    Outputs `conv15` at 1/32 and `conv22` at 1/16 of the input size, with
    3 * (5 + classes) channels. The size must be a multiple of 32.
    """
    if input_size % 32:
        raise InvalidInputError(
            f"yolov3_tiny: input size is {input_size}, must be a multiple of 32"
        )
    net = Builder("yolov3_tiny", (1, 3, input_size, input_size), seed)
    x = net.input
    for index, channels in ((0, 16), (2, 32), (4, 64), (6, 128)):
        x = net.max_pool(_conv(net, x, channels, 3, index), 2, stride=2)
    fine = _conv(net, x, 256, 3, 8)
    x = _conv(net, net.max_pool(fine, 2, stride=2), 512, 3, 10)
    x = net.max_pool(x, 2, stride=1, padding=(0, 0, 1, 1))  # as darknet pads it
    x = _conv(net, x, 1024, 3, 12)
    route = _conv(net, x, 256, 1, 13)
    coarse_boxes = _boxes(net, _conv(net, route, 512, 3, 14), classes, 15)
    x = net.upsample(_conv(net, route, 128, 1, 18), 2, name="upsample19")
    x = _conv(net, net.concat([x, fine], name="route20"), 256, 3, 21)
    return net.model([coarse_boxes, _boxes(net, x, classes, 22)])


def _conv(net: Builder, x: Tensor, channels: int, kernel: int, index: int) -> Tensor:
    padding = kernel // 2
    x = net.conv(x, channels, kernel, padding=padding, gain=LEAKY_GAIN, name=f"conv{index}")
    return net.leaky_relu(x, LEAKY_SLOPE)


def _boxes(net: Builder, x: Tensor, classes: int, index: int) -> Tensor:
    return net.conv(x, ANCHORS * (5 + classes), 1, gain=1, name=f"conv{index}")
