# SPDX-License-Identifier: Apache-2.0
"""Random graphs of all kinds of layers, with tensors that several layers read: equal to NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from compiled import GraphBuilder, check

from lineconv.graph import Graph
from lineconv.graph.layers import (
    Add,
    ChannelShuffle,
    GlobalAveragePool,
    MaxPool,
    Mul,
    Pad,
    Reshape,
    Resize,
    Slice,
    Tensor,
    Transpose,
)

SEEDS = range(20)


def random_graph(seed: int, dtype: str) -> Graph:
    """About twenty layers; what nobody reads in the end is an output."""
    b = GraphBuilder(seed, dtype)
    batch, height, width = (int(n) for n in b.rng.integers([1, 5, 5], [3, 12, 12]))
    live = [b.input(batch, int(n), height, width) for n in b.rng.integers(1, 12, 2)]
    unread = {x.name: x for x in live}
    for _ in range(20):
        x = live[b.rng.integers(len(live))]
        make = _MAKERS[b.rng.integers(len(_MAKERS))]
        y = make(b, x, live)
        if y is None:
            continue
        live.append(y)
        for tensor in b.last.inputs:
            unread.pop(tensor.name, None)
        unread[y.name] = y
    return b.graph(*(x for x in unread.values() if x not in live[:2]))


def _conv(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor | None:
    if min(x.shape[2:]) < 2:
        return None
    kernel, stride = int(b.rng.choice([1, 3, 3, 5])), int(b.rng.choice([1, 1, 2]))
    groups = int(b.rng.choice([n for n in range(1, x.shape[1] + 1) if x.shape[1] % n == 0]))
    outputs = groups * int(b.rng.integers(1, 10)) if b.rng.random() < 0.7 else x.shape[1]
    return b.conv(x, outputs, kernel, groups=groups, stride=(stride, stride))


def _max_pool(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor | None:
    if min(x.shape[2:]) < 4:
        return None
    sizes = ((size - 1) // 2 + 1 for size in x.shape[2:])
    return b.layer(
        MaxPool, [x], (*x.shape[:2], *sizes), kernel=(3, 3), stride=(2, 2), dilation=(1, 1),
        padding=((1, 1), (1, 1)),
    )  # fmt: skip


def _global(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor:
    return b.layer(GlobalAveragePool, [x], (*x.shape[:2], 1, 1))


def _table(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor:
    return b.table(x)


def _alike(b: GraphBuilder, x: Tensor, live: list[Tensor]) -> Tensor:
    found = [y for y in live if y.shape == x.shape]
    return found[b.rng.integers(len(found))]


def _add(b: GraphBuilder, x: Tensor, live: list[Tensor]) -> Tensor:
    return b.layer(Add, [x, _alike(b, x, live)], x.shape)


def _mul(b: GraphBuilder, x: Tensor, live: list[Tensor]) -> Tensor | None:
    if b.rng.random() < 0.7:  # divides the program
        return None
    return b.layer(Mul, [x, _alike(b, x, live)], x.shape)


def _concat(b: GraphBuilder, x: Tensor, live: list[Tensor]) -> Tensor:
    axis = int(b.rng.choice([1, 1, 0, 2, 3]))
    rest = [size for place, size in enumerate(x.shape) if place != axis]
    fitting = [y for y in live if [s for place, s in enumerate(y.shape) if place != axis] == rest]
    chosen = [fitting[b.rng.integers(len(fitting))] for _ in range(int(b.rng.integers(1, 3)))]
    return b.concat([x, *chosen], axis)


def _slice(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor:
    steps = [1, *(int(n) for n in b.rng.choice([1, 1, 2, 3, -1], 3, p=[0.4, 0.3, 0.15, 0.1, 0.05]))]
    starts, sizes = [], []
    for size, step in zip(x.shape, steps, strict=True):
        start = size - 1 if step < 0 else int(b.rng.integers(0, (size + 1) // 2))
        reach = start + 1 if step < 0 else math.ceil((size - start) / step)
        starts.append(start)
        sizes.append(int(b.rng.integers(max(1, reach // 2), reach + 1)))
    return b.layer(Slice, [x], tuple(sizes), starts=tuple(starts), steps=tuple(steps))


def _pad(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor:
    pads = tuple((int(n), int(m)) for n, m in b.rng.integers(0, 3, (3, 2)))
    shape = [size + sum(pair) for size, pair in zip(x.shape[1:], pads, strict=True)]
    return b.layer(Pad, [x], (x.shape[0], *shape), pads=((0, 0), *pads), value=7)


def _resize(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor | None:
    if math.prod(x.shape) > 3000:
        return None
    shape = (*x.shape[:2], x.shape[2] * 2, x.shape[3] * 2)
    return b.layer(Resize, [x], shape, factors=(1, 1, 2, 2))


def _shuffle(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor | None:
    if x.shape[1] % 2:
        return None
    return b.layer(ChannelShuffle, [x], x.shape, groups=2)


def _there_and_back(b: GraphBuilder, x: Tensor, _: list[Tensor]) -> Tensor:
    n, c, h, w = x.shape
    last = b.layer(Transpose, [x], (n, h, w, c), permutation=(0, 2, 3, 1))
    flat = b.layer(Reshape, [last], (n, h * w, c))
    turned = b.layer(Transpose, [flat], (n, c, h * w), permutation=(0, 2, 1))
    return b.layer(Reshape, [turned], x.shape)


_Maker = Callable[[GraphBuilder, Tensor, list[Tensor]], "Tensor | None"]
_MAKERS: list[_Maker] = [
    *(_conv, _conv, _conv, _max_pool, _global, _table, _table, _add, _mul, _concat, _concat),
    *(_slice, _pad, _resize, _shuffle, _there_and_back),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graph(seed: int) -> None:
    graph = random_graph(seed, ("int8", "uint8")[seed % 2])
    for target in ("tiny", "pynq-z2", "kv260"):
        check(graph, target, seed)
