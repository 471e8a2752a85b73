# SPDX-License-Identifier: Apache-2.0
"""Means of few pixels: numbers for the engine where ONNX Runtime's float32 allows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import GraphBuilder, check, host_reasons

from lineconv.compiler.averages import Average, exact_average
from lineconv.graph import Graph
from lineconv.graph.layers import AveragePool, GlobalAveragePool, Tensor

POWER_OF_TWO = 2.0**-5
ODD = float(np.float32(0.0347))


def tensors(x_scale: float, y_scale: float, dtype: str, zero_points: Any) -> list[Tensor]:
    return [
        Tensor(name, (1, 3, 12, 12), np.dtype(dtype), float(np.float32(scale)), int(zero))
        for name, scale, zero in zip("xy", (x_scale, y_scale), zero_points, strict=True)
    ]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_found_numbers_are_right_in_any_order(dtype: str) -> None:
    """ONNX Runtime's float32 sum of random pixels, forwards, backwards and by size."""
    rng = np.random.default_rng(30)
    limits = np.iinfo(dtype)
    found = 0
    for case in range(60):
        count = int(rng.choice([1, 2, 4, 6, 9]))
        x_scale = POWER_OF_TWO if case % 3 == 0 else float(np.exp(rng.uniform(-5, -2)))
        zero_points = rng.integers(limits.min, limits.max + 1, 2)
        x, y = tensors(x_scale, x_scale * rng.uniform(0.5, 2), dtype, zero_points)
        numbers = exact_average(x, y, count)
        if isinstance(numbers, str):
            continue
        found += 1
        pixels = rng.integers(limits.min, limits.max + 1, (20000, count))
        acc = (pixels - x.zero_point).sum(1) * numbers.weight + numbers.bias
        scaled = np.rint((acc.astype(np.float32) * numbers.multiplier).astype(np.float64))
        engine = np.clip(scaled + numbers.zero_point, limits.min, limits.max)
        for order in (pixels, pixels[:, ::-1], np.sort(pixels, 1)):
            real = (order - x.zero_point).astype(np.float32) * np.float32(x.scale)
            total = np.zeros(len(order), np.float32)
            for term in real.T:
                total = total + term
            mean = total / np.float32(count) / np.float32(y.scale) + np.float32(y.zero_point)
            assert np.array_equal(engine, np.clip(np.rint(mean), limits.min, limits.max)), case
    assert found > 30


def test_ties_that_depend_on_the_order() -> None:
    """Equal scales: every fourth sum of four pixels lies in the middle between two integers."""
    for zero_points in ((0, 0), (-128, -128), (3, -8)):
        x, y = tensors(ODD, ODD, "int8", zero_points)
        assert "depends on the order" in str(exact_average(x, y, 4))
        # A float32 sum that is never rounded has one result for each tie.
        x, y = tensors(POWER_OF_TWO, POWER_OF_TWO, "int8", zero_points)
        assert isinstance(exact_average(x, y, 4), Average)


def test_means_of_integers() -> None:
    """Equal scales whose sums are exact: every ninth count needs weights other than 1."""
    weights = set()
    for count in range(1, 257):
        x, y = tensors(1.0, 1.0, "int8", (-3, -3))
        numbers = exact_average(x, y, count)
        assert isinstance(numbers, Average), count
        weights.add(numbers.weight)
    assert len(weights) > 2


@pytest.mark.parametrize("counted", [False, True])
def test_padding(counted: bool) -> None:
    """Regions with fewer pixels at the border have multipliers of their own."""
    x, _ = tensors(POWER_OF_TWO, 0, "int8", (-5, 0))
    y = Tensor("y", (1, 3, 6, 6), np.dtype(np.int8), 0.021, 11)
    layer = AveragePool(
        name="pool", inputs=(x,), outputs=(y,), kernel=(3, 3), stride=(2, 2), dilation=(1, 1),
        padding=((1, 1), (1, 1)), count_include_pad=counted,
    )  # fmt: skip
    network = check(Graph((x,), (y,), (layer,)), "pynq-z2")
    assert host_reasons(network) == {}
    assert network.layers[0].descriptors == (1 if counted else 4)


@pytest.mark.parametrize("target", ["tiny", "pynq-z2"])
def test_global_average_pool(target: str) -> None:
    """Images in the shape of a kernel, in parts of their channels, or too large for one."""
    shapes = {
        (1, 5, 7, 7): 1,
        (2, 3, 1, 64): 2,
        (1, 300, 3, 4): 1,
        (1, 8, 1, 122): 1,
        (1, 4, 40, 40): 0,
    }
    for shape, descriptors in shapes.items():
        b = GraphBuilder(31)
        y = b.layer(GlobalAveragePool, [b.input(*shape)], (*shape[:2], 1, 1))
        network = check(b.graph(y), target)
        assert bool(network.host_steps) == (descriptors == 0), shape
        if descriptors:
            assert network.layers[0].descriptors >= descriptors
