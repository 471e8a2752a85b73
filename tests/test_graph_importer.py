# SPDX-License-Identifier: Apache-2.0
"""What becomes of a model: fused layers, host layers and why, errors; ONNX's own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import operator_models
import pytest
from graph_reference import check_equal, random_feed, run_onnxruntime
from onnx import TensorProto, helper, numpy_helper
from qdq_builder import QdqBuilder

from lineconv import zoo
from lineconv.errors import InvalidFileError, InvalidInputError, InvalidTensorError
from lineconv.graph import Graph, host, layers
from lineconv.graph.importer import import_onnx

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
    np.testing.assert_array_equal(value, run_onnxruntime(proto, feed, [name])[name])


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
    def missing(_model: bytes) -> Any:
        raise InvalidInputError("needs onnxruntime")

    graphs = {name: import_onnx(host_model(name)) for name in ("ArgMax", "Softmax", "Conv")}
    feeds = {name: random_feed(graph, 0) for name, graph in graphs.items()}
    expected = {name: graph.run(feeds[name]) for name, graph in graphs.items()}
    monkeypatch.setattr(host, "_session", missing)
    for name in ("ArgMax", "Softmax"):
        ((key, value),) = graphs[name].run(feeds[name]).items()
        np.testing.assert_allclose(value, expected[name][key], rtol=1e-5)
    with pytest.raises(InvalidInputError, match=r"Conv layer 't.*' needs onnxruntime"):
        graphs["Conv"].run(feeds["Conv"])


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


# --- errors -------------------------------------------------------------------------------------


def changed(change: Any, model: Any = None) -> Any:
    proto = model or operator_models.conv(QdqBuilder(3))
    return change(proto) or proto


def opset(version: int) -> Any:
    def change(proto: Any) -> None:
        proto.opset_import[0].version = version

    return change


def dynamic(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def foreign(proto: Any) -> None:
    proto.graph.node[-1].domain = "vendor"


def half(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def weights_as_input(proto: Any) -> None:
    graph = proto.graph
    for constant in [c for c in graph.initializer if len(c.dims) > 1]:
        graph.initializer.remove(constant)
        value = helper.make_tensor_value_info(constant.name, constant.data_type, constant.dims)
        graph.input.append(value)


def scale_as_input(proto: Any) -> None:
    graph = proto.graph
    (constant,) = (c for c in graph.initializer if c.name == graph.node[0].input[1])
    graph.initializer.remove(constant)
    graph.input.append(helper.make_tensor_value_info(constant.name, constant.data_type, ()))


def negative_scale(proto: Any) -> None:
    for constant in proto.graph.initializer:
        if constant.name == proto.graph.node[0].input[1]:
            constant.CopyFrom(numpy_helper.from_array(np.float32(-1), constant.name))


def int16_activations(proto: Any) -> None:
    for constant in proto.graph.initializer:
        if constant.name == proto.graph.node[-1].input[2]:
            constant.CopyFrom(numpy_helper.from_array(np.int16(3), constant.name))


def dynamic_inside() -> Any:
    b = QdqBuilder(0)
    found = b.node("NonZero", [b.real((1, 4), X)])
    return b.finish(b.node("Cast", [found], to=TensorProto.FLOAT))


def control_flow() -> Any:
    b = QdqBuilder(0)
    y = b.quantise(b.real((1, 4), X), *X)
    inner = b.constant(np.float32(1))
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, ())
    branch = helper.make_graph([helper.make_node("Identity", [inner], ["z"])], "b", [], [value])
    result = b.node("If", [b.constant(np.True_)], then_branch=branch, else_branch=branch)
    return b.finish(y, result)


def wrong_bias() -> Any:
    b = QdqBuilder(0)
    w, scale = b.weights((4, 4, 3, 3), 0)
    bias = b.constant(np.ones(4, np.int32))
    names = [b.real((1, 4, 9, 9), X), w]
    names.append(b.dequantise(bias, scale * X[0] * 2, np.zeros(4, np.int32), axis=0))
    return b.finish(b.quantise(b.node("Conv", names), *Y))


def window_outside() -> Any:
    b = QdqBuilder(0)
    y = b.node(
        "MaxPool", [b.real((1, 4, 4, 4), X)], kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1
    )
    return b.finish(b.quantise(y, *X))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (zoo.lenet(), "the model is not quantised: .*`lineconv quantize`"),
        (changed(opset(12)), r"the model has opset 12, 13 to \d+ can be read"),
        (changed(opset(99)), r"the model has opset 99, 13 to \d+ can be read"),
        (changed(dynamic), r"input 't0' has the dynamic shape \(batch, "),
        (changed(foreign), "QuantizeLinear node 't.*' is of the unknown domain 'vendor'"),
        (changed(half), "tensor 't0' is float16; float32, int8"),
        (changed(weights_as_input), "Conv node 't.*': its weights 't.*' must be constant"),
        (changed(scale_as_input), "DequantizeLinear node 't.*': its input 't.*' must be a const"),
        (changed(negative_scale), "DequantizeLinear node 't.*': its scale must be float32, finite"),
        (changed(int16_activations), "tensor 't.*' is int16; float32, int8"),
        (dynamic_inside(), "tensor 't.*' of NonZero node 't.*' has the dynamic shape"),
        (control_flow(), "If node 't.*' has a graph of its own, control flow cannot be read"),
        (wrong_bias(), "Conv node 't.*': the scale of its bias must be that of its input times"),
        (window_outside(), "MaxPool node 't.*': its last window lies outside of the input"),
    ],
)
def test_refused(model: Any, message: str) -> None:
    before = model.SerializeToString()
    with pytest.raises(InvalidInputError, match=message) as caught:
        import_onnx(model)
    assert "\n" not in str(caught.value)
    assert model.SerializeToString() == before


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(InvalidFileError, match=r"model\.onnx: no such file"):
        import_onnx(path)
    path.write_bytes(b"not a model")
    with pytest.raises(InvalidFileError, match=r"model\.onnx: not a valid ONNX model"):
        import_onnx(path)
    onnx.save(onnx.shape_inference.infer_shapes(operator_models.conv(QdqBuilder(3))), path)
    assert import_onnx(path).layers


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
