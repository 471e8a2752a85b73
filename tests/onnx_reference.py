# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime as the outside answer: one convolution node at a time."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import helper, numpy_helper

from lineconv.layer import ConvLayer

AnyArray = npt.NDArray[Any]


def run_onnx(op: str, x: AnyArray, constants: dict[str, Any], layer: ConvLayer) -> AnyArray:
    """Run one convolution node with all inputs but x constant, as in a real model."""
    (top, bottom), (left, right) = layer.padding
    node = helper.make_node(
        op, ["x", *constants], ["y"], kernel_shape=layer.kernel, strides=layer.stride,
        dilations=layer.dilation, pads=[top, left, bottom, right], group=layer.groups,
    )  # fmt: skip
    y_type = helper.np_dtype_to_tensor_dtype(np.dtype("int32") if "Integer" in op else x.dtype)
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_tensor_value_info("y", y_type, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if x.dtype == np.uint8:  # exact sums on every x86 CPU, see docs/numerics.md
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return cast(AnyArray, session.run(None, {"x": x})[0])
