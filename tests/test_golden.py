# SPDX-License-Identifier: Apache-2.0
"""The golden reference against SciPy and ONNX Runtime, for equality.

hypothesis draws layers and data seeds and prints both when a case fails.
"""

import dataclasses
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_reference import run_onnx

from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.golden import conv2d, conv2d_accumulate, fold_zero_point, multiplier, requantize
from lineconv.layer import ConvLayer, OutputType

AnyArray = npt.NDArray[Any]

# --- Accumulators -------------------------------------------------------------------------------


@st.composite
def layers(draw: st.DrawFn, /, **fixed: Any) -> ConvLayer:
    """Small layers with every stride, dilation and kernel, four different pads, and groups."""
    kernel, dilation, padding, size = [], [], [], []
    for _ in range(2):
        kernel.append(draw(st.integers(1, 5) | st.integers(1, 16)))
        dilation.append(draw(st.integers(1, 3)))
        padding.append((draw(st.integers(0, 4)), draw(st.integers(0, 4))))
        span = dilation[-1] * (kernel[-1] - 1) + 1
        size.append(max(span - sum(padding[-1]), 1) + draw(st.integers(0, 9)))
    groups = draw(st.integers(1, 4))
    return ConvLayer(
        in_channels=groups * draw(st.integers(1, 5)),
        out_channels=groups * draw(st.integers(1, 5)),
        in_height=size[0],
        in_width=size[1],
        kernel=(kernel[0], kernel[1]),
        stride=(draw(st.integers(1, 8)), draw(st.integers(1, 8))),
        dilation=(dilation[0], dilation[1]),
        padding=(padding[0], padding[1]),
        groups=groups,
        x_zero_point=draw(st.integers(-128, 127)),
        **fixed,
    )


def tensors(
    layer: ConvLayer, seed: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Input, weights and bias: dense, all extremes or mostly -128; biases that may wrap."""
    rng = np.random.default_rng(seed)
    extremes = np.array([-128, 127, -127, 0], np.int8)
    chances = [(0.5, 0.5, 0, 0), (0.9, 0.04, 0.03, 0.03)][rng.integers(2)]
    dense = rng.random() < 0.5

    def draw(shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
        if dense:
            return rng.integers(-128, 128, shape, np.int8)
        return rng.choice(extremes, shape, p=chances)

    bias_limit = int(rng.choice([1, 2**12, 2**20, 2**31]))
    x = draw((int(rng.integers(1, 3)), layer.in_channels, layer.in_height, layer.in_width))
    bias = rng.integers(-bias_limit, bias_limit, layer.out_channels, np.int32)
    return x, draw(layer.weight_shape), bias


def scipy_accumulate(x: AnyArray, w: AnyArray, bias: AnyArray, layer: ConvLayer) -> AnyArray:
    """The accumulators by scipy.signal: zero points in the padding, zeros between the taps."""
    padded = np.pad(
        x.astype(np.int64), ((0, 0), (0, 0), *layer.padding), constant_values=layer.x_zero_point
    )
    spans = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel, strict=True)]
    taps = np.zeros((*w.shape[:2], *spans), np.int64)
    taps[:, :, :: layer.dilation[0], :: layer.dilation[1]] = w
    _, group_channels, _, _ = w.shape
    out = np.zeros((len(x), len(w), layer.out_height, layer.out_width), np.int64)
    for image, o, c in np.ndindex(len(x), len(w), group_channels):
        group = o // (layer.out_channels // layer.groups)
        plane = padded[image, group * group_channels + c] - layer.x_zero_point
        dense = scipy.signal.correlate2d(plane, taps[o, c], "valid")
        out[image, o] += dense[:: layer.stride[0], :: layer.stride[1]]
    out += bias[:, np.newaxis, np.newaxis]
    return (out + 2**31) % 2**32 - 2**31


@settings(max_examples=400, deadline=None)
@given(layer=layers(), seed=st.integers(0, 2**32))
def test_accumulators_equal_scipy(layer: ConvLayer, seed: int) -> None:
    x, w, bias = tensors(layer, seed)
    acc = conv2d_accumulate(x, w, bias, layer)
    assert acc.dtype == np.int32
    np.testing.assert_array_equal(acc, scipy_accumulate(x, w, bias, layer))


def test_long_sum_of_large_products_is_exact() -> None:
    layer = ConvLayer(2047, 2, 15, 15, (15, 15), x_zero_point=127)
    x = np.full((1, 2047, 15, 15), -128, np.int8)
    w = np.full(layer.weight_shape, -127, np.int8)
    exact = 255 * 127 * 2047 * 225  # 15 billion, and odd: wraps, and needs all of its bits
    assert conv2d_accumulate(x, w, None, layer)[0, 0, 0, 0] == (exact + 2**31) % 2**32 - 2**31


@settings(max_examples=100, deadline=None)
@given(layer=layers(), seed=st.integers(0, 2**32))
def test_folded_zero_point_needs_no_subtraction(layer: ConvLayer, seed: int) -> None:
    """What the hardware does: padding of x_zero_point, plain products, a corrected bias."""
    x, w, bias = tensors(layer, seed)
    padded = np.pad(x, ((0, 0), (0, 0), *layer.padding), constant_values=layer.x_zero_point)
    plain = ConvLayer.from_shapes(
        padded.shape, w.shape, stride=layer.stride, dilation=layer.dilation, groups=layer.groups
    )
    folded = fold_zero_point(w, bias, layer.x_zero_point)
    assert folded.dtype == np.int32
    np.testing.assert_array_equal(
        conv2d_accumulate(padded, w, folded, plain), conv2d_accumulate(x, w, bias, layer)
    )
    np.testing.assert_array_equal(
        fold_zero_point(w, None, layer.x_zero_point),
        fold_zero_point(w, np.zeros_like(bias), layer.x_zero_point),
    )


# --- ONNX Runtime -------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(layer=layers(output=OutputType.INT32), seed=st.integers(0, 2**32), unsigned=st.booleans())
def test_equals_onnx_runtime_conv_integer(layer: ConvLayer, seed: int, unsigned: bool) -> None:
    x, w, _ = tensors(layer, seed)
    flip, dtype = (128, np.uint8) if unsigned else (0, np.int8)
    constants = {
        "w": (w.view(np.uint8) ^ flip).view(dtype),
        "x_zero_point": dtype(layer.x_zero_point + flip),
        "w_zero_point": dtype(flip),
    }
    y = run_onnx("ConvInteger", (x.view(np.uint8) ^ flip).view(dtype), constants, layer)
    np.testing.assert_array_equal(conv2d(x, w, None, None, layer), y)


@settings(max_examples=1000, deadline=None)
@given(
    layer=layers(),
    seed=st.integers(0, 2**32),
    y_zero_point=st.integers(-128, 127),
    per_channel=st.booleans(),
    unsigned=st.booleans(),
)
def test_equals_onnx_runtime_qlinear_conv(
    layer: ConvLayer, seed: int, y_zero_point: int, per_channel: bool, unsigned: bool
) -> None:
    """uint8 activations run here as int8 with the top bit flipped and zero points moved by 128."""
    x, w, bias = tensors(layer, seed)
    rng = np.random.default_rng(seed)
    acc = conv2d_accumulate(x, w, bias, layer)
    x_scale, y_scale = np.exp(rng.uniform(-9, 3, 2)).astype(np.float32)
    # Spread every channel over something like the output range, so that most results are neither
    # saturated nor all zero.
    spread = np.abs(acc.astype(np.int64)).max(axis=(0, 2, 3)) + 1
    target = rng.uniform(1, 300, len(w)) / spread * y_scale / x_scale
    w_scale = (target if per_channel else target[:1]).astype(np.float32)

    flip, dtype = (128, np.uint8) if unsigned else (0, np.int8)
    constants = {
        "x_scale": x_scale,
        "x_zero_point": dtype(layer.x_zero_point + flip),
        "w": w,
        "w_scale": w_scale,
        "w_zero_point": np.zeros(w_scale.shape, np.int8),
        "y_scale": y_scale,
        "y_zero_point": dtype(y_zero_point + flip),
        "bias": bias,
    }
    expected = run_onnx("QLinearConv", (x.view(np.uint8) ^ flip).view(dtype), constants, layer)
    output = OutputType.UINT8 if unsigned else OutputType.INT8
    scaled = dataclasses.replace(layer, output=output, y_zero_point=y_zero_point + flip)
    y = conv2d(x, w, bias, multiplier(x_scale, w_scale, y_scale), scaled)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)


# --- Arguments ----------------------------------------------------------------------------------

X = np.zeros((1, 4, 5, 5), np.int8)
W = np.zeros((6, 4, 3, 3), np.int8)
BIAS = np.zeros(6, np.int32)
LAYER = ConvLayer.from_shapes(X.shape, W.shape)
RAW = ConvLayer.from_shapes(X.shape, W.shape, output=OutputType.INT32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X.view(np.uint8), W, BIAS, 1, LAYER), "x must be a NumPy array of int8, got uint8"),
        ((X.tolist(), W, BIAS, 1, LAYER), "x must be a NumPy array of int8, got list"),
        ((X[0], W, BIAS, 1, LAYER), "x must have shape (any, 4, 5, 5), got (4, 5, 5)"),
        ((X[:, :3], W, BIAS, 1, LAYER), "x must have shape (any, 4, 5, 5), got (1, 3, 5, 5)"),
        ((X, W[:5], BIAS, 1, LAYER), "w must have shape (6, 4, 3, 3), got (5, 4, 3, 3)"),
        ((X, W, BIAS.astype(float), 1, LAYER), "bias must be a NumPy array of int32, got float64"),
        ((X, W, BIAS[:1], 1, LAYER), "bias must have shape (6,), got (1,)"),
        ((X, W, BIAS, None, LAYER), "scale is needed for INT8 output, got None"),
        ((X, W, BIAS, 1.0, RAW), "scale must be None for INT32 output"),
        ((X, W, BIAS, [1, 2], LAYER), "scale must be one number or (6,), got shape (2,)"),
        ((X, W, BIAS, [[1.0]], LAYER), "scale must be one number or (6,), got shape (1, 1)"),
        ((X, W, BIAS, "one", LAYER), "scale must be numbers, got 'one'"),
        ((X, W, BIAS, float("nan"), LAYER), "scale must be finite in float32, got nan"),
        ((X, W, BIAS, 1e39, LAYER), "scale must be finite in float32, got 1e+39"),
    ],
)
def test_conv2d_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidTensorError, match=re.escape(message)) as info:
        conv2d(*arguments)
    assert "\n" not in str(info.value)


def test_requantize_refuses() -> None:
    with pytest.raises(InvalidLayerError, match="needs INT8 or UINT8 output, got INT32"):
        requantize(np.zeros((1, 6, 1, 1), np.int32), 1.0, RAW)
    with pytest.raises(InvalidTensorError, match="acc must be a NumPy array of int32, got int64"):
        requantize(np.zeros((1, 6, 1, 1), np.int64), 1.0, LAYER)
    with pytest.raises(InvalidTensorError, match=r"acc must have shape \(any, 6, any, any\)"):
        requantize(np.zeros((6, 1, 1), np.int32), 1.0, LAYER)


@pytest.mark.parametrize("y_scale", [0.0, float("inf"), float("nan"), 1e-45])
def test_multiplier_refuses(y_scale: float) -> None:
    with pytest.raises(InvalidTensorError, match="must be finite in float32"):
        multiplier(1.0, [1.0, 2.0], y_scale)
