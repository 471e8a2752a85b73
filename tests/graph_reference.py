# SPDX-License-Identifier: Apache-2.0
"""Graphs against ONNX Runtime, as a whole and layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from lineconv.graph import Graph
from lineconv.graph.execute import run_layer

AnyArray = npt.NDArray[Any]
Feed = dict[str, AnyArray]


def run_onnxruntime(model: Any, feed: Feed, names: list[str]) -> dict[str, AnyArray]:
    """Tensors of a model by name, exact on every x86 CPU."""
    known = {output.name for output in model.graph.output}
    wanted = [name for name in names if name not in known]
    if wanted:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        infos = {value.name: value for value in inferred}
        empty = onnx.helper.make_empty_tensor_value_info
        copy.graph.output.extend(infos.get(name, empty(name)) for name in wanted)
        model = copy
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    if any(c.data_type == onnx.TensorProto.UINT8 for c in model.graph.initializer):
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run(names, feed), strict=True))


def random_feed(graph: Graph, seed: int) -> Feed:
    """Normal float32, and bytes of all values."""
    rng = np.random.default_rng(seed)
    feed: Feed = {}
    for tensor in graph.inputs:
        if tensor.dtype == np.float32:
            feed[tensor.name] = rng.standard_normal(tensor.shape, dtype=np.float32)
        else:
            limits = np.iinfo(tensor.dtype)
            values = rng.integers(limits.min, limits.max + 1, tensor.shape)
            feed[tensor.name] = values.astype(tensor.dtype)
    return feed


def differences(model: Any, graph: Graph, feed: Feed) -> dict[str, tuple[int, int]]:
    """Each layer on ONNX Runtime's own inputs: name to how many results differ, and by how much.

    Where ONNX Runtime has no such tensor (a table before a Concat), the layer feeds the next one.
    """
    made = {name for node in model.graph.node for name in node.output}
    results = [tensor.name for layer in graph.layers for tensor in layer.outputs]
    expected = run_onnxruntime(model, feed, [name for name in results if name in made])
    values = {**graph.constants, **feed, **expected}
    found = {}
    for layer in graph.layers:
        for name, array in run_layer(layer, values).items():
            if name not in expected:
                values[name] = array
                continue
            reference = expected[name]
            assert (array.dtype, array.shape) == (reference.dtype, reference.shape), layer.name
            if not np.array_equal(array, reference):
                distance = np.abs(array.astype(np.float64) - reference.astype(np.float64))
                found[layer.name] = (int((distance > 0).sum()), int(distance.max()))
    return found


def check_equal(model: Any, graph: Graph, seeds: range = range(2)) -> None:
    """Every bit of every layer and of the outputs, on random inputs."""
    for seed in seeds:
        feed = random_feed(graph, seed)
        assert differences(model, graph, feed) == {}, f"seed {seed}"
        outputs = graph.run(feed)
        for name, expected in run_onnxruntime(model, feed, list(outputs)).items():
            assert outputs[name].dtype == expected.dtype, f"{name}, seed {seed}"
            np.testing.assert_array_equal(outputs[name], expected, f"{name}, seed {seed}")
