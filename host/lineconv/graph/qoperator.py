# SPDX-License-Identifier: Apache-2.0
"""Writes QOperator nodes (QLinearConv, QLinearAdd, ...) as QDQ, which is what they mean.

DequantizeLinear, the float operator, QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lineconv.extras import require

__all__ = ["to_qdq"]

# Operator; for each quantised input, the places of value, scale and zero point among all inputs;
# the places of scale and zero point of the output.
_PLACES: dict[str, tuple[str, tuple[tuple[int, int, int], ...], tuple[int, int]]] = {
    "QLinearConv": ("Conv", ((0, 1, 2), (3, 4, 5)), (6, 7)),
    "QLinearMatMul": ("MatMul", ((0, 1, 2), (3, 4, 5)), (6, 7)),
    "QGemm": ("Gemm", ((0, 1, 2), (3, 4, 5)), (7, 8)),
    "QLinearAdd": ("Add", ((0, 1, 2), (3, 4, 5)), (6, 7)),
    "QLinearMul": ("Mul", ((0, 1, 2), (3, 4, 5)), (6, 7)),
    "QLinearAveragePool": ("AveragePool", ((0, 1, 2),), (3, 4)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", ((0, 1, 2),), (3, 4)),
    "QLinearLeakyRelu": ("LeakyRelu", ((0, 1, 2),), (3, 4)),
    "QLinearSigmoid": ("Sigmoid", ((0, 1, 2),), (3, 4)),
    "QLinearSoftmax": ("Softmax", ((0, 1, 2),), (3, 4)),
}
_BIAS = {"QLinearConv": 8, "QGemm": 6}
_WEIGHT_AXIS = {"QLinearConv": 0, "QLinearMatMul": -1, "QGemm": -1}
_DROPPED_ATTRIBUTES = {"channels_last", "opset"}  # of com.microsoft; the float operator has neither


def to_qdq(nodes: Sequence[Any]) -> list[Any]:
    """Nodes with every QOperator node written as QDQ; the others as they are.

    Stays what means something else as a float operator: channels last, Softmax before opset 13.
    """
    result: list[Any] = []
    for node in nodes:
        given = {entry.name: entry.i for entry in node.attribute}
        other = given.get("channels_last", 0) or given.get("opset", 13) < 13
        if node.op_type == "QLinearConcat":
            result += _Rewriter(node).concat()
        elif node.op_type in _PLACES and not other:
            result += _Rewriter(node).rewrite()
        else:
            result.append(node)
    return result


class _Rewriter:
    """Nodes that stand for one."""

    def __init__(self, node: Any) -> None:
        self._helper = require("onnx", "onnx").helper
        self._node = node
        self._inputs = list(node.input)
        self._nodes: list[Any] = []

    def rewrite(self) -> list[Any]:
        node = self._node
        op_type, read, (y_scale, y_zero) = _PLACES[node.op_type]
        axis = _WEIGHT_AXIS.get(node.op_type)
        if node.op_type == "QGemm" and self._attribute("transB"):
            axis = 0
        names = []
        for place, (x, scale, zero) in enumerate(read):
            along = {"axis": axis} if place == 1 and axis is not None else {}
            names.append(self._dequantised(x, scale, zero, **along))
        if self._has(_BIAS.get(node.op_type, -1)):
            names.append(self._bias(_BIAS[node.op_type]))
        self._finish(op_type, names, y_scale, y_zero)
        return self._nodes

    def concat(self) -> list[Any]:
        names = [self._dequantised(i, i + 1, i + 2) for i in range(2, len(self._inputs), 3)]
        self._finish("Concat", names, 0, 1)
        return self._nodes

    def _has(self, place: int) -> bool:
        return 0 <= place < len(self._inputs) and bool(self._inputs[place])

    def _attribute(self, name: str) -> int:
        return next((int(entry.i) for entry in self._node.attribute if entry.name == name), 0)

    def _add(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(
            self._helper.make_node(op_type, inputs, [output], f"{output}/{op_type}", **attributes)
        )
        return output

    def _name(self, part: str) -> str:
        return f"{self._node.output[0]}/{part}"

    def _dequantised(self, x: int, scale: int, zero: int, **attributes: Any) -> str:
        inputs = [self._inputs[x], self._inputs[scale]]
        if self._has(zero):
            inputs.append(self._inputs[zero])
        return self._add("DequantizeLinear", inputs, self._name(f"input{x}"), **attributes)

    def _bias(self, place: int) -> str:
        """The scale of the accumulators is that of the bias."""
        scale = self._add("Mul", [self._inputs[1], self._inputs[4]], self._name("bias_scale"))
        return self._add(
            "DequantizeLinear", [self._inputs[place], scale], self._name("bias"), axis=0
        )

    def _finish(self, op_type: str, names: list[str], scale: int, zero: int) -> None:
        """The float operator, and QuantizeLinear if the result is not float."""
        node = self._node
        quantised = self._has(scale)
        output = self._name("real") if quantised else node.output[0]
        self._nodes.append(
            self._helper.make_node(op_type, names, [output], node.name or node.output[0])
        )
        kept = [entry for entry in node.attribute if entry.name not in _DROPPED_ATTRIBUTES]
        self._nodes[-1].attribute.extend(kept)
        if quantised:
            inputs = [output, self._inputs[scale]]
            if self._has(zero):
                inputs.append(self._inputs[zero])
            self._add("QuantizeLinear", inputs, node.output[0])
