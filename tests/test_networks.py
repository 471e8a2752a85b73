# SPDX-License-Identifier: Apache-2.0
"""The tables of networks: against published totals, and each layer against its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from lineconv.layer import ConvLayer
from lineconv.networks import NETWORKS

# Multiply-accumulates and weights of the convolutions alone. What is published counts more:
# ResNet-18 has 1,814,073,344 MAC with its 512,000 of the classifier and 11,689,512 parameters with
# 513,000 there and 9,600 of batch normalisation; ResNet-50 v1.5 has 4,089,184,256 and 25,557,032
# (2,048,000, 2,049,000, 53,120); the weight file of YOLOv3-tiny has 8,858,734 numbers, four for
# each of 3,184 normalised channels and 510 biases among them.
TOTALS = {
    "vgg16": (13, 15_346_630_656, 14_710_464),
    "resnet18": (20, 1_814_073_344 - 512_000, 11_689_512 - 513_000 - 9_600),
    "resnet50": (53, 4_089_184_256 - 2_048_000, 25_557_032 - 2_049_000 - 53_120),
    "yolov3-tiny": (13, 2_782_480_896, 8_858_734 - 4 * 3_184 - 510),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_totals(name: str) -> None:
    layers = NETWORKS[name].layers
    weights = sum(int(np.prod(layer.conv.weight_shape)) for layer in layers)
    assert (len(layers), NETWORKS[name].macs, weights) == TOTALS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_fit_together(name: str) -> None:
    seen: dict[str, ConvLayer] = {}
    for layer in NETWORKS[name].layers:
        assert layer.name not in seen
        if layer.reads is not None:
            source, conv = seen[layer.reads], layer.conv
            shape = (source.out_channels, source.out_height, source.out_width)
            assert shape == (conv.in_channels, conv.in_height, conv.in_width), layer.name
        seen[layer.name] = layer.conv
