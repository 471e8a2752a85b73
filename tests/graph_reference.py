# SPDX-License-Identifier: Apache-2.0
"""Graphs against ONNX Runtime, as a whole and layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.graph import Graph
from lineconv.graph.execute import run_layer
from lineconv.onnx_session import run_tensors

AnyArray = npt.NDArray[Any]
Feed = dict[str, AnyArray]


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
    expected = run_tensors(model, feed, [name for name in results if name in made])
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
        for name, expected in run_tensors(model, feed, list(outputs)).items():
            assert outputs[name].dtype == expected.dtype, f"{name}, seed {seed}"
            np.testing.assert_array_equal(outputs[name], expected, f"{name}, seed {seed}")
