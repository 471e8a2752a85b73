# SPDX-License-Identifier: Apache-2.0
"""What the importer refuses, in one line that names the node or tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import operator_models
import pytest
from onnx import TensorProto, helper, numpy_helper
from qdq_builder import QdqBuilder

from lineconv import zoo
from lineconv.errors import InvalidFileError, InvalidInputError
from lineconv.graph.importer import import_onnx

X = (np.float32(0.05), np.int8(-7))
Y = (np.float32(0.4), np.int8(5))


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


def impossible_constant() -> Any:
    b = QdqBuilder(0)
    target = b.constant(np.array([7, 7]))
    w = b.node("Reshape", [b.constant(np.ones((4, 5), np.float32)), target])
    return b.finish(b.quantise(b.node("Add", [b.real((7, 7), X), w]), *Y))


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
        (impossible_constant(), "Reshape node 't.*' cannot be computed: .*"),
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
