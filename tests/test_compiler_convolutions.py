# SPDX-License-Identifier: Apache-2.0
"""Convolutions and matrix products: which descriptors they become, and that the bits are right."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from compiled import GraphBuilder, check, host_reasons

from lineconv.compiler.network import Network, Pack
from lineconv.graph.layers import Convolution, Reshape, Slice, Tensor, TransposedConvolution
from lineconv.layer import ConvLayer, OutputType
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Flag, Kind

DTYPES = pytest.mark.parametrize("dtype", ["int8", "uint8"])


def program(network: Network) -> npt.NDArray[Any]:
    """All descriptors."""
    count = sum(segment.count for segment in network.segments)
    return network.image[: count * DESCRIPTOR_BYTES].view(DESCRIPTOR)


def only_engine(network: Network) -> npt.NDArray[Any]:
    assert host_reasons(network) == {}
    return program(network)


def gemm(b: GraphBuilder, x: Tensor, inputs: int, outputs: int) -> Tensor:
    """A matrix product of each row of `inputs` elements."""
    pixels = dataclasses.replace(x, shape=(int(np.prod(x.shape)) // inputs, inputs, 1, 1))
    fields = b.convolution(pixels, outputs, 1)
    fields["shape"] = (pixels.shape[0], outputs)
    return b.layer(Convolution, [x], **fields)


@DTYPES
def test_first_convolution_of_few_channels_is_folded(dtype: str) -> None:
    b = GraphBuilder(60, dtype)
    x = b.input(2, 3, 40, 30)
    network = check(b.graph(b.conv(x, 16, 11, stride=(2, 2)), b.conv(x, 16)), "pynq-z2")
    packs = [step for step in network.steps if isinstance(step, Pack)]
    assert {pack.fold is None for pack in packs} == {True, False}
    entries = only_engine(network)
    assert entries["kernel_height"].tolist() == [1, 1, 3, 3]
    assert entries["input_channels"].tolist() == [33, 33, 3, 3]


@DTYPES
@pytest.mark.parametrize("target", ["tiny", "pynq-z2"])
@pytest.mark.parametrize(
    ("channels", "outputs", "groups"),
    [(20, 20, 20), (48, 48, 48), (7, 14, 7), (32, 32, 8), (32, 16, 4), (6, 9, 3), (64, 64, 2)],
)
def test_groups(dtype: str, target: str, channels: int, outputs: int, groups: int) -> None:
    b = GraphBuilder(groups, dtype)
    x = b.conv(b.input(1, 4, 9, 8), channels, 1)
    network = check(b.graph(b.table(b.conv(x, outputs, groups=groups))), target)
    grouped = only_engine(network)[1:]
    depthwise = groups == channels == outputs
    assert set(grouped["kind"].tolist()) == {Kind.DEPTHWISE if depthwise else Kind.CONV}
    assert (grouped["flags"] & Flag.TABLE).all()
    if depthwise:
        assert len(grouped) == 1


@DTYPES
def test_kernels_deeper_than_the_weight_buffer(dtype: str) -> None:
    """Each pixel is a descriptor, which loads the weights kernel row by kernel row."""
    b = GraphBuilder(61, dtype)
    x = b.conv(b.input(1, 4, 6, 5), 72)  # 162 words of 4 bytes; tiny has 128
    entries = only_engine(check(b.graph(b.conv(x, 9, stride=(2, 1))), "tiny"))
    by_row = entries[(entries["flags"] & Flag.WEIGHTS_BY_ROW) > 0]
    assert len(by_row) == 3 * 5
    assert len(set(by_row["weights_address"].tolist())) == 1


@DTYPES
@pytest.mark.parametrize("inputs", [1300, 1301])
def test_deep_matrix_product(dtype: str, inputs: int) -> None:
    """A pixel is seen as rows; the bytes behind the last one meet zero weights."""
    b = GraphBuilder(62, dtype)
    y = gemm(b, b.input(3, inputs), inputs, 20)
    entries = only_engine(check(b.graph(gemm(b, y, 20, 5)), "tiny"))
    assert entries["kernel_height"].tolist() == [3, 3, 3, 1]
    assert ((entries["flags"] & Flag.WEIGHTS_BY_ROW) > 0).tolist() == [True, True, True, False]


@DTYPES
@pytest.mark.parametrize("target", ["tiny", "pynq-z2"])
@pytest.mark.parametrize("shape", [(2, 5, 4, 6), (1, 8, 20, 1), (1, 3, 1, 7), (3, 24, 2, 2)])
def test_flattened_images(dtype: str, target: str, shape: tuple[int, int, int, int]) -> None:
    """From (C, H, W), as ONNX flattens, to (H, W, C), as the bytes lie."""
    b = GraphBuilder(63, dtype)
    x = b.conv(b.input(*shape), shape[1])
    inputs = int(np.prod(shape[1:]))
    flat = b.layer(Reshape, [x], (shape[0], inputs))
    only_engine(check(b.graph(gemm(b, flat, inputs, 11), flat), target))


def test_flattened_part_of_a_tensor() -> None:
    """Pixels that do not lie side by side: each is a tap of the kernel."""
    b = GraphBuilder(64)
    x = b.conv(b.input(1, 4, 3, 5), 12)
    part = b.layer(Slice, [x], (1, 7, 3, 5), starts=(0, 2, 0, 0), steps=(1, 1, 1, 1))
    flat = b.layer(Reshape, [part], (1, 105))
    entries = only_engine(check(b.graph(gemm(b, flat, 105, 6)), "pynq-z2"))
    assert (int(entries["kernel_height"][-1]), int(entries["kernel_width"][-1])) == (3, 5)


def test_accumulators() -> None:
    b = GraphBuilder(65)
    x = b.conv(b.input(2, 4, 6, 5), 10)
    fields = b.convolution(x, 10, 3, groups=10)
    fields["layer"] = dataclasses.replace(fields["layer"], output=OutputType.INT32, y_zero_point=0)
    fields["scale"] = None
    y = b.layer(
        Convolution, [x], result=b.tensor(fields.pop("shape"), np.int32), shape=(), **fields
    )
    entries = only_engine(check(b.graph(y), "pynq-z2"))
    assert entries["kind"].tolist()[-1] == Kind.DEPTHWISE


@DTYPES
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "cut", "extra"),
    [
        ((4, 4), (2, 2), (1, 1), (1, 1), (0, 0)),
        ((2, 2), (2, 2), (1, 1), (0, 0), (0, 0)),
        ((3, 3), (2, 2), (1, 1), (1, 1), (1, 1)),
        ((2, 3), (3, 4), (1, 1), (0, 0), (2, 1)),  # results that meet no pixel
        ((3, 2), (2, 3), (2, 2), (2, 0), (1, 0)),
        ((3, 3), (2, 1), (3, 2), (0, 3), (0, 0)),
        ((5, 1), (1, 1), (1, 1), (2, 0), (0, 0)),
    ],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 6])
def test_transposed(
    dtype: str, kernel: Any, stride: Any, dilation: Any, cut: Any, extra: Any, groups: int
) -> None:
    """No products with inserted zeros: a phase has at most ceil(kernel / stride) taps."""
    b = GraphBuilder(66, dtype)
    x = b.conv(b.input(2, 3, 5, 4), 6, 1)
    spread = [(n - 1) * s + 1 for n, s in zip((5, 4), stride, strict=True)]
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    padding = [(span - c, span - c + e) for span, c, e in zip(spans, cut, extra, strict=True)]
    fields = b.convolution(x, 6, 1, groups=groups)
    geometry = ConvLayer(
        6, 6, spread[0], spread[1], kernel, dilation=dilation, padding=(padding[0], padding[1]),
        groups=groups, x_zero_point=fields["layer"].x_zero_point,
        y_zero_point=fields["layer"].y_zero_point, output=fields["layer"].output,
    )  # fmt: skip
    weights = b.rng.integers(-128, 128, geometry.weight_shape).astype(np.int8)
    fields |= {"layer": geometry, "weights": weights, "stride": stride}
    fields["shape"] = (2, 6, geometry.out_height, geometry.out_width)
    y = b.table(b.layer(TransposedConvolution, [x], **fields))
    for target in ("tiny", "pynq-z2"):
        network = check(b.graph(y), target)
        assert host_reasons(network) == {}
        assert network.layers[1].kinds == ("TransposedConvolution", "Table")
        if dilation == (1, 1):
            most = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]
            taps = 6 // groups * most[0] * most[1]
            assert network.layers[1].macs <= int(np.prod(fields["shape"])) * taps


@DTYPES
def test_groups_with_more_outputs_than_lanes(dtype: str) -> None:
    """Each descriptor computes one lot of lanes of every group, if the order does not matter."""
    b = GraphBuilder(67, dtype)
    x = b.conv(b.input(1, 4, 9, 8), 24, 1)
    y = b.conv(x, 72, groups=3)  # 24 outputs: three groups of 8 lanes
    graph = b.graph(b.conv(y, 5, 1), b.conv(y, 6, 1))
    grouped = only_engine(check(graph, "tiny"))[1:-2]
    assert grouped["output_channels"].tolist() == [24, 24, 24]
    assert (grouped["group_step"] == 8).all()
    for kept in (b.graph(y), b.graph(b.table(y)), b.graph(b.conv(y, 72, groups=72))):
        assert len(only_engine(check(kept, "tiny"))) >= 3


@DTYPES
@pytest.mark.parametrize("groups", [1, 6])
def test_wide_kernels(dtype: str, groups: int) -> None:
    """As convolutions over time have them."""
    b = GraphBuilder(68, dtype)
    x = b.conv(b.input(1, 3, 1, 150), 6, 1)
    fields = b.convolution(x, 6, 1, groups=groups)
    geometry = dataclasses.replace(
        fields["layer"], kernel=(1, 64), padding=((0, 0), (20, 30)), stride=(1, 2)
    )
    weights = b.rng.integers(-128, 128, geometry.weight_shape).astype(np.int8)
    fields |= {"layer": geometry, "weights": weights, "shape": (1, 6, 1, geometry.out_width)}
    y = b.layer(Convolution, [x], **fields)
    for target in ("tiny", "pynq-z2"):
        assert only_engine(check(b.graph(y), target))["kernel_width"].max() >= 64
