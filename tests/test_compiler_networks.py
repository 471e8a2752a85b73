# SPDX-License-Identifier: Apache-2.0
"""Whole networks, compiled and run on the functional model, against NumPy and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled import check
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
    the host, so `strict` takes it."""
    model = quantised(name)[0]
    graph = import_onnx(model)
    network = check(graph, "pynq-z2", keep=False)
    assert {type(step.layer) for step in network.host_steps} == {Quantize, Dequantize}
    assert len(network.segments) == 1
    onnx.save(model, tmp_path / f"{name}.onnx")
    again = lineconv.compile(tmp_path / f"{name}.onnx", strict=True)
    assert (again.name, again.nbytes) == (name, network.nbytes)
    assert np.array_equal(again.image, network.image)
    if name in SUMS_IN_FLOAT:
        assert any(layer.remark for layer in network.layers)
        return
    assert not any(layer.remark for layer in network.layers)
    feed = random_feed(graph, 1)
    expected = run_tensors(model, feed, [output.name for output in graph.outputs])
    with lineconv.open("model:pynq-z2") as accelerator:
        results = accelerator.run(network, feed)
    if not isinstance(results, dict):
        results = {graph.outputs[0].name: results}
    for output, array in expected.items():
        np.testing.assert_array_equal(results[output], array, output)
