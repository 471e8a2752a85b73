# SPDX-License-Identifier: Apache-2.0
"""The reference of the vector unit against ONNX Runtime and plain Python integers, for equality."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from random_programs import random_bytes

from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.golden import requantize
from lineconv.golden_vector import add_accumulate, apply_table, max_pool_accumulate
from lineconv.layer import ConvLayer, OutputType

AnyArray = npt.NDArray[Any]


@st.composite
def pools(draw: st.DrawFn, /, **fixed: Any) -> ConvLayer:
    """Each channel by itself; pads that are smaller than the kernel."""
    channels = draw(st.integers(1, 9))
    kernel = draw(st.tuples(*[st.integers(1, 5)] * 2))
    pads = [draw(st.tuples(*[st.integers(0, size - 1)] * 2)) for size in kernel]
    try:
        return ConvLayer(
            in_channels=channels,
            out_channels=channels,
            in_height=draw(st.integers(1, 12)),
            in_width=draw(st.integers(1, 12)),
            kernel=kernel,
            stride=draw(st.tuples(*[st.integers(1, 8)] * 2)),
            dilation=draw(st.tuples(*[st.integers(1, 3)] * 2)),
            padding=(pads[0], pads[1]),
            groups=channels,
            **fixed,
        )
    except InvalidLayerError:  # the kernel is larger than the padded input
        assume(False)
        raise


def onnx_max_pool(x: AnyArray, layer: ConvLayer) -> AnyArray:
    """ONNX Runtime's MaxPool."""
    (top, bottom), (left, right) = layer.padding
    node = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=layer.kernel, strides=layer.stride,
        dilations=layer.dilation, pads=[top, left, bottom, right],
    )  # fmt: skip
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    infos = [helper.make_tensor_value_info(name, element, None) for name in ("x", "y")]
    graph = helper.make_graph([node], "pool", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    y: AnyArray = session.run(None, {"x": x})[0]
    return y


@settings(max_examples=200, deadline=None)
@given(layer=pools(x_zero_point=-128), seed=st.integers(0, 2**32), unsigned=st.booleans())
def test_max_pool_equals_onnx_runtime(layer: ConvLayer, seed: int, unsigned: bool) -> None:
    """Weights and multiplier 1, padding -128; uint8 is int8 with the top bit flipped."""
    shape = (2, layer.in_channels, layer.in_height, layer.in_width)
    x = random_bytes(np.random.default_rng(seed), shape)
    ones = np.ones(layer.weight_shape, np.int8)
    acc = max_pool_accumulate(x, ones, np.zeros(layer.out_channels, np.int32), layer)
    y = requantize(acc, 1.0, layer)
    if unsigned:
        expected = onnx_max_pool(x.view(np.uint8) ^ 0x80, layer)
        np.testing.assert_array_equal(y.view(np.uint8) ^ 0x80, expected)
    else:
        np.testing.assert_array_equal(y, onnx_max_pool(x, layer))


@settings(max_examples=100, deadline=None)
@given(
    layer=pools(output=OutputType.INT32), zero=st.integers(-128, 127), seed=st.integers(0, 2**32)
)
def test_max_of_products_equals_loops(layer: ConvLayer, zero: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = ConvLayer(**{**vars(layer), "x_zero_point": zero})
    x = random_bytes(rng, (1, layer.in_channels, layer.in_height, layer.in_width))
    w = random_bytes(rng, layer.weight_shape)
    bias = rng.integers(-(2**31), 2**31, layer.out_channels).astype(np.int32)
    found = max_pool_accumulate(x, w, bias, layer)
    (top, _), (left, _) = layer.padding
    for (_, c, row, column), acc in np.ndenumerate(found):
        products = []
        for ky, kx in np.ndindex(*layer.kernel):
            y = row * layer.stride[0] + ky * layer.dilation[0] - top
            at = column * layer.stride[1] + kx * layer.dilation[1] - left
            inside = 0 <= y < layer.in_height and 0 <= at < layer.in_width
            value = int(x[0, c, y, at]) if inside else zero
            products.append(value * int(w[c, 0, ky, kx]))
        wrapped = (max(products) + int(bias[c]) + 2**31) % 2**32 - 2**31
        assert acc == wrapped


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_add_of_all_pairs_is_exact(digits: int) -> None:
    """In Python's integers, which do not wrap; -128 for every digit is among the coefficients."""
    rng = np.random.default_rng(digits)
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    shape = (1, 1, *a.shape)
    first, second = (plane.astype(np.int8).reshape(shape) for plane in (a, b))
    for coefficients in [np.full((2, digits), -128), *rng.integers(-128, 128, (5, 2, digits))]:
        bias = int(rng.integers(-(2**31), 2**31))
        wa, wb = (sum(int(w) * 256**d for d, w in enumerate(row)) for row in coefficients)
        exact = [
            (wa * x + wb * y + bias + 2**31) % 2**32 - 2**31
            for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        ]
        weights = coefficients.astype(np.int8)
        found = add_accumulate(first, second, weights, np.array([bias], np.int32))
        assert found.ravel().tolist() == exact


def test_table_takes_bit_patterns() -> None:
    table = np.arange(255, -1, -1).astype(np.uint8)
    y = np.array([-128, -1, 0, 127], np.int8)
    assert apply_table(y, table).tolist() == [127, 0, -1, -128]
    assert apply_table(y.view(np.uint8), table).tolist() == [127, 0, 255, 128]


X = np.zeros((1, 3, 4, 4), np.int8)
POOL = ConvLayer(3, 3, 4, 4, (2, 2), groups=3)
W = np.ones(POOL.weight_shape, np.int8)
BIAS = np.zeros(3, np.int32)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((X[:, :2], W, BIAS), "x must have shape (any, 3, 4, 4), got (1, 2, 4, 4)"),
        ((X, W[:2], BIAS), "w must have shape (3, 1, 2, 2), got (2, 1, 2, 2)"),
        ((X, W, BIAS[:2]), "bias must have shape (3,), got (2,)"),
    ],
)
def test_max_pool_refuses(tensors: tuple[Any, Any, Any], message: str) -> None:
    x, w, bias = tensors
    with pytest.raises(InvalidTensorError, match=re.escape(message)):
        max_pool_accumulate(x, w, bias, POOL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, X[..., 1:], W[:2, 0, 0], BIAS), "b must have shape (1, 3, 4, 4), got (1, 3, 4, 3)"),
        ((X, X, W[:, 0, 0], BIAS), "digits must have shape (2, any), got (3, 2)"),
        ((X, X, W[:2, 0, 0], BIAS[:1]), "a must have shape (any, 1, any, any), got (1, 3, 4, 4)"),
    ],
)
def test_add_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidTensorError, match=re.escape(message)):
        add_accumulate(*arguments)
