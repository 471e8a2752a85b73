# SPDX-License-Identifier: Apache-2.0
"""Whole networks of the zoo, quantised, compiled and run: every output bit is ONNX Runtime's.

Small ones on the RTL; full-size ones, slow, on the RTL and on the functional model.
"""

from __future__ import annotations

import pytest
from test_quantize import quantised
from test_zoo import SMALL

import lineconv
from lineconv.bench.whole import WholeFigures, compare, run_whole
from lineconv.graph.importer import import_onnx
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.toolchain import find
from lineconv.zoo import NAMES
from lineconv.zoo.samples import noise

try:
    find()
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

SUMS_IN_FLOAT = {"dcgan_generator", "unet_small"}  # ConvTranspose of ONNX Runtime
FULL_SIZE_ON_RTL = ("digits", "resnet18", "mobilenet_v2", "yolov3_tiny", "dcgan_generator")


@pytest.mark.parametrize("name", SMALL)
def test_small(name: str) -> None:
    model = quantised(name)[0]
    graph = import_onnx(model)
    network = lineconv.compile(graph, "pynq-z2", strict=True, name=name)
    x = noise(model, 1, seed=7)
    with lineconv.open("sim:pynq-z2") as device:
        y = device.run(network, x, profile=True)
        run = device.last_run
    outputs = y if isinstance(y, dict) else {network.outputs[0].name: y}
    comparison = compare(model, graph, x, outputs)
    assert comparison.right
    assert bool(comparison.remarks) == (name in SUMS_IN_FLOAT)
    assert comparison.onnx <= 3  # of thousands, where it adds in float32
    assert run is not None
    assert [layer.name for layer in run.layers] == [layer.name for layer in network.layers]
    predicted = sum(segment.cycles for segment in network.segments)
    assert run.cycles == pytest.approx(predicted, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_SIZE_ON_RTL)
def test_full_size_on_the_rtl(name: str) -> None:
    figures = run("sim:pynq-z2", name)
    assert figures.cycles == pytest.approx(figures.predicted, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_full_size_on_the_model(name: str) -> None:
    assert run("model:pynq-z2", name).cycles is None


def run(device: str, name: str) -> WholeFigures:
    with lineconv.open(device) as accelerator:
        figures = run_whole(accelerator, name, "pynq-z2")
    assert figures.comparison.right
    assert {layer.kind for layer in figures.host_layers} == {"Quantize", "Dequantize"}
    if name == "digits":
        accuracy = figures.accuracy
        assert accuracy is not None
        assert figures.images == 360
        assert accuracy.device == accuracy.onnx_int8 > 0.97
    return figures
