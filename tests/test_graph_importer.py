# SPDX-License-Identifier: Apache-2.0
"""What becomes of a model: fused layers, host layers and why, errors; ONNX's own tests."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import operator_models
import pytest
from graph_reference import check_equal, random_feed
from onnx import numpy_helper
from qdq_builder import QdqBuilder

from lineconv.errors import InvalidInputError, InvalidTensorError
from lineconv.graph import Graph, host, layers
from lineconv.graph.importer import import_onnx
from lineconv.onnx_session import run_tensors

X = (np.float32(0.05), np.int8(-7))
Y = (np.float32(0.4), np.int8(5))


def conv(b: QdqBuilder, x: str, kernel: int = 3, **attributes: Any) -> str:
    w, _ = b.weights((4, 4, kernel, kernel), 0)
    return b.node("Conv", [x, w], **attributes)


def again(b: QdqBuilder, y: str, parameters: Any) -> str:
    """QuantizeLinear and DequantizeLinear."""
    return b.dequantise(b.quantise(y, *parameters), *parameters)


# --- fusion -------------------------------------------------------------------------------------


@pytest.mark.parametrize("op_type", ["Relu", "Clip"])
def test_activation_of_equal_scale_becomes_the_clamp(op_type: str) -> None:
    """Conv, Q, DQ, Relu, Q, DQ: nothing is lost, and one layer is left."""
    b = QdqBuilder(0)
    y = again(b, conv(b, b.real((1, 4, 9, 9), X)), Y)
    bounds = [b.constant(np.float32(v)) for v in (-3, 6)] if op_type == "Clip" else []
    proto = b.finish(b.quantise(b.node(op_type, [y, *bounds]), *Y))
    graph = import_onnx(proto)
    (layer,) = graph.layers
    assert isinstance(layer, layers.Convolution)
    expected = (round(-3 / 0.4) + 5, 6 / 0.4 + 5) if op_type == "Clip" else (5, 127)
    assert layer.layer.clamp == expected
    assert not layer.remark
    check_equal(proto, graph)


def test_clamp_of_a_sum() -> None:
    b = QdqBuilder(0)
    y = again(b, b.node("Add", [b.real((1, 4, 9, 9), X), b.real((1, 4, 9, 9), Y)]), Y)
    proto = b.finish(b.quantise(b.node("Relu", [y]), *Y))
    graph = import_onnx(proto)
    (layer,) = graph.layers
    assert isinstance(layer, layers.Add)
    assert layer.clamp == (5, 127)
    check_equal(proto, graph)


def test_quantizelinear_for_each_reader_is_one() -> None:
    b = QdqBuilder(0)
    y = conv(b, b.real((1, 4, 9, 9), X))
    first, second = (again(b, y, Y) for _ in range(2))
    proto = b.finish(b.quantise(conv(b, first), *Y), b.quantise(b.node("Add", [first, second]), *Y))
    graph = import_onnx(proto)
    kinds = [type(layer) for layer in graph.layers]
    assert kinds == [layers.Convolution, layers.Convolution, layers.Add]
    check_equal(proto, graph)


def test_quantizelinear_moves_before_pooling() -> None:
    b = QdqBuilder(0)
    y = b.node("Relu", [conv(b, b.real((1, 4, 9, 9), X))])
    y = b.node("Transpose", [b.node("MaxPool", [y], kernel_shape=[2, 2])], perm=[0, 2, 3, 1])
    proto = b.finish(b.quantise(y, np.float32(0.4), np.int8(-128)))
    graph = import_onnx(proto)
    kinds = [type(layer) for layer in graph.layers]
    assert kinds == [layers.Convolution, layers.MaxPool, layers.Transpose]
    assert not any(layer.remark for layer in graph.layers)
    check_equal(proto, graph)


def test_image_is_quantised_before_pooling() -> None:
    b = QdqBuilder(0)
    y = b.node("MaxPool", [b.input((1, 4, 9, 9), np.float32)], kernel_shape=[2, 2])
    proto = b.finish(b.quantise(y, *X))
    graph = import_onnx(proto)
    assert [type(layer) for layer in graph.layers] == [layers.Quantize, layers.MaxPool]
    check_equal(proto, graph)


def test_outputs_that_no_layer_makes() -> None:
    """An input, a tensor of another name, and real values of an input."""
    b = QdqBuilder(0)
    x = b.input((2, 3))
    real = b.dequantise(x, *X)
    proto = b.finish(x, b.quantise(real, *X), real)
    graph = import_onnx(proto)
    assert [type(layer) for layer in graph.layers] == [layers.Reshape, layers.Dequantize]
    check_equal(proto, graph)


def test_activation_that_saturation_replaces_leaves_no_clamp() -> None:
    b = QdqBuilder(0)
    y = b.node("Relu", [conv(b, b.real((1, 4, 9, 9), X))])
    proto = b.finish(b.quantise(y, np.float32(0.4), np.int8(-128)))
    graph = import_onnx(proto)
    (layer,) = graph.layers
    assert isinstance(layer, layers.Convolution)
    assert (layer.layer.clamp, layer.remark) == (None, "")
    check_equal(proto, graph)


def test_clamp_stays_a_table_if_its_input_is_read_twice() -> None:
    b = QdqBuilder(0)
    y = again(b, conv(b, b.real((1, 4, 9, 9), X)), Y)
    proto = b.finish(b.quantise(b.node("Relu", [y]), *Y), b.quantise(b.node("Abs", [y]), *Y))
    graph = import_onnx(proto)
    kinds = [type(layer) for layer in graph.layers]
    assert kinds == [layers.Convolution, layers.Table, layers.Table]
    check_equal(proto, graph)


@pytest.mark.parametrize("between", [True, False])
def test_pad_becomes_padding(between: bool) -> None:
    b = QdqBuilder(0)
    pads = b.constant(np.array([0, 0, 1, 2, 0, 0, 3, 0]))
    x = b.node("Pad", [b.real((1, 4, 9, 9), X), pads])
    x = again(b, x, X) if between else x
    proto = b.finish(b.quantise(conv(b, x, pads=[0, 1, 0, 0]), *Y))
    graph = import_onnx(proto)
    (layer,) = graph.layers
    assert isinstance(layer, layers.Convolution)
    assert layer.layer.padding == ((1, 3), (3, 0))
    assert (layer.layer.in_height, layer.layer.in_width) == (9, 9)
    check_equal(proto, graph)


def test_pad_with_another_value_stays() -> None:
    b = QdqBuilder(0)
    names = [b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), b.constant(np.float32(1.0))]
    x = again(b, b.node("Pad", [b.real((1, 4, 9, 9), X), *names]), X)
    proto = b.finish(b.quantise(conv(b, x), *Y))
    graph = import_onnx(proto)
    assert [type(layer) for layer in graph.layers] == [layers.Pad, layers.Convolution]
    check_equal(proto, graph)


def test_shapes_that_are_computed_are_folded() -> None:
    b = QdqBuilder(0)
    x = b.real((2, 3, 4, 5), X)
    shape = b.node("Shape", [x])
    batch = b.node("Gather", [shape, b.constant(np.array([0]))])
    target = b.node("Concat", [batch, b.constant(np.array([-1]))], axis=0)
    proto = b.finish(b.quantise(b.node("Reshape", [x, target]), *X))
    graph = import_onnx(proto)
    (layer,) = graph.layers
    assert isinstance(layer, layers.Reshape)
    assert layer.outputs[0].shape == (2, 60)
    check_equal(proto, graph)


def test_weights_behind_transpose_and_float_weights_behind_quantizelinear() -> None:
    b = QdqBuilder(0)
    w, _ = b.weights((5, 12), 0)
    names = [b.real((3, 12), X), b.node("Transpose", [w], perm=[1, 0])]
    y = again(b, b.node("MatMul", names), Y)
    real = b.constant(b.rng.standard_normal((5, 6), np.float32))
    scale = (np.float32(0.02), np.int8(0))
    proto = b.finish(b.quantise(b.node("MatMul", [y, again(b, real, scale)]), *Y))
    graph = import_onnx(proto)
    assert [type(layer) for layer in graph.layers] == [layers.Convolution] * 2
    feed = random_feed(graph, 0)
    (name, value), = graph.run(feed).items()  # fmt: skip
    np.testing.assert_array_equal(value, run_tensors(proto, feed, [name])[name])


# --- host layers --------------------------------------------------------------------------------


def only_host(graph: Graph) -> layers.Host:
    (layer,) = (layer for layer in graph.layers if isinstance(layer, layers.Host))
    return layer


def host_model(op_type: str) -> Any:
    b = QdqBuilder(0)
    x = b.real((1, 4, 12, 10), X)
    if op_type == "Conv":  # float, as nothing quantises its result
        return b.finish(conv(b, x))
    if op_type == "MaxPool":
        y = b.node("MaxPool", [x], 2, kernel_shape=[2, 2])
        return b.finish(y, f"{y}.1")
    if op_type == "large":
        w, _ = b.weights((4, 4, 12, 1), 0)
        return b.finish(b.quantise(b.node("Conv", [x, w], strides=[1, 9]), *Y))
    if op_type == "axis":
        w, _ = b.weights((4, 4, 1, 1), 1)
        return b.finish(b.quantise(b.node("Conv", [x, w]), *Y))
    if op_type == "Resize":
        names = [x, "", b.constant(np.array([1, 1, 2, 2], np.float32))]
        return b.finish(b.quantise(b.node("Resize", names, mode="linear"), *X))
    if op_type == "weights":
        zero = np.int8(-100)
        w = b.dequantise(b.constant(b.bytes((4, 4, 3, 3))), np.float32(0.01), zero)
        return b.finish(b.quantise(b.node("Conv", [x, w]), *Y))
    if op_type == "ArgMax":
        return b.finish(b.node("ArgMax", [x], axis=1))
    return b.finish(b.node("Softmax", [x], axis=1))


@pytest.mark.parametrize(
    ("op_type", "reason"),
    [
        ("Conv", "no QuantizeLinear reads its result"),
        ("MaxPool", "indices as a second result"),
        ("large", "stride must be in 1..8, got 9"),
        ("Resize", "mode linear"),
        ("axis", "weights with a scale for each index of axis 1"),
        ("weights", "weights less zero point that do not fit int8"),
        ("ArgMax", "no integer form"),
        ("Softmax", "no integer form"),
    ],
)
def test_host_layers_have_a_reason(op_type: str, reason: str) -> None:
    proto = host_model(op_type)
    graph = import_onnx(proto)
    assert only_host(graph).reason == reason
    check_equal(proto, graph)


def test_graphs_run_without_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = {name: import_onnx(host_model(name)) for name in ("ArgMax", "Softmax", "Conv")}
    feeds = {name: random_feed(graph, 0) for name, graph in graphs.items()}
    expected = {name: graph.run(feeds[name]) for name, graph in graphs.items()}
    host._session.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in ("ArgMax", "Softmax"):
        ((key, value),) = graphs[name].run(feeds[name]).items()
        np.testing.assert_allclose(value, expected[name][key], rtol=1e-5)
    with pytest.raises(InvalidInputError, match=r"Conv layer 't.*': needs onnxruntime"):
        graphs["Conv"].run(feeds["Conv"])


def test_host_layer_that_onnx_runtime_refuses() -> None:
    graph = import_onnx(host_model("Softmax"))
    damaged = dataclasses.replace(only_host(graph), model=b"damaged")
    changed = dataclasses.replace(graph, layers=(graph.layers[0], damaged))
    with pytest.raises(InvalidInputError, match=r"Softmax layer 't.*': ONNX Runtime cannot load"):
        changed.run(random_feed(graph, 0))


def test_graph_needs_numpy_alone() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['onnx', 'onnxruntime']))\n"
        "import lineconv.graph, lineconv.graph.layers, lineconv.graph.execute"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inputs_are_checked() -> None:
    graph = import_onnx(operator_models.conv(QdqBuilder(3)))
    (x,) = graph.inputs
    right = np.zeros(x.shape, x.dtype)
    for feed, message in (
        ({}, r"inputs must be \['t0'\], got \[\]"),
        ({"t0": right.astype(float)}, "must be a NumPy array of int8, got float64"),
        ({"t0": right[..., 1:]}, r"input 't0' must have shape"),
    ):
        with pytest.raises(InvalidTensorError, match=message):
            graph.run(feed)


# --- the tests of ONNX itself -------------------------------------------------------------------

NODE_TESTS = Path(onnx.backend.test.__file__).parent / "data" / "node"


@pytest.mark.parametrize(
    "name",
    [
        "qlinearconv",
        "convinteger_with_padding",
        "convinteger_without_padding",
        "matmulinteger",
        "maxpool_2d_uint8",
        *(f"qlinearmatmul_{n}D_{kind}_float32" for n in (2, 3) for kind in ("int8", "uint8")),
        "quantizelinear",
        "quantizelinear_axis",
        "dequantizelinear",
        "dequantizelinear_axis",
    ],
)
def test_onnx_node_tests(name: str) -> None:
    """All inputs but the first become constants, as in a model."""
    folder = NODE_TESTS / f"test_{name}"
    proto = onnx.load(folder / "model.onnx")
    proto.opset_import[0].version = max(proto.opset_import[0].version, 13)  # 10 means the same
    arrays = []
    for part in ("input", "output"):
        files = sorted((folder / "test_data_set_0").glob(f"{part}_*.pb"))
        arrays.append([numpy_helper.to_array(onnx.load_tensor(file)) for file in files])
    names = [value.name for value in proto.graph.input]
    for value, array in zip(list(proto.graph.input)[1:], arrays[0][1:], strict=True):
        proto.graph.input.remove(value)
        proto.graph.initializer.append(numpy_helper.from_array(array, value.name))
    (result,) = import_onnx(proto).run({names[0]: arrays[0][0]}).values()
    (expected,) = arrays[1]
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)
