# SPDX-License-Identifier: Apache-2.0
"""The networks in the `onnx` package, with random weights: quantised, compiled, run, compared.

Its `light` models are networks of others, from Caffe and Caffe2, whose weights are all one value.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

import lineconv
from lineconv.bench.whole import compare
from lineconv.graph.importer import import_onnx
from lineconv.graph.layers import Dequantize, Quantize
from lineconv.onnx_model import inputs
from lineconv.profiling.figures import network_figures
from lineconv.quantize import quantize
from lineconv.zoo.samples import noise

LIGHT = Path(onnx.backend.test.__file__).parent / "data" / "light"
# What the host computes but for conversions, and why.
SOFTMAX = ("Softmax", "no integer form")
RESHAPE = ("Reshape", "its input is on the host, which moves it before it packs it")
MEAN_OF_4 = (
    "AveragePool",
    "ONNX Runtime's mean of 4 pixels depends on the order of its float32 sum",
)
HOST_LAYERS = {
    "bvlc_alexnet": {("LRN", "no integer form"): 2, SOFTMAX: 1},
    "densenet121": {
        ("BatchNormalization", "no integer form"): 62,
        ("Mul", "the engine cannot multiply two tensors"): 62,
        ("Add", "one of its inputs is repeated along an axis"): 62,
        MEAN_OF_4: 3,
    },
    "inception_v1": {
        ("LRN", "no integer form"): 2,
        (MEAN_OF_4[0], MEAN_OF_4[1].replace("4 pixels", "36 pixels")): 1,
        RESHAPE: 1,
        SOFTMAX: 1,
    },
    "inception_v2": {MEAN_OF_4: 7, SOFTMAX: 1},
    "resnet50": {SOFTMAX: 1},
    "shufflenet": {MEAN_OF_4: 3, SOFTMAX: 1},
    "squeezenet": {RESHAPE: 1, SOFTMAX: 1},
    "vgg19": {SOFTMAX: 1},
    "zfnet512": {("LRN", "no integer form"): 2, SOFTMAX: 1},
}


def random_model(name: str, seed: int = 0) -> Any:
    """With random numbers of sensible sizes for each constant that the model fills with one."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    shapes = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    users: dict[str, tuple[str, int]] = {}
    for node in reversed(model.graph.node):
        for place, tensor in enumerate(node.input):
            users[tensor] = (node.op_type, place)
            if node.op_type == "Unsqueeze":
                users[tensor] = users[node.output[0]]
    rng = np.random.default_rng(seed)
    nodes = []
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape":
            shape = tuple(shapes[node.input[0]].tolist())
            array = random_constant(rng, *users[node.output[0]], shape)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    read = {tensor for node in nodes for tensor in node.input}
    for values in (model.graph.initializer, model.graph.input):
        for value in [value for value in values if value.name not in read]:
            values.remove(value)
    return model


def random_constant(
    rng: np.random.Generator, op_type: str, place: int, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """`place` is where among the inputs of the operator it stands."""
    if op_type in ("Conv", "Gemm") and place == 1:
        spread = math.sqrt(2 / math.prod(shape[1:]))
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)
    if op_type == "Mul" or (op_type == "BatchNormalization" and place in (1, 4)):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)  # factor, variance
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [file.stem[6:] for file in sorted(LIGHT.glob("*.onnx"))])
def test_network(name: str) -> None:
    model = random_model(name)
    (spec,) = inputs(model)
    quantised, _ = quantize(model, {spec.name: noise(model, 2, seed=0)})
    network = lineconv.compile(quantised, "pynq-z2", name=name)
    left = Counter(
        (layer.kinds[0], layer.reason)
        for layer in network_figures(network)
        if layer.plan is None and layer.kinds[0] not in (Quantize.__name__, Dequantize.__name__)
    )
    x = noise(model, 1, seed=1)
    with lineconv.open("model:pynq-z2") as device:
        y = device.run(network, x)
    assert isinstance(y, np.ndarray)
    found = compare(quantised, import_onnx(quantised), x, {network.outputs[0].name: y})
    assert found.right
    assert not found.onnx
    assert left == HOST_LAYERS[name]
