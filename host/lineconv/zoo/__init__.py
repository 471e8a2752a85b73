# SPDX-License-Identifier: Apache-2.0
"""Well-known networks as ONNX models, built from code: `lineconv.zoo.resnet18(input_size=64)`.

Each function returns a float32 `onnx.ModelProto` of opset 17 with fixed shapes, batch 1, one
input called `input`, seeded random weights and every BatchNorm folded into its convolution. They
have the structure, and so the speed, of the networks their users run, but no knowledge; only
`lenet_digits` is trained. `python -m lineconv.zoo` writes them to files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineconv.zoo.classic import lenet, squeezenet1_1, vgg16
from lineconv.zoo.dense import dcgan_generator, unet_small
from lineconv.zoo.detection import yolov3_tiny
from lineconv.zoo.digits import lenet_digits
from lineconv.zoo.macs import count_macs
from lineconv.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from lineconv.zoo.resnet import resnet18, resnet50, resnext50_32x4d
from lineconv.zoo.speech import tdnn

__all__ = [
    "NAMES",
    "NETWORKS",
    "TRAINED",
    "build",
    "count_macs",
    "dcgan_generator",
    "lenet",
    "lenet_digits",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "squeezenet1_1",
    "tdnn",
    "unet_small",
    "vgg16",
    "yolov3_tiny",
]

NETWORKS: dict[str, Callable[..., Any]] = {
    network.__name__: network
    for network in (
        lenet,
        vgg16,
        squeezenet1_1,
        resnet18,
        resnet50,
        resnext50_32x4d,
        mobilenet_v1,
        mobilenet_v2,
        yolov3_tiny,
        dcgan_generator,
        unet_small,
        tdnn,
    )
}

TRAINED = "digits"  # LeNet with the weights of `lenet_digits`
NAMES = (TRAINED, *NETWORKS)  # what commands know


def build(name: str, **sizes: int) -> Any:
    """The `onnx.ModelProto` of one of `NAMES`; sizes are arguments of those in `NETWORKS`."""
    return lenet_digits() if name == TRAINED else NETWORKS[name](**sizes)
