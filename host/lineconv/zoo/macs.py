# SPDX-License-Identifier: Apache-2.0
"""Counts the multiplications of an ONNX model."""

from __future__ import annotations

import math
from typing import Any

from lineconv.extras import require

__all__ = ["count_macs"]


def count_macs(model: Any) -> dict[str, int]:
    """Multiply-accumulates of each Conv, ConvTranspose and Gemm of a float model by node name.

    Padding counts as pixels, as in the published figures. Shapes must be fixed.
    """
    onnx = require("onnx", "onnx")
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    weights = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    counts = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm"):
            weight = weights[node.input[1]]
            # Every output of a convolution, every input of a transposed one meets a whole kernel.
            steps = shapes[node.input[0] if node.op_type == "ConvTranspose" else node.output[0]]
            counts[node.name] = math.prod(steps) * math.prod(weight[1:])
            if node.op_type == "Gemm":
                counts[node.name] = steps[0] * math.prod(weight)
    return counts
