# SPDX-License-Identifier: Apache-2.0
"""Turns a quantised ONNX model into a graph. Needs the extra `onnx`; see docs/onnx.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lineconv.graph import concat, convolutions, elementwise, moves, windows
from lineconv.graph.context import Context
from lineconv.graph.fusion import fuse
from lineconv.graph.graph import Graph
from lineconv.graph.host_nodes import convert_host
from lineconv.graph.source import Node, read_source
from lineconv.onnx_model import load_model

__all__ = ["import_onnx"]


def import_onnx(model: Any) -> Graph:
    """The graph of integer layers that a quantised model stands for.

    Args:
        model: `onnx.ModelProto` of opset 13 or later, QDQ or QOperator, with fixed shapes; or a
            path to one. It is not changed.

    Raises:
        InvalidFileError: the file is missing or no valid model.
        InvalidInputError: the model cannot be imported; the message names the node or tensor.
    """
    if isinstance(model, (str, Path)):
        model = load_model(Path(model))
    source = read_source(model)
    ctx = Context(source)
    for node in source.nodes:
        if node in ctx.done:
            continue
        convert = _CONVERT.get(node.op_type)
        reason = convert(ctx, node) if convert else "no integer form"
        if reason is not None:
            convert_host(ctx, node, reason)
    outputs = tuple(ctx.stored(name) for name in source.outputs)
    layers = fuse(ctx.layers, source.outputs)
    read = {tensor.name for layer in layers for tensor in layer.inputs} | set(source.outputs)
    constants = {name: array for name, array in ctx.constants.items() if name in read}
    return Graph(source.inputs, outputs, layers, constants)


_CHAIN = (
    *("Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Gelu"),
    *("HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Mish", "Softplus", "Softsign"),
    *("Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Floor", "Ceil", "Round", "Sign"),
    *("Sub", "Div", "Pow", "Min", "Max"),
)
_CONVERT: dict[str, Callable[[Context, Node], str | None]] = {
    "QuantizeLinear": elementwise.convert_quantize,
    "DequantizeLinear": elementwise.convert_dequantize,
    "Conv": convolutions.convert_conv,
    "ConvTranspose": convolutions.convert_conv_transpose,
    "Gemm": convolutions.convert_gemm,
    "MatMul": convolutions.convert_mat_mul,
    "ConvInteger": convolutions.convert_conv_integer,
    "MatMulInteger": convolutions.convert_mat_mul_integer,
    "MaxPool": windows.convert_max_pool,
    "GlobalMaxPool": windows.convert_global_max_pool,
    "AveragePool": windows.convert_average_pool,
    "GlobalAveragePool": windows.convert_global_average_pool,
    "Add": elementwise.convert_binary,
    "Mul": elementwise.convert_binary,
    "Concat": concat.convert_concat,
    "Resize": moves.convert_resize,
    "Transpose": moves.convert_transpose,
    "Slice": moves.convert_slice,
    "Split": moves.convert_split,
    "Gather": moves.convert_gather,
    "Pad": moves.convert_pad,
    "DepthToSpace": moves.convert_depth_to_space,
    "SpaceToDepth": moves.convert_depth_to_space,
    **dict.fromkeys(
        ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"), moves.convert_reshape
    ),
    **dict.fromkeys(_CHAIN, elementwise.convert_chain),
}
