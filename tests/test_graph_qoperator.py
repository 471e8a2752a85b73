# SPDX-License-Identifier: Apache-2.0
"""QOperator nodes, those of com.microsoft too, equal ONNX Runtime; random networks do as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_reference import check_equal
from onnx import helper
from qdq_builder import QdqBuilder

from lineconv.errors import InvalidInputError
from lineconv.graph import layers
from lineconv.graph.importer import import_onnx

SHAPE = (2, 6, 7, 5)


class QOperatorBuilder(QdqBuilder):
    """Nodes that take scale and zero point as inputs."""

    def triple(self, name: str) -> list[str]:
        return [name, *self.pair()]

    def pair(self, scale: Any = None) -> list[str]:
        own, zero_point = self.parameters()
        return [
            self.constant(own if scale is None else np.float32(scale)),
            self.constant(zero_point),
        ]

    def build(self, op_type: str) -> str:
        x = self.triple(self.input(SHAPE))
        if op_type in ("QLinearAdd", "QLinearMul"):
            return self.microsoft(op_type, [*x, *self.triple(self.input(SHAPE)), *self.pair()])
        if op_type == "QLinearConcat":
            return self.microsoft(
                op_type, [*self.pair(), *x, *self.triple(self.input(SHAPE))], axis=1
            )
        if op_type == "QLinearLeakyRelu":
            return self.microsoft(op_type, [*x, *self.pair()], alpha=0.2)
        if op_type == "QLinearSoftmax":
            return self.microsoft(op_type, [*x, *self.pair(1 / 256)], axis=1, opset=17)
        if op_type == "QLinearAveragePool":
            window = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]}
            return self.microsoft(op_type, [*x, *self.pair()], **window)
        if op_type == "QGemm":
            return self.gemm(True)
        if op_type == "QGemm to float32":
            return self.gemm(False)
        return self.microsoft(op_type, [*x, *self.pair(1 / 100)])

    def microsoft(self, op_type: str, names: list[str], **attributes: Any) -> str:
        return self.node(op_type, names, domain="com.microsoft", **attributes)

    def gemm(self, quantised: bool) -> str:
        w, bias = self.bytes((4, 9), np.int8), self.rng.integers(-999, 999, 4).astype(np.int32)
        names = [*self.triple(self.input((3, 9))), self.constant(w)]
        names += [self.constant(np.full(4, 0.01, np.float32)), self.constant(np.zeros(4, np.int8))]
        names += [self.constant(bias), *(self.pair() if quantised else [])]
        return self.microsoft("QGemm", names, transB=1)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("op_type", "kind"),
    [
        ("QLinearAdd", layers.Add),
        ("QLinearMul", layers.Mul),
        ("QLinearConcat", layers.Concat),
        ("QLinearLeakyRelu", layers.Table),
        ("QLinearSigmoid", layers.Table),
        ("QLinearSoftmax", layers.Host),
        ("QLinearAveragePool", layers.AveragePool),
        ("QLinearGlobalAveragePool", layers.GlobalAveragePool),
        ("QGemm", layers.Convolution),
        ("QGemm to float32", layers.Host),
    ],
)
def test_operators_of_microsoft(op_type: str, kind: type[layers.Layer], dtype: str) -> None:
    for seed in range(5):
        b = QOperatorBuilder(seed, dtype)
        proto = b.finish(b.build(op_type))
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        graph = import_onnx(proto)
        assert kind in {type(layer) for layer in graph.layers}, f"seed {seed}"
        check_equal(proto, graph, range(seed, seed + 1))


def test_operator_without_shape_is_refused() -> None:
    b = QOperatorBuilder(0)
    names = [*b.triple(b.input(SHAPE)), *b.pair()]
    proto = b.finish(b.microsoft("QLinearGlobalAveragePool", names, channels_last=1))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(
        InvalidInputError, match=r"QLinearGlobalAveragePool node 't.*' of com.micro"
    ):
        import_onnx(proto)


def random_network(b: QdqBuilder) -> Any:
    """Some twenty layers of equal size, each of one or two results before it."""
    shape = (1, 6, 8, 7)
    made = [b.real(shape)]
    for _ in range(20):
        x = made[-1] if b.rng.random() < 0.7 else made[b.rng.integers(len(made))]
        other = made[b.rng.integers(len(made))]
        choice = b.rng.integers(8)
        scale, zero_point = np.float32(b.rng.uniform(0.02, 0.05)), b.parameters()[1]
        if choice <= 2:
            groups = int(b.rng.choice([1, 2, 6]))
            w, _ = b.weights((6, 6 // groups, 3, 3), 0 if b.rng.random() < 0.5 else None)
            y = b.node("Conv", [x, w], pads=[1] * 4, group=groups)
        elif choice == 3:
            y = b.node(
                "AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4,
                count_include_pad=int(b.rng.integers(2)),
            )  # fmt: skip
        elif choice == 4:
            y = b.node("Add", [x, other])
        elif choice == 5:
            y = b.node("Mul", [x, b.node("Sigmoid", [x])])
        elif choice == 6:
            joined = b.node("Concat", [x, other], axis=1)
            joined = b.dequantise(b.quantise(joined, scale, zero_point), scale, zero_point)
            w, _ = b.weights((6, 12, 1, 1), 0)
            y = b.node("Conv", [joined, w])
        else:
            y = b.node("MaxPool", [x], kernel_shape=[3, 3], pads=[1] * 4)
        made.append(b.dequantise(b.quantise(y, scale, zero_point), scale, zero_point))
    return b.finish(made[-1], made[-2])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random_networks(dtype: str) -> None:
    for seed in range(6):
        proto = random_network(QdqBuilder(seed, dtype))
        graph = import_onnx(proto)
        kinds = {type(layer) for layer in graph.layers}
        assert kinds <= {
            *(layers.Convolution, layers.AveragePool, layers.Add, layers.MaxPool, layers.Table),
            *(layers.Concat, layers.Dequantize),
        }, f"seed {seed}"
        check_equal(proto, graph, range(seed, seed + 1))
