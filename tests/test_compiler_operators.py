# SPDX-License-Identifier: Apache-2.0
"""Random graphs of one ONNX operator: what the engine computes equals NumPy in every bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import operator_models
import pytest
from compiled import check, host_reasons
from qdq_builder import QdqBuilder

from lineconv.graph.importer import import_onnx

SEEDS = range(4)

# Operators, and what keeps some of their layers on the host.
REPEATED = "one of its inputs is repeated along an axis"
ORDER = "depends on the order of its float32 sum"
OPERATORS: dict[Callable[[QdqBuilder], Any], str] = {
    operator_models.conv: "",
    operator_models.conv_transpose: "",
    operator_models.conv_relu: "",
    operator_models.gemm: "",
    operator_models.mat_mul: "",
    operator_models.conv_integer: "",
    operator_models.mat_mul_integer: "",
    operator_models.max_pool: "",
    operator_models.average_pool: ORDER,
    operator_models.global_average_pool: "",
    operator_models.add: REPEATED,
    operator_models.mul: "the engine cannot multiply two tensors",
    operator_models.concat: "",
    operator_models.function: "",
    operator_models.clip: "",
}


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("model", OPERATORS, ids=lambda model: model.__name__)
def test_equals_numpy(model: Callable[[QdqBuilder], Any], dtype: str) -> None:
    reasons: set[str] = set()
    on_engine = 0
    for seed in SEEDS:
        graph = import_onnx(model(QdqBuilder(seed, dtype)))
        for target in ("tiny", "pynq-z2", "kv260"):
            network = check(graph, target, seed, keep=seed % 2 == 0)
            reasons |= set(host_reasons(network).values())
            on_engine += len(network.layers)
    allowed = OPERATORS[model]
    assert all(allowed and reason.endswith(allowed) for reason in reasons), reasons
    assert on_engine or model is operator_models.mul
