# SPDX-License-Identifier: Apache-2.0
"""Graphs of one operator equal ONNX Runtime in every bit: random shapes, scales, zero points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import operator_models
import pytest
from graph_reference import check_equal, differences, random_feed
from operator_models import FUNCTIONS
from qdq_builder import QdqBuilder

from lineconv.graph import Graph, layers
from lineconv.graph.elementwise import OTHER_ORDER
from lineconv.graph.host_nodes import ANOTHER_ORDER
from lineconv.graph.importer import import_onnx
from lineconv.onnx_session import run_tensors

SEEDS = range(25)
REMARKS = {"", OTHER_ORDER, ANOTHER_ORDER}  # in graphs of one operator nothing differs

Model = Callable[[QdqBuilder], Any]


def graphs(model: Model, dtype: str) -> Any:
    """(model, graph, seed) for each seed."""
    for seed in SEEDS:
        proto = model(QdqBuilder(seed, dtype))
        yield proto, import_onnx(proto), seed


def kinds(graph: Graph) -> set[type[layers.Layer]]:
    return {type(layer) for layer in graph.layers}


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (operator_models.conv, layers.Convolution),
        (operator_models.gemm, layers.Convolution),
        (operator_models.mat_mul, layers.Convolution),
        (operator_models.max_pool, layers.MaxPool),
        (operator_models.average_pool, layers.AveragePool),
        (operator_models.global_average_pool, layers.GlobalAveragePool),
        (operator_models.add, layers.Add),
        (operator_models.mul, layers.Mul),
        (operator_models.concat, layers.Concat),
        (operator_models.function, layers.Table),
        (operator_models.clip, layers.Table),
        (operator_models.host, layers.Host),
    ],
    ids=lambda value: value.__name__,
)
def test_equals_onnx_runtime(model: Model, kind: type[layers.Layer], dtype: str) -> None:
    for proto, graph, seed in graphs(model, dtype):
        assert kind in kinds(graph), f"seed {seed}"
        assert {layer.remark for layer in graph.layers} <= REMARKS, f"seed {seed}"
        check_equal(proto, graph, range(seed, seed + 1))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("model", [operator_models.conv_transpose, operator_models.conv_relu])
def test_float_sums_differ_by_one_at_most(model: Model, dtype: str) -> None:
    """ONNX Runtime adds in float32 here, and says so."""
    different = total = 0
    for proto, graph, seed in graphs(model, dtype):
        (layer,) = graph.layers
        assert layer.remark, f"seed {seed}"
        for count, distance in differences(proto, graph, random_feed(graph, seed)).values():
            assert distance == 1, f"seed {seed}"
            different += count
        total += int(np.prod(layer.outputs[0].shape))
    assert total > 5000
    assert different < total / 1000


@pytest.mark.parametrize("model", [operator_models.conv_integer, operator_models.mat_mul_integer])
def test_accumulators(model: Model) -> None:
    for proto, graph, seed in graphs(model, "uint8"):
        assert kinds(graph) == {layers.Convolution}
        check_equal(proto, graph, range(seed, seed + 1))


@pytest.mark.parametrize("op_type", [name for name, _ in FUNCTIONS])
@pytest.mark.parametrize("count", [1, 15, 31, 67])
def test_table_does_not_depend_on_the_place(op_type: str, count: int) -> None:
    """ONNX Runtime has loops for full vectors and for the rest: both must give the table."""
    b = QdqBuilder(count)
    y = b.node(op_type, [b.real((count, 256), (np.float32(0.05), np.int8(3)))])
    proto = b.finish(b.quantise(y, 0.011, np.int8(-7)))
    check_equal(proto, import_onnx(proto), range(1))


SHAPE = (1, 12, 6, 4)
MOVES: dict[str, tuple[str, list[Any], dict[str, Any], set[type[layers.Layer]]]] = {
    "reshape": ("Reshape", [[1, -1, 4]], {}, {layers.Reshape}),
    "flatten": ("Flatten", [], {"axis": 2}, {layers.Reshape}),
    "unsqueeze": ("Unsqueeze", [[2]], {}, {layers.Reshape}),
    "squeeze": ("Squeeze", [[0]], {}, {layers.Reshape}),
    "transpose": ("Transpose", [], {"perm": [0, 2, 3, 1]}, {layers.Transpose}),
    "slice": ("Slice", [[1, -1], [9, -99], [1, 2], [2, -1]], {}, {layers.Slice}),
    "pad": ("Pad", [[0, 1, 2, 3, 0, 0, 1, 2]], {}, {layers.Pad}),
    "gather": ("Gather", [[1, 3, 5]], {"axis": 1}, {layers.Slice}),
    "gather_one": ("Gather", [3], {"axis": 1}, {layers.Slice, layers.Reshape}),
    "depth": ("DepthToSpace", [], {"blocksize": 2}, {layers.Reshape, layers.Transpose}),
    "depth_crd": (
        *("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
        {layers.Reshape, layers.Transpose},
    ),
    "space": ("SpaceToDepth", [], {"blocksize": 2}, {layers.Reshape, layers.Transpose}),
    "resize": (
        *("Resize", [None, np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}),
        {layers.Resize},
    ),
    "max": ("GlobalMaxPool", [], {}, {layers.MaxPool}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str, dtype: str) -> None:
    op_type, constants, attributes, expected = MOVES[name]
    for same in (True, False):
        b = QdqBuilder(len(name), dtype)
        parameters = b.parameters()
        arrays = [c if c is None else np.asarray(c) for c in constants]
        names = ["" if array is None else b.constant(array) for array in arrays]
        y = b.node(op_type, [b.real(SHAPE, parameters), *names], **attributes)
        proto = b.finish(b.quantise(y, *(parameters if same else b.parameters())))
        graph = import_onnx(proto)
        assert kinds(graph) == expected | (set() if same else {layers.Table})
        check_equal(proto, graph, range(1))


def test_split_and_channel_shuffle() -> None:
    b = QdqBuilder(1)
    parameters = b.parameters()
    split = b.node("Split", [b.real(SHAPE, parameters), b.constant(np.array([5, 7]))], 2, axis=1)
    x = b.real(SHAPE, parameters)
    groups = b.node("Reshape", [x, b.constant(np.array([1, 3, 4, 6, 4]))])
    turned = b.node("Transpose", [groups], perm=[0, 2, 1, 3, 4])
    shuffled = b.node("Reshape", [turned, b.constant(np.array(SHAPE))])
    outputs = [b.quantise(y, *parameters) for y in (split, f"{split}.1", shuffled)]
    proto = b.finish(*outputs)
    graph = import_onnx(proto)
    (shuffle,) = (layer for layer in graph.layers if isinstance(layer, layers.ChannelShuffle))
    assert shuffle.groups == 3
    assert kinds(graph) == {layers.Slice, layers.ChannelShuffle}
    check_equal(proto, graph)


@pytest.mark.parametrize("axes", [(None, None), (0, 1), (None, 1), (0, None)], ids=str)
def test_add_rounds_each_step_as_the_processor_does(axes: tuple[int | None, int | None]) -> None:
    """All pairs of bytes; the first, the second or no input is a single element in each row."""
    every = np.arange(-128, 128).astype(np.int8)
    pairs = np.meshgrid(every, every)
    for seed in SEEDS:
        b = QdqBuilder(seed)
        first, second, result = b.parameters(), b.parameters(), b.parameters()
        arrays = [
            pair if axis is None else pair.take([0], axis)
            for pair, axis in zip(pairs, axes, strict=True)
        ]
        names = [b.real(x.shape, p) for x, p in zip(arrays, (first, second), strict=True)]
        scale = (first[0] + second[0]) * np.float32(b.rng.uniform(0.5, 1))
        proto = b.finish(b.quantise(b.node("Add", names), scale, result[1]))
        graph = import_onnx(proto)
        feed = {t.name: x for t, x in zip(graph.inputs, arrays, strict=True)}
        assert differences(proto, graph, feed) == {}, f"seed {seed}"


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("scale", [1e-30, 0.02, 1.0, 3e5])
def test_quantise_of_any_size(dtype: type[Any], scale: float) -> None:
    """Ties, values far beyond int32, quotients that overflow float32."""
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    x = np.concatenate([
        np.arange(-600, 600) / 2 * scale,
        rng.standard_normal(2000) * 10.0 ** rng.uniform(-38, 38, 2000),
        [0.0, -0.0, 3.4e38, -3.4e38, 2.0**24 + 1, -(2.0**31), 1e-45],
    ]).astype(np.float32)  # fmt: skip
    for zero_point in (limits.min, 3, limits.max):
        nodes = [onnx.helper.make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["y"])]
        constants = {"scale": np.float32(scale), "zero_point": np.array(zero_point, dtype)}
        graph = onnx.helper.make_graph(
            nodes,
            "quantise",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
            [
                onnx.helper.make_tensor_value_info(
                    "y", onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), x.shape
                )
            ],
            [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
        )
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
        )
        (y,) = import_onnx(model).run({"x": x}).values()
        np.testing.assert_array_equal(y, run_tensors(model, {"x": x}, ["y"])["y"])
