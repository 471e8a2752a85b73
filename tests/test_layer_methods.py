# SPDX-License-Identifier: Apache-2.0
"""The layer methods on the functional model: ONNX Runtime's and NumPy's results, bit by bit."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from layer_cases import CASES, Draw, quantised_node

import lineconv
from lineconv.driver import Accelerator

AnyArray = npt.NDArray[Any]
SEEDS = range(20)


@pytest.fixture(scope="module", params=["tiny", "pynq-z2"])
def accelerator(request: pytest.FixtureRequest) -> Iterator[Accelerator]:
    with lineconv.open(f"model:{request.param}") as opened:
        yield opened


@pytest.fixture
def model() -> Iterator[Accelerator]:
    with lineconv.open("model:pynq-z2") as opened:
        yield opened


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(accelerator: Accelerator, case: str, dtype: str) -> None:
    done = 0
    for seed in SEEDS:
        print(f"seed {seed}")
        done += CASES[case](Draw(seed, dtype)).check(accelerator)
    assert done >= 0.9 * len(SEEDS)


def every_byte(dtype: str) -> AnyArray:
    return np.arange(256).astype(np.uint8).view(dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("method", "op_type"), [("sigmoid", "Sigmoid"), ("tanh", "Tanh")])
def test_approximated_by_onnx_runtime(
    model: Accelerator, method: str, op_type: str, dtype: str
) -> None:
    """Few entries differ, by one: those next to the middle between two integers."""
    x, draw = every_byte(dtype), Draw(0, dtype)
    different = 0
    tables = 60
    for index in range(tables):
        x_numbers, y_numbers = draw.numbers(-5, -2), draw.numbers(-6, -4)
        if index % 2:  # what quantisers take for a range of 1 or 2
            y_numbers = (np.float32(1 / 256 if op_type == "Sigmoid" else 1 / 128), y_numbers[1])
        expected = quantised_node(op_type, [(x.reshape(1, 1, 1, 256), x_numbers)], y_numbers)
        y = getattr(model, method)(
            x, x_scale=x_numbers[0], x_zero_point=int(x_numbers[1]),
            y_scale=y_numbers[0], y_zero_point=int(y_numbers[1]),
        )  # fmt: skip
        distance = np.abs(y.astype(int) - expected.reshape(-1))
        assert distance.max() <= 1
        different += int(distance.sum())
    assert different <= tables * 256 / 2000


def test_examples_of_the_documentation() -> None:
    path = Path(__file__).resolve().parents[1] / "docs" / "layers.md"
    failed, tried = doctest.testfile(str(path), module_relative=False)
    assert tried > 5
    assert failed == 0
