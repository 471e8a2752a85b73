# SPDX-License-Identifier: Apache-2.0
"""Whole networks, compiled and run on the functional model, against NumPy and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from graph_reference import random_feed
from test_quantize import quantised
from test_zoo import SMALL

import lineconv
from lineconv.graph.importer import import_onnx
from lineconv.graph.layers import Dequantize, Quantize
from lineconv.onnx_session import run_tensors

SUMS_IN_FLOAT = {"dcgan_generator", "unet_small"}  # ConvTranspose of ONNX Runtime


@pytest.mark.parametrize("name", SMALL)
def test_network_is_one_program(name: str, tmp_path: Path) -> None:
    """Equal to NumPy, and to ONNX Runtime where that adds in integers; nothing but conversions on
    the host, so that `strict` takes it."""
    model = quantised(name)[0]
    onnx.save(model, tmp_path / f"{name}.onnx")
    network = lineconv.compile(tmp_path / f"{name}.onnx", strict=True)
    assert network.name == name
    assert {type(step.layer) for step in network.host_steps} == {Quantize, Dequantize}
    assert len(network.segments) == 1
    graph = import_onnx(model)
    feed = random_feed(graph, 1)
    outputs = [output.name for output in graph.outputs]
    with lineconv.open("model:pynq-z2") as accelerator:
        results = accelerator.run(network, feed)
    if not isinstance(results, dict):
        results = {outputs[0]: results}
    expected = graph.run(feed)
    for output in outputs:
        np.testing.assert_array_equal(results[output], expected[output], output)
    remarks = {layer.kinds[0] for layer in network.layers if layer.remark}
    assert remarks == ({"TransposedConvolution"} if name in SUMS_IN_FLOAT else set())
    if not remarks:
        for output, array in run_tensors(model, feed, outputs).items():
            np.testing.assert_array_equal(results[output], array, output)
