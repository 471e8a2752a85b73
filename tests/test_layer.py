# SPDX-License-Identifier: Apache-2.0
"""ConvLayer: derived sizes, the forms people write, and what is refused."""

import pickle
import re
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineconv.errors import InvalidInputError, InvalidLayerError, LineconvError, ProgramError
from lineconv.layer import ConvLayer, OutputType, as_pair, normalize_padding

BASE: dict[str, Any] = {
    "in_channels": 8,
    "out_channels": 16,
    "in_height": 10,
    "in_width": 12,
    "kernel": (3, 3),
}


@pytest.mark.parametrize(
    ("changes", "out_size"),
    [
        ({}, (8, 10)),
        ({"padding": ((1, 1), (1, 1))}, (10, 12)),
        ({"padding": ((0, 1), (2, 0))}, (9, 12)),
        ({"stride": (2, 3)}, (4, 4)),
        ({"dilation": (2, 3)}, (6, 6)),
        ({"stride": (2, 2), "dilation": (2, 2), "padding": ((2, 2), (2, 2))}, (5, 6)),
        ({"kernel": (10, 12)}, (1, 1)),
        ({"kernel": (1, 16), "padding": ((0, 0), (2, 2)), "stride": (8, 8)}, (2, 1)),
    ],
)
def test_output_size(changes: dict[str, Any], out_size: tuple[int, int]) -> None:
    layer = ConvLayer(**(BASE | changes))
    assert (layer.out_height, layer.out_width) == out_size


@given(
    kernel=st.integers(1, 16),
    stride=st.integers(1, 8),
    dilation=st.integers(1, 5),
    pads=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    in_size=st.integers(1, 99),
)
def test_output_size_counts_the_kernel_positions(
    kernel: int, stride: int, dilation: int, pads: tuple[int, int], in_size: int
) -> None:
    padded = range(in_size + sum(pads))
    last_tap = dilation * (kernel - 1)
    positions = [start for start in padded[::stride] if start + last_tap in padded]
    arguments = BASE | {
        "in_height": in_size,
        "kernel": (kernel, 1),
        "stride": (stride, 1),
        "dilation": (dilation, 1),
        "padding": (pads, (0, 0)),
    }
    if positions:
        assert ConvLayer(**arguments).out_height == len(positions)
    else:
        with pytest.raises(InvalidLayerError, match="more than the padded input height"):
            ConvLayer(**arguments)


def test_macs_and_weight_shape() -> None:
    dense = ConvLayer(64, 64, 56, 56, (3, 3), padding=((1, 1), (1, 1)))
    assert (dense.macs, dense.weight_shape) == (115_605_504, (64, 64, 3, 3))
    depthwise = ConvLayer(32, 64, 112, 112, (3, 3), padding=((1, 1), (1, 1)), groups=32)
    assert (depthwise.macs, depthwise.weight_shape) == (64 * 9 * 112 * 112, (64, 1, 3, 3))


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([np.int64(1), 2], ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], 3], ((1, 2), (3, 3))),
        ("valid", ((0, 0), (0, 0))),
    ],
)
def test_padding_forms(padding: Any, expected: Any) -> None:
    assert normalize_padding(padding, (3, 3), (1, 1), (1, 1), (9, 9)) == expected


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "in_size", "expected"),
    [
        (3, 1, 1, 9, (1, 1)),
        (4, 1, 1, 9, (1, 2)),  # the odd pixel goes to the end
        (3, 2, 1, 224, (0, 1)),
        (7, 2, 1, 224, (2, 3)),
        (3, 1, 4, 9, (4, 4)),
        (1, 4, 1, 9, (0, 0)),  # never negative
    ],
)
def test_same_padding(
    kernel: int, stride: int, dilation: int, in_size: int, expected: tuple[int, int]
) -> None:
    padding = normalize_padding("same", (kernel, 1), (stride, 1), (dilation, 1), (in_size, 5))
    assert padding == (expected, (0, 0))
    layer = ConvLayer.from_shapes(
        (1, 1, in_size, 5), (1, 1, kernel, 1), stride=(stride, 1), dilation=(dilation, 1),
        padding="same",
    )  # fmt: skip
    assert layer.padding == padding
    assert layer.out_height == -(-in_size // stride)


def test_from_shapes() -> None:
    layer = ConvLayer.from_shapes(
        (5, 8, 10, 12), (16, 4, 3, 5), stride=2, padding=(1, 2), dilation=(1, 2), groups=2,
        x_zero_point=-3, y_zero_point=7, output=OutputType.UINT8, clamp=(7, 200),
    )  # fmt: skip
    assert layer == ConvLayer(
        8, 16, 10, 12, (3, 5), (2, 2), (1, 2), ((1, 1), (2, 2)), 2, -3, 7, OutputType.UINT8,
        clamp=(7, 200),
    )  # fmt: skip


def test_equal_layers_hash_alike_and_are_frozen() -> None:
    plain = ConvLayer(**BASE)
    numpy = ConvLayer(**(BASE | {"in_channels": np.int64(8), "kernel": [np.int8(3), 3]}))
    assert (plain, hash(plain), repr(plain)) == (numpy, hash(numpy), repr(numpy))
    with pytest.raises(FrozenInstanceError):
        plain.groups = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"out_channels": 2.0}, "out_channels must be an integer, got 2.0"),
        ({"in_width": -4}, "in_width must be at least 1, got -4"),
        ({"kernel": (0, 3)}, "kernel height must be in 1..16, got 0"),
        ({"kernel": (17, 3)}, "kernel height must be in 1..16, got 17"),
        ({"kernel": (3, 65)}, "kernel width must be in 1..64, got 65"),
        ({"kernel": (3, 3, 3)}, "kernel must be an integer or a pair of integers, got (3, 3, 3)"),
        ({"stride": (0, 1)}, "stride must be in 1..8, got 0"),
        ({"stride": (1, 9)}, "stride must be in 1..8, got 9"),
        ({"stride": "12"}, "stride must be an integer, got '12'"),
        ({"dilation": (1, 0)}, "dilation must be at least 1, got 0"),
        ({"padding": ((0, -1), (0, 0))}, "padding must be at least 0, got -1"),
        ({"padding": (1, 2, 3)}, "padding must be an integer, a pair, ((top, bottom)"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"groups": 3}, "in_channels must be divisible by groups=3, got 8"),
        ({"groups": 8, "out_channels": 12}, "out_channels must be divisible by groups=8, got 12"),
        (
            {"kernel": (6, 3), "dilation": (2, 1)},
            "kernel height 6 with dilation 2 spans 11 pixels, more than the padded input height 10",
        ),
        ({"x_zero_point": 128}, "x_zero_point must be in -128..127, got 128"),
        ({"y_zero_point": -129}, "y_zero_point must be in -128..127, got -129"),
        ({"y_zero_point": -1, "output": OutputType.UINT8}, "y_zero_point must be in 0..255"),
        ({"y_zero_point": 1, "output": OutputType.INT32}, "INT32 output needs y_zero_point=0"),
        (
            {"output": "int8"},
            "output must be one of OutputType.INT8, OutputType.UINT8, OutputType.INT32, got 'int8'",
        ),
        (
            {"rounding": 0},
            "rounding must be one of Rounding.HALF_EVEN, Rounding.HALF_UP, Rounding.FLOOR, got 0",
        ),
        ({"overflow": None}, "overflow must be one of Overflow.SATURATE, "),
        ({"clamp": (0, 128)}, "clamp must be in -128..127, got 128"),
        ({"clamp": (3, 2)}, "clamp must be (low, high) with low <= high, got (3, 2)"),
        (
            {"clamp": (0, 1), "output": OutputType.INT32},
            "INT32 output needs y_zero_point=0 and clamp=None",
        ),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidLayerError, match=re.escape(message)) as info:
        ConvLayer(**(BASE | changes))
    assert "\n" not in str(info.value)
    assert isinstance(info.value, InvalidInputError)
    assert isinstance(info.value, ValueError)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options", "message"),
    [
        ((8, 9, 9), (4, 8, 3, 3), {}, "x must have 4 axes (N, C, H, W), got shape (8, 9, 9)"),
        ((1, 8, 9, 9), (4, 8, 3), {}, "w must have 4 axes (O, C/groups, kH, kW)"),
        (
            (1, 8, 9, 9),
            (4, 3, 3, 3),
            {"groups": 2},
            "x has 8 channels but w expects 3 in each of 2",
        ),
        ((1, 8, 9, 9), (4, 8, 3, 3), {"groups": 0}, "groups must be at least 1, got 0"),
        ((1, 8, 9, 9), (4, 8, 3, 3), {"stride": 0}, "stride must be in 1..8, got 0"),
        ((1, 8, 9, 9), (4, 8, 3, 3), {"padding": "full"}, "padding must be 'same' or 'valid'"),
    ],
)
def test_refused_shapes(x_shape: Any, w_shape: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidLayerError, match=re.escape(message)):
        ConvLayer.from_shapes(x_shape, w_shape, **options)


def test_as_pair_names_the_argument() -> None:
    assert as_pair("scale", 3) == (3, 3)
    with pytest.raises(InvalidLayerError, match=r"^zoom must be in 1\.\.4, got 5$"):
        as_pair("zoom", (1, 5), 1, 4)


def test_program_error_says_where_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ProgramError(4, "BAD_KERNEL", 2)))
    assert isinstance(error, ProgramError)
    assert isinstance(error, LineconvError)
    assert (error.code, error.name, error.index) == (4, "BAD_KERNEL", 2)
    assert str(error) == "program stopped at descriptor 2: BAD_KERNEL (code 4)"
