# SPDX-License-Identifier: Apache-2.0
"""Integers that make the engine's sum of two bytes equal ONNX Runtime's for every pair of bytes.

ONNX Runtime computes y = rne(fma(ra, a, fma(rb, b, k))) in float32 with three constants, the engine
rne(fl32(fl32(wa a + wb b + bias) m)). With wa, wb and bias near ra / m, rb / m and k / m the two
differ in their roundings only, by far less than 1: they can disagree only on pairs whose real sum
lies next to the middle between two integers. So candidates are tried on these pairs, and
those that are right there on all 65,536.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.compiler.lowering import formats
from lineconv.graph.arithmetic import add_factors, all_values, as_int8, run_add
from lineconv.graph.layers import Add
from lineconv.layer import ConvLayer
from lineconv.packing import ceil_div

__all__ = ["AddNumbers", "balanced_digits", "find_add"]

MAX_DIGITS = 3

_DRAWN = 4096  # multipliers, of which those are tried for which the coefficients fit best
_CHUNK = 64  # candidates tried together
_CHUNKS = 16
_NUDGE = 64  # of the bias, from the nearest integer
_MOST_PAIRS = 1024  # that candidates are tried on
_NEAR = 2.0**-9  # from a middle; more than all roundings together
_LARGEST = 127 * 0x10101  # coefficient that has three balanced digits with either sign
_LARGEST_SUM = 0.99 * 2**31  # of the accumulator, which must not wrap

_Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AddNumbers:
    """What the engine needs for a sum.

    Attributes:
        digits: int8 (2, 1..3), of the coefficients of both inputs, lowest first.
        bias: what it adds, as int32.
    """

    digits: npt.NDArray[np.int8]
    bias: int
    multiplier: np.float32
    zero_point: int


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Arrays of equal length, whole numbers but for `multiplier`, which is float32."""

    first: _Float64
    second: _Float64
    bias: _Float64
    multiplier: npt.NDArray[np.float32]


def find_add(layer: Add) -> AddNumbers | None:
    """Numbers that are right for every pair of bytes; None if there are none among those tried."""
    y = layer.outputs[0]
    ratios = [float(value) for value in add_factors(layer)]
    every = [all_values(tensor.dtype) for tensor in layer.inputs]
    expected = run_add(layer, every[0][:, np.newaxis], every[1]).astype(np.int64)
    # The engine's bytes are signed: what uint8 has more becomes part of the constant.
    signed = np.arange(-128.0, 128.0)
    constant = ratios[2]
    for ratio, values in zip(ratios, every, strict=False):
        constant += ratio * (int(values[0]) + 128)
    real = ratios[0] * signed[:, np.newaxis] + ratios[1] * signed + constant

    low, high = layer.clamp or (np.iinfo(y.dtype).min, np.iinfo(y.dtype).max)
    near = np.abs(real - np.floor(real) - 0.5) < _NEAR
    near &= (real > low - 1) & (real < high + 1)
    first, second = np.nonzero(near)
    step = ceil_div(len(first), _MOST_PAIRS) or 1
    first, second = first[::step], second[::step]
    most = min(
        _LARGEST / max(ratios[:2]), _LARGEST_SUM / (float(np.abs(real).max()) + 256)
    )  # candidates for 1 / multiplier
    rng = np.random.default_rng(0)
    for chunk in range(_CHUNKS):
        for zero_point in dict.fromkeys((0, y.zero_point)):
            numbers = (ratios[0], ratios[1], constant - zero_point)
            found = _candidates(numbers, most, rng, first=chunk == 0)
            results = _results(found, signed[first], signed[second]) + zero_point
            wrong = np.clip(results, low, high) != expected[first, second]
            for index in np.flatnonzero(~wrong.any(1)):
                tried = _numbers(found, int(index), zero_point)
                if np.array_equal(_engine(layer, tried), expected):
                    return tried
    return None


def _candidates(
    numbers: tuple[float, float, float], most: float, rng: np.random.Generator, *, first: bool
) -> _Candidates:
    """Multipliers, and integers near the numbers in units of them.

    Args:
        first: powers of two are among the multipliers, and the nearest integers are taken; else
            others next to them.
    """
    scale = most * rng.uniform(0.5, 1, _DRAWN)
    if first:
        scale[:8] = 2.0 ** (np.floor(np.log2(most)) - np.arange(8))
    multiplier = (1 / scale).astype(np.float32)
    units = 1 / multiplier.astype(np.float64)
    misfit = sum(np.abs(number * units - np.rint(number * units)) for number in numbers[:2])
    chosen = np.argsort(misfit)[:_CHUNK]
    a, b, bias = (np.rint(number * units[chosen]) for number in numbers)
    if not first:
        a += rng.integers(-1, 2, _CHUNK)
        b += rng.integers(-1, 2, _CHUNK)
        bias += rng.integers(-_NUDGE, _NUDGE + 1, _CHUNK)
    return _Candidates(a, b, bias, multiplier[chosen])


def _results(candidates: _Candidates, first: _Float64, second: _Float64) -> _Float64:
    """Before zero point and saturation: (candidates, pairs)."""
    acc = candidates.first[:, np.newaxis] * first + candidates.second[:, np.newaxis] * second
    acc += candidates.bias[:, np.newaxis]
    result: _Float64 = np.rint(acc.astype(np.float32) * candidates.multiplier[:, np.newaxis])
    return result


def _numbers(candidates: _Candidates, index: int, zero_point: int) -> AddNumbers:
    """A candidate with the fewest digits that say the same."""
    first, second, bias = (
        int(values[index]) for values in (candidates.first, candidates.second, candidates.bias)
    )
    multiplier = candidates.multiplier[index]
    while first % 2 == second % 2 == bias % 2 == 0 and (first or second):
        first, second, bias = first // 2, second // 2, bias // 2
        multiplier = multiplier * np.float32(2)
    digits = [balanced_digits(value) for value in (first, second)]
    count = max(map(len, digits))
    padded = np.zeros((2, count), np.int8)
    for row, values in zip(padded, digits, strict=True):
        row[: len(values)] = values
    return AddNumbers(padded, bias, multiplier, zero_point)


def balanced_digits(value: int) -> list[int]:
    """Digits -128..127 of a number in base 256, lowest first; at least one."""
    digits: list[int] = []
    while value or not digits:
        digit = (value + 128) % 256 - 128
        digits.append(digit)
        value = (value - digit) // 256
    return digits


def _engine(layer: Add, numbers: AddNumbers) -> npt.NDArray[np.int64]:
    """What the engine computes for each pair of bytes, in the order of `all_values`."""
    digits = numbers.digits.astype(np.int64) << 8 * np.arange(numbers.digits.shape[1])
    every = [as_int8(all_values(tensor.dtype)).astype(np.int64) for tensor in layer.inputs]
    acc = digits[0].sum() * every[0][:, np.newaxis] + digits[1].sum() * every[1] + numbers.bias
    geometry = ConvLayer(
        1, 1, 1, 1, (1, 1), y_zero_point=numbers.zero_point,
        output=formats(layer.outputs[0].dtype)[0], clamp=layer.clamp,
    )  # fmt: skip
    wrapped = acc.astype(np.int32)[np.newaxis, np.newaxis]
    results = golden.requantize(wrapped, numbers.multiplier, geometry)
    pairs: npt.NDArray[np.int64] = results[0, 0].astype(np.int64)
    return pairs
