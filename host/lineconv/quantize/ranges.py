# SPDX-License-Identifier: Apache-2.0
"""Gives tensors that meet in a Concat one scale.

Then a Concat moves bytes only, and the layers before it can write into its result directly.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SAME_SCALE", "Ranges", "share_ranges"]

Ranges = dict[str, tuple[float, float]]  # tensor name to its minimum and maximum

# ONNX Runtime gives the results of these operators the scale of their input.
SAME_SCALE = frozenset({
    *("AveragePool", "MaxPool", "Resize", "Pad"),
    *("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split"),
})  # fmt: skip


def share_ranges(model: Any, ranges: Ranges) -> tuple[Ranges, list[str]]:
    """Give all inputs of a Concat and its result the union of their ranges.

    Where such an input comes out of pooling, resizing or the like, what goes into that joins them.

    Args:
        model: float `onnx.ModelProto`.
        ranges: as measured.

    Returns:
        The ranges to quantise with, and the names of ReLU and Clip nodes that must stay: usually
        saturation at the ends of its range does the work of such a node, but not if the range was
        made wider.
    """
    group = {name: name for name in ranges}

    def find(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for node in model.graph.node:
        if node.op_type == "Concat":
            joined = [*node.input, *node.output]
        elif node.op_type in SAME_SCALE:
            joined = [node.input[0], *node.output]
        else:
            continue
        tensors = [name for name in joined if name in group]
        for name in tensors[1:]:
            group[find(name)] = find(tensors[0])

    bounds: Ranges = {}
    for name, (low, high) in ranges.items():
        other_low, other_high = bounds.get(find(name), (low, high))
        bounds[find(name)] = min(low, other_low), max(high, other_high)
    concats = {find(n.output[0]) for n in model.graph.node if n.op_type == "Concat"}
    shared = {n: bounds[find(n)] if find(n) in concats else own for n, own in ranges.items()}
    return _keep_activations(model, ranges, shared)


def _keep_activations(model: Any, ranges: Ranges, shared: Ranges) -> tuple[Ranges, list[str]]:
    """Find activations that saturation no longer replaces; their input gets the same range."""
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    keep = []
    for node in model.graph.node:
        if node.op_type not in ("Relu", "Clip") or node.output[0] not in ranges:
            continue
        source, result = node.input[0], node.output[0]
        still_saturates = node.op_type == "Relu" and shared[result][0] >= 0
        if shared[result] != ranges[result] and not still_saturates:
            keep.append(node.name)
            if uses[source] == 1:
                shared[source] = shared[result]
    return shared, keep
