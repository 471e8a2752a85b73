# SPDX-License-Identifier: Apache-2.0
"""The layer methods of an accelerator: what they refuse, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lineconv.compiler.compile import compile as compile_network
from lineconv.driver import Accelerator
from lineconv.errors import InvalidInputError, InvalidLayerError, InvalidTensorError
from lineconv.graph import Graph
from lineconv.graph.layers import MaxPool, Mul, Tensor
from lineconv.methods import compiled
from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS

X = np.arange(-60, 60, dtype=np.int8).reshape(1, 4, 5, 6)
ROW = X.reshape(1, 4, 30)
W1, W3, W4 = (np.ones(shape, np.int8) for shape in ((4, 30), (3, 4, 3), (4, 3, 3, 3)))
TABLE = np.arange(256).astype(np.uint8)
REAL: dict[str, Any] = {"x_scale": 0.1, "y_scale": 0.1}

Call = Callable[[Any], Any]  # of an accelerator, with arguments of all types


class CountingBoard(ModelBoard):
    """Counts starts."""

    starts = 0

    def run(self) -> None:
        self.starts += 1
        super().run()


@pytest.fixture
def board() -> CountingBoard:
    return CountingBoard(PRESETS["tiny"].array)


@pytest.fixture
def accelerator(board: CountingBoard) -> Iterator[Accelerator]:
    with Accelerator(board, board, clock_hz=1e8, wait=board.wait, name="test") as opened:
        yield opened


REFUSED: list[tuple[Call, str]] = [
    (lambda a: a.conv1d(X, W3), r"x must have 3 axes \(N, C, L\), or 2 without N, got shape"),
    (lambda a: a.conv1d(ROW, W4), r"w must have 3 axes, got shape \(4, 3, 3, 3\)"),
    (lambda a: a.conv1d(ROW, W3, stride=9), "stride must be in 1..8, got 9"),
    (lambda a: a.conv1d(ROW, W3, dilation=0), "dilation must be at least 1, got 0"),
    (lambda a: a.conv1d(ROW, W3, padding=-1), "padding must be at least 0, got -1"),
    (lambda a: a.conv1d(ROW, W3, padding=(1, 1, 1)), r"padding must be an integer or a pair"),
    (lambda a: a.conv1d(ROW[:, :3], W3), "x has 3 channels but w expects 4"),
    (lambda a: a.linear(ROW[0], W3[0]), r"the 3 elements that rows of w have, got shape \(4, 30\)"),
    (lambda a: a.linear(ROW[0], W3), r"w must have 2 axes, got shape \(3, 4, 3\)"),
    (lambda a: a.linear(ROW[0, 0], W1, np.ones(3, np.int32)), r"bias must have shape \(4,\)"),
    (lambda a: a.linear(ROW[0], W1, scale=[1.0, 2.0]), r"scale must be one number or have shape"),
    (lambda a: a.linear(ROW[0], W1, output_type="int8"), "output_type INT8 needs a scale"),
    (lambda a: a.linear(ROW[0] / 2, W1), "x must be a NumPy array of int8 or uint8, got float64"),
    (lambda a: a.conv_transpose2d(X[:, :3], W4), "x has 3 channels but w expects 4"),
    (lambda a: a.conv_transpose2d(X, W4, groups=3), "divisible by groups=3, got 4"),
    (lambda a: a.conv_transpose2d(X, W4, padding="same"), "padding must be numbers, got 'same'"),
    (lambda a: a.conv_transpose2d(X, W4, padding=5), "padding 5 leaves nothing of the result"),
    (
        lambda a: a.conv_transpose2d(X, W4, stride=2, output_padding=2),
        "output_padding must be less than stride 2 or dilation 1, got 2",
    ),
    (lambda a: a.conv_transpose2d(X, np.ones((4, 1, 17, 1), np.int8)), "kernel height must be in"),
    (lambda a: a.max_pool2d(ROW[0], 2), r"x must have 4 axes \(N, C, H, W\), or 3 without N"),
    (lambda a: a.max_pool2d(X.astype(np.int32), 2), "must be a NumPy array of int8 or uint8"),
    (lambda a: a.max_pool2d(X.tolist(), 2), "x must be a NumPy array of int8 or uint8, got list"),
    (lambda a: a.max_pool2d(X[:0], 2), r"x must hold at least one element, got shape \(0, 4"),
    (lambda a: a.max_pool2d(X, 17), "kernel_size height must be in 1..16, got 17"),
    (lambda a: a.max_pool2d(X, 9, 1), "spans 9 pixels, more than the padded input 5"),
    (lambda a: a.max_pool2d(X, 2, 9), "stride must be in 1..8, got 9"),
    (lambda a: a.max_pool2d(X, 2, padding=2), "less than the 2 pixels that the kernel spans"),
    (lambda a: a.avg_pool2d(X, (2, 2, 2)), "kernel_size must be an integer or a pair"),
    (lambda a: a.avg_pool2d(X, 2, x_scale=0), r"x_scale must be in 2\*\*-64..2\*\*64, got 0"),
    (lambda a: a.avg_pool2d(X, 2, y_scale=float("nan")), "y_scale must be in .*, got nan"),
    (lambda a: a.avg_pool2d(X, 2, x_scale="a"), "x_scale must be one number, got 'a'"),
    (lambda a: a.avg_pool2d(X, 2, x_zero_point=128), "in -128..127 for int8, got 128"),
    (lambda a: a.avg_pool2d(X, 2, y_zero_point=1.5), "y_zero_point must be an integer in -128"),
    (lambda a: a.avg_pool2d(X, 2, x_scale=0.0347), "engine cannot compute it: .* order of its"),
    (lambda a: a.global_avg_pool2d(np.ones((1, 17, 19), np.int8)), "got 17 x 19 pixels"),
    (lambda a: a.global_avg_pool2d(np.ones((1, 16, 16), np.int8)), "is no kernel of the engine"),
    (lambda a: a.add(X, X[0]), r"a and b must be alike, got int8 \(1, 4, 5, 6\) and int8 \(4, 5"),
    (lambda a: a.add(X, X.view(np.uint8)), "a and b must be alike"),
    (lambda a: a.add(X, 3), "b must be a NumPy array of int8 or uint8, got int"),
    (lambda a: a.add(X, X, clamp=(5, 3)), r"clamp must be \(low, high\) with low <= high"),
    (lambda a: a.add(X, X, clamp=(0, 128)), "clamp must be in -128..127, got 128"),
    (lambda a: a.add(X, X, a_scale=1e9, b_scale=0.1, y_scale=0.1), "no integer coefficients"),
    (lambda a: a.concat([]), "tensors must be a list of at least one array"),
    (lambda a: a.concat(X), "tensors must be a list of at least one array"),
    (lambda a: a.concat([X, X[0]]), r"tensors\[1\] must have 4 axes, got shape \(4, 5, 6\)"),
    (lambda a: a.concat([X, X[..., :3]]), r"tensors\[1\] must be tensors\[0\] but for axis 1"),
    (lambda a: a.concat([X, X], 4), r"axis must be an integer in -4..3, got 4"),
    (lambda a: a.concat([X, X], scales=[1.0]), r"scales must hold 2 numbers, got \[1.0\]"),
    (lambda a: a.concat([X, X], zero_points=[0, 200]), r"zero_points\[1\] must be an integer"),
    (lambda a: a.interpolate(X, 0), "scale_factor must be at least 1, got 0"),
    (lambda a: a.interpolate(X, 1.5), "scale_factor must be an integer, got 1.5"),
    (lambda a: a.interpolate(X, mode="bilinear"), "mode must be 'nearest', got 'bilinear'"),
    (lambda a: a.table(X, TABLE[:255]), r"table must have shape \(256,\), got \(255,\)"),
    (lambda a: a.table(X, TABLE.astype(np.int32)), "table must be a NumPy array of int8 or uint8"),
    (lambda a: a.table(X / 1.0, TABLE), "x must be a NumPy array of int8 or uint8, got float64"),
    (lambda a: a.leaky_relu(X, float("inf"), **REAL), "negative_slope must be one finite number"),
    (lambda a: a.hardsigmoid(X, "a", **REAL), "alpha must be one finite number, got 'a'"),
    (lambda a: a.sigmoid(X, **REAL, output_type="int32"), "must be 'int8' or 'uint8', got 'int32'"),
    (lambda a: a.tanh(X, **REAL, y_zero_point=-1, output_type="uint8"), "in 0..255 for uint8"),
    (lambda a: a.requantize(X, x_scale=1e30, y_scale=1.0), "x_scale must be in .*, got 1e[+]30"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused(accelerator: Accelerator, board: CountingBoard, call: Call, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        call(accelerator)
    assert type(caught.value) in (InvalidLayerError, InvalidTensorError)
    assert board.starts == 0
    assert not board.buffers


def test_one_start_for_all_images(accelerator: Accelerator, board: CountingBoard) -> None:
    accelerator.max_pool2d(np.repeat(X, 5, 0), 2)
    assert board.starts == 1
    assert not board.buffers


def test_leaves_measurements(accelerator: Accelerator) -> None:
    accelerator.linear(ROW[0], W1)
    assert accelerator.last_run is not None
    assert accelerator.last_run.macs == 4 * 4 * 30
    assert [layer.name for layer in accelerator.last_run.layers] == ["linear"]
    accelerator.concat([X, X])  # the host does it
    assert accelerator.last_run is not None
    assert accelerator.last_run.descriptors == ()


def test_compiles_equal_layers_once(
    accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_names = []

    def spy(graph: Graph, *arguments: Any, **options: Any) -> Any:
        compiled_names.append(graph.layers[-1].name)
        return compile_network(graph, *arguments, **options)

    monkeypatch.setattr(compiled, "compile_graph", spy)
    for _ in range(2):
        accelerator.max_pool2d(X, 2)
        accelerator.linear(ROW[0], W1)
    assert compiled_names == ["max_pool2d", "linear"]
    accelerator.max_pool2d(X, 3)
    accelerator.linear(ROW[0], W1 + np.int8(1))
    accelerator.linear(ROW[0], W1, scale=0.5)
    accelerator.linear(ROW[0].view(np.uint8), W1)
    assert len(compiled_names) == 6


def test_forgets_what_takes_too_much_room(
    accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = compiled.CompiledGraphs(replace(PRESETS["tiny"], name="test"))
    names = [f"t{index}" for index in range(3)]
    networks = [graphs.network(pool(name)) for name in names]
    assert [graphs.network(pool(name)) for name in names] == networks
    monkeypatch.setattr(compiled, "_MOST_BYTES", 2 * networks[0].image.size)
    assert graphs.network(pool(names[2])) is networks[2]  # of the last two
    assert graphs.network(pool(names[1])) is networks[1]
    assert graphs.network(pool(names[0])) is not networks[0]
    monkeypatch.setattr(compiled, "_MOST_BYTES", 1)
    assert graphs.network(pool(names[0])) is not graphs.network(pool(names[0]))


def pool(name: str) -> Graph:
    """Equal sizes for all names."""
    x, y = Tensor("x", (1, 8, 4, 4), X.dtype), Tensor("y", (1, 8, 2, 2), X.dtype)
    window: Any = {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 1)}
    layer = MaxPool(name=name, inputs=(x,), outputs=(y,), padding=((0, 0), (0, 0)), **window)
    return Graph((x,), (y,), (layer,))


def test_run_graph(accelerator: Accelerator) -> None:
    graph = pool("pool")
    x = np.arange(128, dtype=np.int8).reshape(1, 8, 4, 4)
    (y,) = accelerator.run_graph(graph, {"x": x}).values()
    assert (y == graph.run({"x": x})["y"]).all()
    with pytest.raises(InvalidTensorError, match=r"inputs must be \['x'\], got \['z'\]"):
        accelerator.run_graph(graph, {"z": x})
    product = Mul(
        name="product", inputs=graph.inputs * 2, outputs=(replace(graph.inputs[0], name="y"),)
    )
    with pytest.raises(InvalidLayerError, match=r"^product: .* cannot multiply two tensors"):
        accelerator.run_graph(Graph(graph.inputs, product.outputs, (product,)), {"x": x})


def test_array_that_is_no_preset() -> None:
    board = ModelBoard(replace(PRESETS["tiny"].array, vector_lanes=24, input_lanes=3))
    with Accelerator(board, board, clock_hz=1e8, wait=board.wait) as accelerator:
        y = accelerator.max_pool2d(X, 2)
        assert (y == X[..., 1:4:2, 1::2]).all()  # it rises along both axes


def test_does_not_disturb_networks(accelerator: Accelerator) -> None:
    """`predict` runs the network that was loaded last, whatever layers ran since."""
    network = compile_network(pool("pool"), "tiny")
    x = np.arange(128, dtype=np.int8).reshape(1, 8, 4, 4)
    accelerator.load(network)
    accelerator.linear(ROW[0], W1)
    assert accelerator.predict(x).shape == (1, 8, 2, 2)


def test_large_tensors_of_any_shape(accelerator: Accelerator) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 3, 211, 101)).astype(np.int8)
    total = np.clip(a.astype(int) + b, -128, 127)
    assert (accelerator.add(a, b) == total).all()
    assert (accelerator.add(a, b, clamp=(-5, 100)) == np.clip(total, -5, 100)).all()
    assert (accelerator.table(a.T, TABLE)[7, 5, 2] == int(a[2, 5, 7]) + 128).all()
    assert accelerator.table(np.array(3, np.int8), TABLE) == 131


@pytest.mark.parametrize("terms", [500, 5000, 9000])
def test_deep_matrix_product(accelerator: Accelerator, terms: int) -> None:
    """In one part, by kernel rows, and in parts that the host adds."""
    rng = np.random.default_rng(terms)
    x, w = (rng.integers(-128, 128, (n, terms)).astype(np.int8) for n in (3, 11))
    acc = x.astype(np.int64) @ w.T.astype(np.int64)
    assert (accelerator.linear(x, w) == acc).all()
    scaled = np.clip(np.rint(acc.astype(np.float32) * np.float32(1e-5)) + 3, 0, 255)
    assert (
        accelerator.linear(x, w, scale=1e-5, y_zero_point=3, output_type="uint8") == scaled
    ).all()


@pytest.mark.parametrize("shape", [(1, 100), (20, 6), (4, 4)])
def test_images_that_are_no_kernel(accelerator: Accelerator, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (2, 5, *shape)).astype(np.int8)
    y = accelerator.global_avg_pool2d(x)
    assert y.shape == (2, 5, 1, 1)
    assert (np.abs(y - x.mean((2, 3), keepdims=True)) <= 0.5).all()
