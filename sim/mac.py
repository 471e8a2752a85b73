# SPDX-License-Identifier: Apache-2.0
"""Geometry and reference of the multiply-accumulate array, for the benches of its modules.

Words are numpy arrays over time: x is int8 [word, element], weights are int8
[word, element, lane], `first` is bool [word].
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]

# How operands are drawn: random ones, and the ends of the range in every mix.
KINDS = ("random", "ends", "min", "max", "zero", "ones")
MIXES = list(itertools.product(KINDS, repeat=3))


class Geometry:
    """Where and when each input element enters the cascades of conv_mac_pair."""

    def __init__(self, input_lanes: int) -> None:
        self.chains = -(-input_lanes // 4)
        self.length = -(-input_lanes // self.chains)
        self.tree_levels = (self.chains - 1).bit_length()
        self.stage = [self.length - 1 - i // self.chains for i in range(input_lanes)]
        self.members = [list(range(c, input_lanes, self.chains)) for c in range(self.chains)]
        self.head_stage = [min(self.stage[i] for i in members) for members in self.members]
        self.pair_latency = self.length + self.tree_levels + 3
        self.array_latency = self.length + self.tree_levels + 7

    def corrections(self, x: Int8) -> npt.NDArray[np.int64]:
        """Correction words [word, chain] of x."""
        return np.stack([511 - x[:, m].astype(np.int64).sum(1) for m in self.members], axis=1)


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Int8:
    """int8 operands of one kind."""
    if kind == "random":
        return rng.integers(-128, 128, shape).astype(np.int8)
    if kind == "ends":
        return rng.choice(np.array([-128, 127], np.int8), shape)
    value = {"min": -128, "max": 127, "zero": 0, "ones": -1}[kind]
    return np.full(shape, value, np.int8)


def accumulate(x: Int8, weights: Int8, first: Bool) -> npt.NDArray[np.int32]:
    """Accumulators [word, lane] after each word; int32, wrapping."""
    products = np.einsum("ti,til->tl", x.astype(np.int64), weights.astype(np.int64))
    sums = np.empty(products.shape, np.int32)
    total = np.zeros(products.shape[1], np.int64)
    for t, restart in enumerate(first):
        total = products[t] + (0 if restart else total)
        sums[t] = total.astype(np.int32)
    return sums
