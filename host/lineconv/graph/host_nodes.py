# SPDX-License-Identifier: Apache-2.0
"""Nodes that become host layers: a small model that ONNX Runtime computes as in the whole one."""

from __future__ import annotations

from typing import Any

from lineconv.graph.context import Context, quantising
from lineconv.graph.layers import AnyArray, Host, Tensor
from lineconv.graph.source import Node, build_model
from lineconv.graph.values import Constant, ConstantReal, Real

__all__ = ["convert_host"]

# ONNX Runtime computes these from int8 even if their result is float.
INTEGER_INSIDE = ("Gemm", "MatMul")
FLOAT_SUMS = frozenset({
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "AveragePool", "GlobalAveragePool"),
    *("ReduceMean", "ReduceSum", "ReduceL2", "LRN", "LayerNormalization", "InstanceNormalization"),
})  # fmt: skip
ANOTHER_ORDER = "ONNX Runtime may add its float32 terms in another order within the whole model"
DEFAULTS: dict[str, dict[str, Any]] = {
    "ArgMax": {"axis": 0, "keepdims": 1, "select_last_index": 0},
    "Softmax": {"axis": -1},
}


def convert_host(ctx: Context, node: Node, reason: str) -> None:
    """Add a host layer for a node.

    Where QuantizeLinear follows, it and DequantizeLinear before go along: ONNX Runtime may fuse
    them.
    """
    end = ctx.end(node.outputs[0]) if len(node.outputs) == 1 else None
    if end is not None and len(end.nodes) > 1:
        end = None  # activations in between are nodes of their own
    whole = end is not None or node.op_type in INTEGER_INSIDE
    nodes: list[Any] = []
    constants: dict[str, AnyArray] = {}
    inputs: dict[str, Tensor] = {}
    for name in dict.fromkeys(filter(None, node.inputs)):
        value = ctx.values[name]
        if isinstance(value, Constant):
            constants[name] = value.array
        elif isinstance(value, ConstantReal):
            maker = ctx.source.makers[name]
            nodes.append(maker.proto)
            constants |= {i: ctx.source.constants[i] for i in maker.inputs if i}
        elif isinstance(value, Real) and not value.chain and whole:
            tensor = value.tensor
            dequantise, given = quantising("DequantizeLinear", tensor.name, name, tensor)
            nodes.append(dequantise)
            constants |= given
            inputs[tensor.name] = tensor
        else:
            tensor = ctx.stored(name)
            inputs[tensor.name] = tensor
    single = not nodes and end is None and node.op_type in DEFAULTS
    nodes.append(node.proto)
    outputs: tuple[Tensor, ...]
    if end is not None:
        nodes.append(end.nodes[0].proto)
        constants |= {i: ctx.source.constants[i] for i in end.nodes[0].inputs[1:] if i}
        outputs = (end.tensor,)
    else:
        outputs = tuple(ctx.source.tensors[name] for name in node.outputs if name)
    model = build_model(nodes, constants, list(inputs.values()), outputs, ctx.source.opsets)
    integer = whole and node.op_type in INTEGER_INSIDE
    layer = Host(
        remark=ANOTHER_ORDER if node.op_type in FLOAT_SUMS and not integer else "",
        name=node.name, inputs=tuple(inputs.values()), outputs=outputs, op_type=node.op_type,
        reason=reason, model=model,
        attributes=DEFAULTS[node.op_type] | node.attributes if single else {},
    )  # fmt: skip
    ctx.finish(layer, end)
