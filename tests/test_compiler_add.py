# SPDX-License-Identifier: Apache-2.0
"""Coefficients of sums: equal to ONNX Runtime's arithmetic for every pair of bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import check as check_compiled
from compiled import host_reasons

from lineconv.compiler.add_search import AddNumbers, balanced_digits, find_add
from lineconv.graph import Graph
from lineconv.graph.arithmetic import run_add
from lineconv.graph.layers import Add, Tensor
from lineconv.layer import Pair

EVERY = np.arange(256).astype(np.uint8)  # bytes as bit patterns


def add_layer(
    scales: tuple[Any, Any, Any], zero_points: Any, dtype: str = "int8", clamp: Pair | None = None
) -> Add:
    tensors = [
        Tensor(name, (1, 256, 256), np.dtype(dtype), float(np.float32(scale)), int(zero_point))
        for name, scale, zero_point in zip("aby", scales, zero_points, strict=True)
    ]
    return Add(name="sum", inputs=(tensors[0], tensors[1]), outputs=(tensors[2],), clamp=clamp)


def engine(layer: Add, numbers: AddNumbers) -> Any:
    """The definition in docs/numerics.md, in float64 where nothing can be rounded."""
    a, b = np.meshgrid(*[(EVERY ^ (128 * (layer.inputs[0].dtype == np.uint8))).view(np.int8)] * 2)
    acc = np.full(a.shape, numbers.bias, np.int64)
    for x, digits in zip((a, b), numbers.digits, strict=True):
        for place, digit in enumerate(digits):
            acc += (x.astype(np.int64) * int(digit)) << (8 * place)
    assert np.abs(acc).max() < 2**31
    scaled = acc.astype(np.float32) * numbers.multiplier
    limits = np.iinfo(layer.outputs[0].dtype)
    low, high = layer.clamp or (limits.min, limits.max)
    return np.clip(np.rint(scaled.astype(np.float64)) + numbers.zero_point, low, high)


def check(layer: Add) -> AddNumbers:
    numbers = find_add(layer)
    assert numbers is not None, layer
    a, b = np.meshgrid(EVERY.view(layer.inputs[0].dtype), EVERY.view(layer.inputs[0].dtype))
    assert np.array_equal(run_add(layer, a, b), engine(layer, numbers)), layer
    return numbers


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random_scales(dtype: str) -> None:
    rng = np.random.default_rng(20)
    limits = np.iinfo(dtype)
    for case in range(100):
        first, second = np.exp(rng.uniform(-6, -1, 2))
        result = (first + second) * np.exp(rng.uniform(-2, 1))
        zero_points = rng.integers(limits.min, limits.max + 1, 3)
        if case % 4 == 0:  # as ReLU leaves them
            zero_points[:] = limits.min
        clamp = (int(zero_points[2]), limits.max) if case % 5 == 0 else None
        check(add_layer((first, second, result), zero_points, dtype, clamp))


@pytest.mark.parametrize(
    "scales",
    [(0.1, 0.1, 0.1), (0.1, 0.1, 0.2), (0.5, 0.25, 0.5), (0.1, 0.3, 0.2), (0.75, 0.25, 1.0)],
    ids=str,
)
def test_ties(scales: tuple[float, float, float]) -> None:
    """Half of the sums, or many, lie in the middle between two integers."""
    for zero_points in ((0, 0, 0), (1, 0, 0), (-128, -128, -127), (3, 5, 7), (127, -128, 0)):
        check(add_layer(scales, zero_points))


def test_simple_sums_have_one_digit() -> None:
    for scales in ((0.1, 0.1, 0.1), (0.1, 0.1, 0.2), (0.5, 0.25, 0.5)):
        assert check(add_layer(scales, (0, 0, 0))).digits.shape == (2, 1)


def test_far_apart_scales() -> None:
    """One input hardly counts, or the result saturates nearly everywhere."""
    check(add_layer((0.1, 1e-7, 0.1), (5, 100, -7)))
    check(add_layer((1e-9, 0.2, 0.1), (5, 100, -7)))
    check(add_layer((3.0, 2.0, 0.01), (5, -100, -7)))


def test_scales_that_no_coefficients_serve() -> None:
    """Where a is 0 the result is b, else it saturates: one multiplier cannot do both."""
    layer = add_layer((1e9, 0.1, 0.1), (0, 0, 0))
    assert find_add(layer) is None
    network = check_compiled(Graph(layer.inputs, layer.outputs, (layer,)))
    (reason,) = host_reasons(network).values()
    assert reason == "no integer coefficients were found that equal its float32 arithmetic"


def test_balanced_digits() -> None:
    rng = np.random.default_rng(21)
    for value in [0, 1, -1, 127, 128, -128, -129, *rng.integers(-(2**22), 2**22, 1000).tolist()]:
        digits = balanced_digits(value)
        assert all(-128 <= digit <= 127 for digit in digits)
        assert len(digits) <= 3
        assert sum(digit << (8 * place) for place, digit in enumerate(digits)) == value
