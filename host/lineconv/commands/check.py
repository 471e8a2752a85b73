# SPDX-License-Identifier: Apache-2.0
"""`lineconv run --check`: every layer and every output against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.compiler.feed import Feed, Values, images
from lineconv.compiler.network import Network
from lineconv.driver import Accelerator
from lineconv.errors import DifferenceError
from lineconv.graph import Graph
from lineconv.graph.execute import run_layer
from lineconv.graph.importer import import_onnx
from lineconv.onnx_session import run_tensors
from lineconv.profiling.figures import LayerFigures, network_figures

__all__ = ["check"]

AnyArray = npt.NDArray[Any]


def check(accelerator: Accelerator, network: Network, model: Any, x: Feed) -> str:
    """Run a network again, and compare all that it computes; what to tell the user.

    Layers are compared in order. Where the first that differs carries a remark, ONNX Runtime is
    known to compute something else: then each layer is compared with its integer form instead, on
    the inputs that it had.

    Args:
        network: compiled from `model` with `keep`.
        model: `onnx.ModelProto`.

    Raises:
        DifferenceError: a layer or an output differs; the message names the first.
    """
    made = {name for node in model.graph.node for name in node.output}
    layers = network_figures(network)
    names = [tensor.name for layer in layers for tensor in layer.outputs if tensor.name in made]
    names = list(dict.fromkeys([*names, *(tensor.name for tensor in network.outputs)]))
    remarked = ""
    for image, feed in enumerate(images(network.inputs, x)):
        expected = run_tensors(model, feed, names)
        y = accelerator.run(network, feed)
        tensors = accelerator.tensors(network)
        found = _first_difference(layers, tensors, expected)
        if found is None:
            outputs = y if isinstance(y, dict) else {network.outputs[0].name: y}
            _require_equal_outputs(outputs, expected)
        elif found.remark:
            remarked = remarked or _tell(found, tensors, expected)
            _require_integer_form(import_onnx(model), tensors)
        else:
            raise DifferenceError(f"image {image}: {_tell(found, tensors, expected)}")
    if remarked:
        return (
            "every layer computes its integer form; ONNX Runtime's results are others, as its "
            f"remarks say: {remarked}"
        )
    return f"{len(names)} tensors of {image + 1} image(s) equal ONNX Runtime's in every bit"


def _require_integer_form(graph: Graph, tensors: Values) -> None:
    values = dict(tensors)
    for layer in graph.layers:
        for name, array in run_layer(layer, values).items():
            if name not in tensors:  # fused with the next layer
                values[name] = array
            elif not _equal(tensors[name], array):
                raise DifferenceError(
                    f"{type(layer).__name__} {layer.name!r} differs from its integer form"
                )


def _first_difference(
    layers: tuple[LayerFigures, ...], tensors: Values, expected: Values
) -> LayerFigures | None:
    for layer in layers:
        for tensor in layer.outputs:
            if tensor.name in expected and not _equal(tensors[tensor.name], expected[tensor.name]):
                return layer
    return None


def _require_equal_outputs(outputs: Mapping[str, AnyArray], expected: Values) -> None:
    for name, array in outputs.items():
        if not _equal(array, expected[name]):
            raise DifferenceError(f"output {name!r} differs from ONNX Runtime's, no layer does")


def _equal(a: AnyArray, b: AnyArray) -> bool:
    """In every bit: NaN equals itself, 0.0 is not -0.0."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _tell(layer: LayerFigures, tensors: Values, expected: Values) -> str:
    """How a layer differs."""
    kinds = " + ".join(layer.kinds)
    for tensor in layer.outputs:
        found, right = tensors[tensor.name], expected[tensor.name]
        if _equal(found, right):
            continue
        text = f"the first layer that differs is {layer.name!r} ({kinds}, {layer.where}): "
        if (found.dtype, found.shape) != (right.dtype, right.shape):
            return f"{text}{found.dtype} {found.shape} instead of {right.dtype} {right.shape}"
        distance = np.abs(found.astype(np.float64) - right.astype(np.float64))
        wrong = int((found != right).sum())
        text += f"{wrong} of {found.size} values, by up to {distance.max():g}"
        return f"{text}; {layer.remark}" if layer.remark else text
    raise AssertionError(layer)
