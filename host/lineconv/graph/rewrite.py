# SPDX-License-Identifier: Apache-2.0
"""Brings QuantizeLinear nodes to where ONNX Runtime looks for them. No value changes."""

from __future__ import annotations

from typing import Any

from lineconv.extras import require
from lineconv.graph.layers import AnyArray

__all__ = ["merge_quantise", "pull_quantise"]

# They move values, or take one of several; so quantising may come before them as well.
_MOVES = ("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten")


def merge_quantise(model: Any, constants: dict[str, AnyArray]) -> None:
    """Make one of QuantizeLinear nodes that do the same; some tools write one for each reader."""
    outputs = {value.name for value in model.graph.output}
    first: dict[Any, str] = {}
    merged: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = merged.get(name, name)
        if node.op_type == "QuantizeLinear" and node.output[0] not in outputs:
            values = [
                (constants[n].dtype, constants[n].tobytes()) for n in _constants(node, constants)
            ]
            attributes = sorted(entry.SerializeToString() for entry in node.attribute)
            key = (node.input[0], *values, *attributes)
            if len(values) == len(node.input) - 1 and key in first:
                merged[node.output[0]] = first[key]
                continue
            first[key] = node.output[0]
        kept.append(node)
    _replace(model, kept)


def _constants(node: Any, constants: dict[str, AnyArray]) -> list[str]:
    return [name for name in node.input[1:] if name in constants]


def pull_quantise(model: Any, constants: dict[str, AnyArray]) -> None:
    """Quantise before a move of float32 values instead of behind it.

    Conv, MaxPool, QuantizeLinear becomes Conv, QuantizeLinear, DequantizeLinear, MaxPool,
    QuantizeLinear.
    """
    helper = require("onnx", "onnx").helper
    outputs = {value.name for value in model.graph.output}
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    makers = {name: node for node in model.graph.node for name in node.output}

    def sole_user(name: str) -> Any:
        found = users.get(name, [])
        return found[0] if len(found) == 1 and name not in outputs else None

    before: dict[str, list[Any]] = {}  # new nodes, by the name of the node that follows them
    for node in reversed(model.graph.node):
        if node.op_type not in _MOVES or len(node.output) > 1:
            continue
        end = sole_user(node.output[0])
        if end is None or end.op_type != "QuantizeLinear" or end.attribute:
            continue
        scalar = all(name in constants and constants[name].size == 1 for name in end.input[1:])
        maker = makers.get(node.input[0])
        if not scalar or (maker is not None and maker.op_type == "DequantizeLinear"):
            continue
        if sole_user(node.input[0]) is None:
            continue
        quantised, real = f"{node.output[0]}/quantised_before", f"{node.output[0]}/real_before"
        parameters = list(end.input[1:])
        pair = [
            helper.make_node(op_type, [x, *parameters], [y], f"{y}/{op_type}")
            for op_type, x, y in (
                ("QuantizeLinear", node.input[0], quantised),
                ("DequantizeLinear", quantised, real),
            )
        ]
        users[node.input[0]] = [pair[0]]
        node.input[0] = real
        before[node.name] = pair
    _replace(model, [n for node in model.graph.node for n in (*before.get(node.name, ()), node)])


def _replace(model: Any, nodes: list[Any]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
