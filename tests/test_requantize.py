# SPDX-License-Identifier: Apache-2.0
"""golden.requantize against three others: rational numbers, integer logic and ONNX Runtime.

LINECONV_SEED repeats a run; hypothesis prints its own cases.
"""

import itertools
import math
import os
import secrets
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lineconv.golden import multiplier, requantize
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding

IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
MODES = [(rounding, overflow) for rounding in Rounding for overflow in Overflow]
OUTPUTS = (OutputType.INT8, OutputType.UINT8)


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(os.environ.get("LINECONV_SEED", secrets.randbits(32)))
    print(f"LINECONV_SEED={seed}")
    return np.random.default_rng(seed)


def layer_of(out_channels: int, **options: Any) -> ConvLayer:
    """A layer of which only the channel count and the number formats matter."""
    return ConvLayer(1, out_channels, 1, 1, (1, 1), **options)


def requantize_bits(acc: IntArray, scale_bits: IntArray, layer: ConvLayer) -> IntArray:
    """The integer algorithm of docs/numerics.md, step by step; what the hardware does."""

    def shift_half_even(value: IntArray, shift: int | IntArray) -> IntArray:
        kept, rest, half = value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1)
        result: IntArray = kept + ((rest > half) | ((rest == half) & (kept & 1 == 1)))
        return result

    negative = (acc < 0) ^ (scale_bits >> 31 == 1)
    zero = (acc == 0) | (scale_bits & 0x7FFFFFFF == 0)
    magnitude = np.where(acc == 0, 1, np.abs(acc))
    length = sum((magnitude >= 1 << bit).astype(np.int64) for bit in range(32))
    acc24 = shift_half_even(magnitude << (32 - length), 8)
    product = acc24 * ((scale_bits & 0x7FFFFF) | 0x800000)
    shift = 23 + (product >= 1 << 47)
    significand = shift_half_even(product, shift)
    exponent = (length - 24) + ((scale_bits >> 23 & 0xFF) - 150) + shift

    fraction_bits = np.clip(-exponent, 0, 26)
    integer = (significand << np.clip(exponent, 0, 8)) >> fraction_bits
    rest = significand & ((1 << fraction_bits) - 1)
    half = (1 << fraction_bits) >> 1
    more, tie = rest > half, (rest == half) & (half > 0)
    up = {
        Rounding.HALF_EVEN: more | (tie & (integer & 1 == 1)),
        Rounding.HALF_UP: more | (tie & ~negative),
        Rounding.FLOOR: negative & (rest > 0),
    }[layer.rounding]
    rounded = np.where(zero, 0, np.where(negative, -(integer + up), integer + up))

    low, high = layer.output_range
    shifted = rounded + layer.y_zero_point
    fitted = {
        Overflow.SATURATE: np.clip(shifted, low, high),
        Overflow.SATURATE_SYMMETRIC: np.clip(shifted, -127 if low else 0, high),
        Overflow.WRAP: (shifted - low & 0xFF) + low,
    }[layer.overflow]
    return np.clip(fitted, *(layer.clamp or (low, high)))


def requantize_exact(acc: int, scale: float, layer: ConvLayer) -> int:
    """The definition, in rational numbers: IEEE 754 rounding of conversion and product."""

    def float32(value: Fraction) -> Fraction:
        if value == 0:
            return value
        exponent = value.numerator.bit_length() - value.denominator.bit_length()
        exponent -= abs(value) < Fraction(2) ** exponent
        quantum = Fraction(2) ** (max(exponent, -126) - 23)
        return round(value / quantum) * quantum  # round() is half to even

    scaled = float32(float32(Fraction(acc)) * Fraction(scale))
    rounded = {
        Rounding.HALF_EVEN: round(scaled),
        Rounding.HALF_UP: math.floor(scaled + Fraction(1, 2)),
        Rounding.FLOOR: math.floor(scaled),
    }[layer.rounding]
    low, high = layer.output_range
    shifted = rounded + layer.y_zero_point
    if layer.overflow is Overflow.WRAP:
        fitted = (shifted - low) % 256 + low
    else:
        symmetric = layer.overflow is Overflow.SATURATE_SYMMETRIC and low < 0
        fitted = min(max(shifted, low + symmetric), high)
    clamp_low, clamp_high = layer.clamp or (low, high)
    return min(max(fitted, clamp_low), clamp_high)


# --- Values -------------------------------------------------------------------------------------

CORNER_ACCUMULATORS = np.unique(
    np.clip(
        [0] + [s * (2**k + d) for k in range(32) for d in (-2, -1, 0, 1, 2, 3) for s in (1, -1)],
        INT32_MIN,
        INT32_MAX,
    )
).astype(np.int32)
# Both signs of zero, of subnormals and of every power of two, with the neighbours.
CORNER_SCALES = np.array(
    [
        sign << 31 | exponent << 23 | fraction
        for sign in (0, 1)
        for exponent in range(255)
        for fraction in (0, 1, 0x400000, 0x7FFFFF)
    ],
    np.uint32,
).view(np.float32)


def random_scales(rng: np.random.Generator, count: int) -> Float32Array:
    """Log-uniform from 2**-34 to 4, a quarter of them powers of two, a few negative."""
    scale = np.exp2(rng.uniform(-34, 2, count))
    scale = np.where(rng.random(count) < 0.25, np.exp2(np.rint(np.log2(scale))), scale)
    return np.copysign(scale, rng.random(count) - 0.1).astype(np.float32)


def near_ties(rng: np.random.Generator, scale: Float32Array, count: int) -> npt.NDArray[np.int32]:
    """Accumulators whose scaled values lie at, just above and just below n + 1/2."""
    ties = rng.integers(-300, 300, (scale.size, count)) + 0.5
    acc: npt.NDArray[np.float64] = np.rint(ties / scale.astype(np.float64)[:, np.newaxis])
    acc += rng.integers(-2, 3, ties.shape)
    return np.clip(acc, INT32_MIN, INT32_MAX).astype(np.int32)


def value_grids(rng: np.random.Generator) -> list[tuple[Float32Array, npt.NDArray[np.int32]]]:
    """(scales, accumulators): 3.1 million pairs, one row of accumulators for each scale."""
    corners = np.broadcast_to(CORNER_ACCUMULATORS, (CORNER_SCALES.size, CORNER_ACCUMULATORS.size))
    scale = random_scales(rng, 2000)
    uniform = rng.integers(INT32_MIN, INT32_MAX, (scale.size, 600), np.int32, endpoint=True)
    small = uniform >> rng.integers(0, 31, uniform.shape, np.int32)
    return [(CORNER_SCALES, corners), (scale, small), (scale, near_ties(rng, scale, 600))]


@pytest.mark.parametrize(("rounding", "overflow"), MODES)
def test_equals_integer_logic(
    rng: np.random.Generator, rounding: Rounding, overflow: Overflow
) -> None:
    for (scale, acc), output in itertools.product(value_grids(rng), OUTPUTS):
        low = -128 if output is OutputType.INT8 else 0
        y_zero_point = int(rng.integers(low, low + 256))
        clamp = sorted(rng.integers(low, low + 256, 2).tolist()) if rng.random() < 0.5 else None
        layer = layer_of(
            scale.size, output=output, rounding=rounding, overflow=overflow,
            y_zero_point=y_zero_point, clamp=clamp,
        )  # fmt: skip
        bits = scale.view(np.uint32).astype(np.int64)[:, np.newaxis]
        np.testing.assert_array_equal(
            requantize(acc[np.newaxis, :, np.newaxis], scale, layer)[0, :, 0],
            requantize_bits(acc.astype(np.int64), bits, layer),
            err_msg=f"{layer}",
        )


accumulators = st.integers(INT32_MIN, INT32_MAX) | st.sampled_from(CORNER_ACCUMULATORS.tolist())
scales = (
    st.floats(width=32, allow_nan=False, allow_infinity=False)
    | st.sampled_from(CORNER_SCALES.tolist())
    | st.floats(2.0**-34, 4.0, width=32)
)


@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(st.tuples(accumulators, scales), min_size=1, max_size=20),
    output=st.sampled_from(OUTPUTS),
    mode=st.sampled_from(MODES),
    zero_point=st.integers(0, 255),
)
def test_equals_rational_arithmetic(
    values: list[tuple[int, float]],
    output: OutputType,
    mode: tuple[Rounding, Overflow],
    zero_point: int,
) -> None:
    low = -128 if output is OutputType.INT8 else 0
    layer = layer_of(
        len(values), output=output, rounding=mode[0], overflow=mode[1],
        y_zero_point=zero_point + low, clamp=(low + 3, low + 250),
    )  # fmt: skip
    acc = np.array([a for a, _ in values], np.int32)
    scale = np.array([s for _, s in values], np.float32)
    y = requantize(acc.reshape(1, -1, 1, 1), scale, layer)
    bits = requantize_bits(acc.astype(np.int64), scale.view(np.uint32).astype(np.int64), layer)
    exact = [requantize_exact(a, s, layer) for a, s in values]
    assert y.ravel().tolist() == exact
    assert bits.tolist() == exact


def test_equals_onnx_runtime_on_any_accumulator(rng: np.random.Generator) -> None:
    for scale, acc in value_grids(rng):
        y_zero_point = int(rng.integers(-128, 128))
        scale = np.repeat(scale, 40)
        acc = acc[:, rng.integers(0, acc.shape[1], 40)].ravel()
        y = onnx_requantize(acc, np.float32(1), scale, np.float32(1), y_zero_point)
        layer = layer_of(scale.size, y_zero_point=y_zero_point)
        np.testing.assert_array_equal(requantize(acc.reshape(1, -1, 1, 1), scale, layer), y)


def test_multiplier_equals_onnx_runtime(rng: np.random.Generator) -> None:
    """Large accumulators scaled to near ties show the last bit of the multiplier."""
    for x_scale, y_scale in np.exp(rng.uniform(-9, 3, (20, 2))).astype(np.float32):
        w_scale = (np.exp2(rng.uniform(-24, -16, 200)) * y_scale / x_scale).astype(np.float32)
        scale = multiplier(x_scale, w_scale, y_scale)
        acc = near_ties(rng, scale, 40).ravel()
        y = onnx_requantize(acc, x_scale, np.repeat(w_scale, 40), y_scale, 0)
        layer = layer_of(acc.size)
        expected = requantize(acc.reshape(1, -1, 1, 1), np.repeat(scale, 40), layer)
        np.testing.assert_array_equal(expected, y)


def onnx_requantize(
    acc: npt.NDArray[np.int32],
    x_scale: np.float32,
    w_scale: Float32Array,
    y_scale: np.float32,
    y_zero_point: int,
) -> npt.NDArray[np.int8]:
    """A QLinearConv with weights of zero: it requantises its bias, which may be any int32."""
    constants = {
        "x_scale": x_scale,
        "x_zero_point": np.int8(0),
        "w": np.zeros((acc.size, 1, 1, 1), np.int8),
        "w_scale": w_scale,
        "w_zero_point": np.int8(0),
        "y_scale": y_scale,
        "y_zero_point": np.int8(y_zero_point),
        "bias": acc,
    }
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", ["x", *constants], ["y"])],
        "requantize",
        [helper.make_tensor_value_info("x", TensorProto.INT8, (1, 1, 1, 1))],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: npt.NDArray[np.int8] = session.run(None, {"x": np.zeros((1, 1, 1, 1), np.int8)})[0]
    return result


@pytest.mark.parametrize(
    ("acc", "scale", "rounding", "overflow", "expected"),
    [
        (5, 0.5, Rounding.HALF_EVEN, Overflow.SATURATE, 2),
        (7, 0.5, Rounding.HALF_EVEN, Overflow.SATURATE, 4),
        (-5, 0.5, Rounding.HALF_EVEN, Overflow.SATURATE, -2),
        (5, 0.5, Rounding.HALF_UP, Overflow.SATURATE, 3),
        (-5, 0.5, Rounding.HALF_UP, Overflow.SATURATE, -2),
        (5, 0.5, Rounding.FLOOR, Overflow.SATURATE, 2),
        (-5, 0.5, Rounding.FLOOR, Overflow.SATURATE, -3),
        # Just below a half: adding 0.5 in float32 would give 1.
        (1, 0.5 - 2.0**-25, Rounding.HALF_UP, Overflow.SATURATE, 0),
        (-300, 1.0, Rounding.HALF_EVEN, Overflow.SATURATE, -128),
        (-300, 1.0, Rounding.HALF_EVEN, Overflow.SATURATE_SYMMETRIC, -127),
        (-300, 1.0, Rounding.HALF_EVEN, Overflow.WRAP, -300 + 256),
        (300, 1.0, Rounding.HALF_EVEN, Overflow.WRAP, 300 - 256),
        # The product is infinite in float32, and a multiple of 256 as an integer.
        (INT32_MAX, 3e38, Rounding.HALF_EVEN, Overflow.SATURATE, 127),
        (INT32_MAX, 3e38, Rounding.HALF_EVEN, Overflow.WRAP, 0),
        # The smallest product is not zero: it still rounds down.
        (-1, 2.0**-149, Rounding.FLOOR, Overflow.SATURATE, -1),
        (-1, 2.0**-149, Rounding.HALF_UP, Overflow.SATURATE, 0),
        (0, -(2.0**-149), Rounding.FLOOR, Overflow.SATURATE, 0),
        (INT32_MIN, -(2.0**-31), Rounding.FLOOR, Overflow.SATURATE, 1),
        # 2**25 - 1 is 2**25 in float32: not what shifting the integer would give.
        (2**25 - 1, 2.0**-20, Rounding.FLOOR, Overflow.SATURATE, 32),
    ],
)
def test_known_values(
    acc: int, scale: float, rounding: Rounding, overflow: Overflow, expected: int
) -> None:
    layer = layer_of(1, rounding=rounding, overflow=overflow)
    assert requantize(np.full((1, 1, 1, 1), acc, np.int32), scale, layer).item() == expected


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("shift", [1, 2, 7, 12, 16, 17, 20, 24])
def test_power_of_two_scale_is_a_shift(
    rng: np.random.Generator, shift: int, overflow: Overflow
) -> None:
    """Wherever docs/numerics.md says so, the result is that of ap_fixed."""
    limit = 2**31 - 1 if shift <= 16 and overflow is not Overflow.WRAP else 2**24
    acc = rng.integers(-limit, limit, 100_000, np.int64, endpoint=True)
    half = 1 << (shift - 1)
    for rounding, integer in (
        (Rounding.FLOOR, acc >> shift),
        (Rounding.HALF_UP, acc + half >> shift),
        (Rounding.HALF_EVEN, acc + half - 1 + (acc >> shift & 1) >> shift),
    ):
        expected = {
            Overflow.SATURATE: np.clip(integer, -128, 127),
            Overflow.SATURATE_SYMMETRIC: np.clip(integer, -127, 127),
            Overflow.WRAP: integer.astype(np.int8),
        }[overflow]
        layer = layer_of(1, rounding=rounding, overflow=overflow)
        y = requantize(acc.astype(np.int32).reshape(1, 1, 1, -1), 2.0**-shift, layer)
        np.testing.assert_array_equal(y.ravel(), expected)


@pytest.mark.parametrize("overflow", [Overflow.SATURATE, Overflow.WRAP])
def test_unsigned_output_is_signed_with_the_top_bit_flipped(
    rng: np.random.Generator, overflow: Overflow
) -> None:
    acc = rng.integers(-1000, 1000, (1, 1, 100, 100), np.int32)
    signed = layer_of(1, y_zero_point=-100, overflow=overflow)
    unsigned = layer_of(1, y_zero_point=28, overflow=overflow, output=OutputType.UINT8)
    y = requantize(acc, 0.3, unsigned)
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y ^ 0x80, requantize(acc, 0.3, signed).view(np.uint8))
