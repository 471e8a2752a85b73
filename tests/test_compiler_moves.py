# SPDX-License-Identifier: Apache-2.0
"""Layers that move values: which of them are work for the engine, and that no byte is misplaced."""

from __future__ import annotations

from typing import Any

import pytest
from compiled import GraphBuilder, check, host_reasons

from lineconv.compiler.network import Network
from lineconv.graph import Graph
from lineconv.graph.layers import (
    Add,
    ChannelShuffle,
    Mul,
    Pad,
    Reshape,
    Resize,
    Slice,
    Tensor,
    Transpose,
)

pytestmark = pytest.mark.parametrize("dtype", ["int8", "uint8"])

SHAPE = (2, 6, 8, 10)


def engine_work(graph: Graph) -> dict[str, int]:
    """Descriptors by kind of layer, but for convolutions; nothing is left to the host."""
    counts: dict[str, int] = {}
    for target in ("tiny", "pynq-z2"):
        network = check(graph, target)
        assert host_reasons(network) == {}
        counts = descriptors(network)
    return counts


def descriptors(network: Network) -> dict[str, int]:
    counts: dict[str, int] = {}
    for layer in network.layers:
        if layer.kinds[0] != "Convolution":
            counts[layer.kinds[0]] = counts.get(layer.kinds[0], 0) + layer.descriptors
    return counts


def part(b: GraphBuilder, x: Tensor, *spans: range) -> Tensor:
    """The elements of each span; of axes that are not named, all."""
    every = [*spans, *(range(size) for size in x.shape[len(spans) :])]
    return b.layer(
        Slice, [x], tuple(map(len, every)),
        starts=tuple(span.start for span in every), steps=tuple(span.step for span in every),
    )  # fmt: skip


# --- Concat -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", range(4))
def test_concat_of_results_and_inputs_is_no_work(dtype: str, axis: int) -> None:
    b = GraphBuilder(axis, dtype)
    x = b.input(*SHAPE)
    pieces = [b.conv(x, 6), b.conv(x, 6, 1), b.input(*SHAPE)]
    y = b.concat(pieces, axis)
    assert engine_work(b.graph(b.conv(y, 5), y)) == {"Concat": 0}


def test_concat_in_concat(dtype: str) -> None:
    b = GraphBuilder(1, dtype)
    x = b.input(*SHAPE)
    inner = b.concat([b.conv(x, 4), b.conv(x, 3)], 1)
    outer = b.concat([b.conv(inner, 7), inner, b.table(b.conv(x, 7))], 2)
    assert engine_work(b.graph(b.conv(outer, 5))) == {"Concat": 0}


def test_concat_copies_what_lies_elsewhere(dtype: str) -> None:
    b = GraphBuilder(2, dtype)
    a, c = b.conv(b.input(*SHAPE), 6), b.constant(*SHAPE)
    first = b.concat([a, c, a], 1)  # the constant and the second one are copied
    second = b.concat([part(b, a, range(2), range(2, 5)), b.conv(a, 3)], 1)
    work = engine_work(b.graph(b.conv(first, 4), b.conv(second, 4)))
    assert work == {"Concat": 3, "Slice": 0}


def test_host_values_do_not_overwrite_results_beside_them(dtype: str) -> None:
    """What the host computes after a program is packed apart, then copied to its place."""
    b = GraphBuilder(14, dtype)
    x = b.conv(b.input(*SHAPE), 6)
    gate = b.layer(Mul, [x, x], SHAPE)
    y = b.concat([b.conv(x, 6), gate], 1)
    network = check(b.graph(b.conv(y, 4)), "pynq-z2")
    assert len(network.segments) == 2
    assert descriptors(network) == {"Concat": 1}


def test_concat_of_few_axes(dtype: str) -> None:
    b = GraphBuilder(3, dtype)
    rows = b.concat([b.table(b.input(3, 5)), b.input(3, 4)], 1)
    bands = b.concat([b.table(b.input(2, 5, 9)), b.input(2, 5, 3)], 2)
    plain = b.concat([b.table(b.input(7)), b.input(3)], 0)
    graph = b.graph(b.table(rows), b.table(bands), b.table(plain))
    assert engine_work(graph)["Concat"] == 0


# --- Pad, Slice, Resize -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pads", "copies"),
    # Images whose rows are padded are copied one by one.
    [(((0, 0), (0, 0), (1, 2), (3, 0)), 2), (((1, 0), (2, 1), (0, 0), (0, 1)), 1)],
)
def test_pad_is_a_border_that_never_changes(dtype: str, pads: Any, copies: int) -> None:
    b = GraphBuilder(4, dtype)
    x = b.conv(b.input(*SHAPE), 6)
    shape = tuple(size + sum(pair) for size, pair in zip(SHAPE, pads, strict=True))
    padded = b.layer(Pad, [x], shape, pads=pads, value=77)
    again = b.layer(Pad, [x], shape, pads=pads, value=3)  # x cannot be in two places
    joined = b.concat([padded, b.table(again)], 1)
    graph = b.graph(b.conv(padded, 4), b.conv(joined, 4))
    assert engine_work(graph)["Pad"] == copies


def test_slices_are_views(dtype: str) -> None:
    b = GraphBuilder(5, dtype)
    x = b.conv(b.input(*SHAPE), 9)
    images, channels = range(1, 2), range(2, 7)
    views = [
        part(b, x, range(2), channels),
        part(b, x, images, range(9), range(1, 7), range(2, 9)),
        part(b, x, range(2), channels, range(1, 8, 2), range(0, 10, 3)),
    ]
    y = [b.conv(view, 5, kernel) for view in views for kernel in (1, 3)]
    y += [b.conv(view, view.shape[1], groups=view.shape[1]) for view in views]
    assert engine_work(b.graph(*y, *views)) == {"Slice": 0}


def test_slices_of_distant_channels_are_gathered(dtype: str) -> None:
    b = GraphBuilder(6, dtype)
    x = b.conv(b.input(*SHAPE), 9)
    spread = part(b, x, range(2), range(1, 9, 3), range(1, 7))
    back = part(b, x, range(2), range(8, 1, -1))
    assert engine_work(b.graph(b.conv(spread, 4), b.table(back))) == {"Slice": 3, "Table": 1}


def test_slice_that_turns_rows_round(dtype: str) -> None:
    b = GraphBuilder(7, dtype)
    x = b.conv(b.input(*SHAPE), 4)
    y = part(b, x, range(2), range(4), range(7, -1, -1))
    network = check(b.graph(b.conv(y, 3)))
    assert host_reasons(network) == {"Slice_1": "the engine cannot turn axes round"}
    assert len(network.segments) == 2


@pytest.mark.parametrize("factors", [(1, 1, 2, 2), (1, 1, 3, 1)])
def test_resize_copies_to_each_place(dtype: str, factors: tuple[int, ...]) -> None:
    b = GraphBuilder(8, dtype)
    x = b.conv(b.input(1, 5, 6, 7), 6)
    shape = tuple(size * factor for size, factor in zip(x.shape, factors, strict=True))
    big = b.layer(Resize, [x], shape, factors=factors)
    y = b.concat([b.table(big), b.input(*shape)], 1)
    assert engine_work(b.graph(b.conv(y, 4))) == {"Resize": factors[2] * factors[3], "Concat": 0}


# --- Reshape, Transpose, ChannelShuffle ---------------------------------------------------------


def test_channels_last(dtype: str) -> None:
    """As TensorFlow exports: NHWC at both ends, and a matrix product on the last axis."""
    b = GraphBuilder(9, dtype)
    x = b.input(2, 6, 7, 4)
    turned = b.layer(Transpose, [x], (2, 4, 6, 7), permutation=(0, 3, 1, 2))
    y = b.conv(turned, 5)
    last = b.layer(Transpose, [y], (2, 6, 7, 5), permutation=(0, 2, 3, 1))
    tokens = b.layer(Reshape, [last], (2, 42, 5))
    network = check(b.graph(b.table(tokens)))
    # The first one the host does while it packs; the others move no byte.
    assert set(host_reasons(network)) == {"Transpose_0"}
    assert len(network.segments) == 1
    assert descriptors(network) == {"Transpose": 0, "Reshape": 0, "Table": 1}


def test_transpose_that_moves_bytes(dtype: str) -> None:
    b = GraphBuilder(10, dtype)
    y = b.layer(Transpose, [b.table(b.input(*SHAPE))], (2, 6, 10, 8), permutation=(0, 1, 3, 2))
    network = check(b.graph(b.table(y)))
    assert host_reasons(network) == {"Transpose_1": "the engine cannot turn axes round"}


def test_shuffle_of_dense_convolutions_is_in_their_weights(dtype: str) -> None:
    b = GraphBuilder(11, dtype)
    x = b.conv(b.input(*SHAPE), 12)
    y = b.layer(ChannelShuffle, [x], x.shape, groups=3)
    graph = b.graph(b.conv(y, 5), b.conv(y, 4, 1))
    assert engine_work(graph) == {}


def test_shuffle_is_a_convolution_with_a_permutation(dtype: str) -> None:
    b = GraphBuilder(12, dtype)
    x = b.conv(b.input(*SHAPE), 12)
    y = b.table(b.layer(ChannelShuffle, [x], x.shape, groups=3))
    graph = b.graph(b.conv(y, 12, groups=12), b.conv(y, 5))
    assert engine_work(graph) == {"ChannelShuffle": 1}


def test_sum_of_parts_copies_those_that_lie_differently(dtype: str) -> None:
    b = GraphBuilder(13, dtype)
    x = b.conv(b.input(*SHAPE), 24)
    pieces = [part(b, x, range(2), range(start, start + 6)) for start in (0, 8, 17)]
    dense = b.conv(x, 6)
    sums = [
        b.layer(Add, pair, dense.shape)
        for pair in ([pieces[0], pieces[1]], [pieces[0], pieces[2]], [pieces[2], dense])
    ]
    # One operation each; the second copies both, the third the part.
    for target in ("tiny", "pynq-z2"):
        network = check(b.graph(*sums), target)
        added = [layer.descriptors for layer in network.layers if layer.kinds == ("Add",)]
        assert added[0] < added[2] < added[1]
