# SPDX-License-Identifier: Apache-2.0
"""Quantised models: form, error, and equality of ONNX Runtime's int8 results with golden's."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper
from qdq import QdqModel, is_saturated_or_constant
from test_zoo import SMALL

from lineconv import golden, zoo
from lineconv.errors import InvalidInputError
from lineconv.layer import ConvLayer, OutputType
from lineconv.onnx_model import inputs
from lineconv.onnx_session import int8_session
from lineconv.quantize import QuantizeReport, quantize
from lineconv.zoo.digits import accuracy, split

Array = npt.NDArray[np.float32]


def samples(model: Any, count: int, seed: int) -> dict[str, Array]:
    (spec,) = inputs(model)
    shape = (count, *spec.shape[1:])
    return {spec.name: np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)}


@functools.cache
def quantised(name: str) -> tuple[Any, QuantizeReport]:
    model = zoo.NETWORKS[name](**SMALL[name])
    return quantize(model, samples(model, 4, seed=0))


@pytest.mark.parametrize("name", SMALL)
def test_network_runs_in_int8_as_a_whole(name: str) -> None:
    model, report = quantised(name)
    assert report.nodes.left_in_float == ()
    for output in report.outputs:
        assert output.snr_db is not None
        assert output.snr_db > 20, output
    qdq = QdqModel(model)
    # opposite ends of a Conv: everything there is of int8
    for node in qdq.nodes("Conv", "ConvTranspose", "Gemm"):
        x, w = qdq.read(node.input[0]), qdq.read(node.input[1])
        b, y = qdq.read(node.input[2]), qdq.written(node.output[0])
        assert x.zero_point.dtype == y.zero_point.dtype == np.int8
        weights = qdq.constants[w.name]
        axis = 1 if node.op_type == "ConvTranspose" else 0
        assert (weights.dtype, w.scale.shape) == (np.int8, (weights.shape[axis],))
        assert not w.zero_point.any()
        assert weights.min() >= -127
        assert qdq.constants[b.name].dtype == np.int32
        assert np.array_equal(b.scale, x.scale * w.scale)
    feed = samples(model, 1, seed=1)
    names = [qdq.read(output.name).name for output in model.graph.output]
    for tensor, values in qdq.run(feed, names).items():
        assert not is_saturated_or_constant(values), tensor


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v1", "mobilenet_v2", "squeezenet1_1", "unet_small", "tdnn"]
)
def test_convolutions_equal_golden(name: str) -> None:
    """Every Conv and Gemm of a network, as ONNX Runtime computes it among its neighbours."""
    qdq = QdqModel(quantised(name)[0])
    convolutions = qdq.nodes("Conv", "Gemm")
    tensors = {qdq.read(node.input[0]).name for node in convolutions}
    tensors |= {qdq.written(node.output[0]).name for node in convolutions}
    values = qdq.run(samples(qdq.model, 1, seed=2), sorted(tensors))
    for node in convolutions:
        x, w, b = (qdq.read(tensor) for tensor in node.input)
        y = qdq.written(node.output[0])
        expected = convolve(node, values[x.name], qdq, x, w, b, y)
        assert np.array_equal(values[y.name], expected.reshape(values[y.name].shape)), node.name


def convolve(node: Any, image: Any, qdq: QdqModel, x: Any, w: Any, b: Any, y: Any) -> Any:
    given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    weights = qdq.constants[w.name]
    if node.op_type == "Gemm":  # a 1x1 convolution of one pixel
        image, weights = image[:, :, None, None], weights[:, :, None, None]
        pads, strides, dilations = [0] * 4, [1] * 2, [1] * 2
    else:
        pads, strides, dilations = given["pads"], given["strides"], given["dilations"]
    if weights.ndim == 3:  # one-dimensional: a single row
        image, weights = image[:, :, None], weights[:, :, None]
        pads, strides, dilations = [0, pads[0], 0, pads[1]], [1, *strides], [1, *dilations]
    top, left, bottom, right = pads
    layer = ConvLayer.from_shapes(
        image.shape,
        weights.shape,
        stride=tuple(strides),
        padding=((top, bottom), (left, right)),
        dilation=tuple(dilations),
        groups=given.get("group", 1),
        x_zero_point=int(x.zero_point),
        output=OutputType.INT8,
        y_zero_point=int(y.zero_point),
    )
    multiplier = golden.multiplier(x.scale, w.scale, y.scale)
    return golden.conv2d(image, weights, qdq.constants[b.name], multiplier, layer)


@pytest.mark.parametrize("name", ["squeezenet1_1", "yolov3_tiny", "unet_small"])
def test_concat_moves_bytes(name: str) -> None:
    qdq = QdqModel(quantised(name)[0])
    concats = qdq.nodes("Concat")
    assert concats
    for node in concats:
        y = qdq.written(node.output[0])
        for tensor in node.input:
            x = qdq.read(tensor)
            assert (x.scale, x.zero_point) == (y.scale, y.zero_point)


def test_activation_stays_where_saturation_does_not_replace_it() -> None:
    """In the U-Net a ReLU meets values below zero in a Concat, so its range has them too."""
    qdq = QdqModel(quantised("unet_small")[0])
    kept = qdq.nodes("Relu")
    assert [node.name for node in kept] == [f"{n}.conv2.relu" for n in ("inc", "down1", "down2")]
    for node in kept:
        x, y = qdq.read(node.input[0]), qdq.written(node.output[0])
        assert (x.scale, x.zero_point) == (y.scale, y.zero_point)
        assert y.zero_point > -128


def test_digits() -> None:
    model = zoo.lenet_digits()
    train, _, images, labels = split()
    int8, report = quantize(model, {"input": train[:200]})
    assert report.outputs[0].top1_agreement == pytest.approx(1, abs=0.01)
    float_accuracy, int8_accuracy = accuracy(model, images, labels), accuracy(int8, images, labels)
    assert min(float_accuracy, int8_accuracy) > 0.97
    assert abs(float_accuracy - int8_accuracy) < 0.01


def test_model_is_not_changed_and_batches_are_fed_whole() -> None:
    model = zoo.lenet()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    before = model.SerializeToString()
    calls: list[tuple[str, int, int]] = []
    _, report = quantize(model, samples(model, 6, 0), lambda *call: calls.append(call))
    assert model.SerializeToString() == before
    assert report.runs == 3
    assert calls == [(stage, n, 3) for stage in ("calibrate", "compare") for n in (1, 2, 3)]


SMALL_SHAPE = (1, 2, 6, 6)


def small_model(nodes: list[Any], names: str, opset: int) -> Any:
    """Nodes from float inputs of shape SMALL_SHAPE to `y`; `w` are weights of a 3x3 convolution."""
    w = np.random.default_rng(0).standard_normal((2, 2, 3, 3), dtype=np.float32)
    floats = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SMALL_SHAPE) for n in names]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [onnx.numpy_helper.from_array(w, "w")]
    graph = helper.make_graph(nodes, "small", floats, [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_two_inputs_old_opset_and_a_node_that_stays_in_float() -> None:
    nodes = [
        helper.make_node("Sum", ["a", "b"], ["sum"]),
        helper.make_node("Conv", ["sum", "w"], ["conv"], "conv"),
        helper.make_node("HardSigmoid", ["conv"], ["gate"], "gate"),
        helper.make_node("Softsign", ["gate"], ["y"], "last"),
    ]
    model = small_model(nodes, "ab", opset=9)
    rng = np.random.default_rng(0)
    feeds = {n: rng.standard_normal((5, *SMALL_SHAPE[1:]), dtype=np.float32) for n in ("a", "b")}
    _, report = quantize(model, feeds)
    assert report.nodes.quantized == ("sum", "conv", "gate")
    assert [(n.name, n.op_type) for n in report.nodes.left_in_float] == [("last", "Softsign")]
    assert report.outputs[0].snr_db is not None
    assert report.outputs[0].snr_db > 20
    assert "float: Softsign last" in report.to_text()


def test_clip_stays_where_a_concat_widens_its_range() -> None:
    nodes = [
        helper.make_node("Conv", ["a", "w"], ["wide"], "wide"),
        helper.make_node("Conv", ["b", "w"], ["conv"], "conv"),
        helper.make_node("Clip", ["conv"], ["narrow"], "narrow", min=0.0, max=1.0),
        helper.make_node("Concat", ["wide", "narrow"], ["y"], "join", axis=1),
    ]
    model = small_model(nodes, "ab", opset=9)
    rng = np.random.default_rng(1)
    feeds = {n: rng.standard_normal((5, *SMALL_SHAPE[1:]), dtype=np.float32) for n in "ab"}
    quantised_model, report = quantize(model, feeds)
    assert report.nodes.quantized == ("wide", "conv", "narrow", "join")
    assert report.nodes.fused == ()
    narrow = onnxruntime_output(quantised_model, feeds)[:, 2:]
    step = QdqModel(quantised_model).written("narrow").scale
    assert -step < narrow.min() <= 0
    assert 1 - step < narrow.max() < 1 + step


def onnxruntime_output(model: Any, feeds: dict[str, Array]) -> Array:
    first = {name: array[:1] for name, array in feeds.items()}
    result: Array = int8_session(model).run(None, first)[0]
    return result


def broken(change: Any) -> Any:
    model = zoo.lenet()
    change(model.graph)
    return model


def set_weight(value: float, dtype: Any) -> Any:
    def change(graph: Any) -> None:
        for constant in graph.initializer:
            if constant.name == "conv2.weight":
                array = onnx.numpy_helper.to_array(constant).astype(dtype)
                array[0, 0, 0, 0] = value
                constant.CopyFrom(onnx.numpy_helper.from_array(array, constant.name))

    return change


def set_batch(graph: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def without_input() -> Any:
    """lenet of a constant image."""
    model = zoo.lenet()
    del model.graph.input[:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(DATA["input"][:1], "input"))
    return model


DATA = {"input": np.ones((2, 1, 8, 8), np.float32)}
LENET = zoo.lenet()


def spoiled(value: float) -> dict[str, Array]:
    array = DATA["input"].copy()
    array[1, 0, 2, 3] = value
    return {"input": array}


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (broken(set_batch), DATA, r"input 'input' has the dynamic shape \(batch, 1, 8, 8\)"),
        (broken(set_weight(np.nan, np.float32)), DATA, "constant 'conv2.weight' holds nan"),
        (broken(set_weight(0, np.float16)), DATA, "constant 'conv2.weight' has 16 bits"),
        (broken(set_weight(3e38, np.float32)), spoiled(1e9), "tensor 'conv2' .* reaches .*inf"),
        (without_input(), {}, "the model has no inputs, there is nothing to calibrate"),
        (LENET, {}, r"has the arrays \[\], the inputs of the model are \['input'\]"),
        (LENET, {"x": DATA["input"]}, r"has the arrays \['x'\]"),
        (LENET, {"input": np.ones((2, 8, 8), np.float32)}, r"must be \(samples, 1, 8, 8\)"),
        (LENET, {"input": np.ones((0, 1, 8, 8), np.float32)}, "0 samples, must be a multiple of 1"),
        (LENET, {"input": np.ones((2, 1, 8, 8), np.uint8)}, "is uint8, the model needs float32"),
        (LENET, spoiled(np.nan), r"array 'input' holds nan at \(1, 0, 2, 3\), must be finite"),
        (LENET, spoiled(-np.inf), r"array 'input' holds -inf at \(1, 0, 2, 3\), must be finite"),
    ],
)
def test_wrong_input_is_named(model: Any, data: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        quantize(model, data)
    assert "\n" not in str(caught.value)


def test_dynamic_shape_inside_the_model_is_named() -> None:
    nodes = [
        helper.make_node("NonZero", ["a"], ["indices"], "nonzero"),
        helper.make_node("Cast", ["indices"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Relu", ["float"], ["y"], "relu"),
    ]
    model = small_model(nodes, "a", opset=17)
    with pytest.raises(InvalidInputError, match="tensor 'y' of Relu node 'relu' has the dynamic"):
        quantize(model, {"a": np.ones(SMALL_SHAPE, np.float32)})
