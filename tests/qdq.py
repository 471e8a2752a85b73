# SPDX-License-Identifier: Apache-2.0
"""Looks into QDQ models: parameters of a tensor, int8 values while ONNX Runtime runs the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from lineconv.onnx_session import int8_session

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Quantised:
    """An int8 tensor, or a constant: its name, and how to read it as real numbers."""

    name: str
    scale: AnyArray
    zero_point: AnyArray


class QdqModel:
    """Names and constants of a quantised model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.constants = {c.name: onnx.numpy_helper.to_array(c) for c in model.graph.initializer}
        self._made_by = {name: node for node in model.graph.node for name in node.output}
        self._used_by: dict[str, list[Any]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._used_by.setdefault(name, []).append(node)

    def read(self, name: str) -> Quantised:
        """What the DequantizeLinear before an input of a node reads."""
        return self._quantised(self._made_by[name], self._made_by[name].input[0])

    def written(self, name: str) -> Quantised:
        """What the QuantizeLinear behind an output of a node writes."""
        (node,) = self._used_by[name]
        assert node.op_type == "QuantizeLinear", node
        return self._quantised(node, node.output[0])

    def _quantised(self, node: Any, name: str) -> Quantised:
        _, scale, zero_point = node.input
        return Quantised(name, self.constants[scale], self.constants[zero_point])

    def nodes(self, *op_types: str) -> list[Any]:
        """Nodes of these operators, in order."""
        return [node for node in self.model.graph.node if node.op_type in op_types]

    def run(self, feed: dict[str, AnyArray], names: list[str]) -> dict[str, AnyArray]:
        """Values of int8 tensors."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        int8 = onnx.TensorProto.INT8
        model.graph.output.extend(onnx.helper.make_tensor_value_info(n, int8, None) for n in names)
        return dict(zip(names, int8_session(model).run(names, feed), strict=True))


def is_saturated_or_constant(values: npt.NDArray[np.int8]) -> bool:
    """Whether an int8 tensor says hardly anything."""
    counts = np.bincount(values.ravel().astype(np.int64) + 128, minlength=256) / values.size
    return bool(counts[255] > 0.1 or (counts > 0).sum() < min(16, values.size // 2))
