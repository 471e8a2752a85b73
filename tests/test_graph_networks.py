# SPDX-License-Identifier: Apache-2.0
"""Whole networks: NumPy graphs equal ONNX Runtime in every bit, layer by layer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graph_reference import check_equal, differences, random_feed
from onnxruntime import quantization
from test_quantize import quantised, samples
from test_zoo import SMALL

from lineconv import zoo
from lineconv.graph.importer import import_onnx
from lineconv.graph.layers import Host, TransposedConvolution
from lineconv.onnx_model import inputs

SUMS_IN_FLOAT = {"dcgan_generator", "unet_small"}  # ConvTranspose


@pytest.mark.parametrize("name", SMALL)
def test_network(name: str) -> None:
    model = quantised(name)[0]
    graph = import_onnx(model)
    kinds = Counter(type(layer) for layer in graph.layers)
    assert kinds[Host] == 0
    remarks = {layer.name for layer in graph.layers if layer.remark}
    transposed = {x.name for x in graph.layers if isinstance(x, TransposedConvolution)}
    assert remarks == transposed
    assert bool(remarks) == (name in SUMS_IN_FLOAT)
    if not remarks:
        check_equal(model, graph)
        return
    for seed in range(2):
        feed = random_feed(graph, seed)
        found = differences(model, graph, feed)
        assert set(found) <= remarks
        for layer, (count, distance) in found.items():
            assert (count <= 3, distance) == (True, 1), layer


@pytest.mark.parametrize(
    ("form", "name"),
    [("QOperator", "resnet18"), ("QOperator", "squeezenet1_1"), ("QDQ", "squeezenet1_1")],
)
def test_other_quantisers(form: str, name: str, tmp_path: Path) -> None:
    """uint8 activations, one scale for all weights, and both formats."""
    model = zoo.NETWORKS[name](**SMALL[name])
    paths = (tmp_path / "float.onnx", tmp_path / "quantised.onnx")
    onnx.save(model, paths[0])
    quantization.quantize_static(
        *paths,
        _Reader(samples(model, 2, seed=3), inputs(model)[0].shape),
        quant_format=quantization.QuantFormat[form],
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=name == "resnet18",
    )
    quantised_model = onnx.load(paths[1])
    kinds = {node.op_type for node in quantised_model.graph.node}
    assert ("QLinearConv" in kinds) == (form == "QOperator")
    graph = import_onnx(quantised_model)
    assert not any(isinstance(layer, Host) or layer.remark for layer in graph.layers)
    check_equal(quantised_model, graph)


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, arrays: dict[str, Any], shape: tuple[int, ...]) -> None:
        ((name, array),) = arrays.items()
        self._feeds = ({name: batch} for batch in np.reshape(array, (-1, *shape)))

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)
