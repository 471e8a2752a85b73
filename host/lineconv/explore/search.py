# SPDX-License-Identifier: Apache-2.0
"""Finds the arrays that run networks fastest within the limits of a board."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from statistics import geometric_mean
from typing import TypeAlias

from lineconv.boards import Board
from lineconv.cycle_model import predict_program
from lineconv.explore.footprint import Footprint, footprint
from lineconv.networks import Network, NetworkLayer
from lineconv.presets import MAX_INPUT_LANES, Array
from lineconv.tile import Tile
from lineconv.tiling import tile_layer, tile_reader

__all__ = ["Candidate", "arrays", "evaluate", "explore"]

Arrays: TypeAlias = tuple[Array, ...]

_MAX_OUTPUT_LANES = 128
_VECTOR_BEATS = 6  # of a vector word: the vector unit is in logic, which is not searched
_WEIGHT_WORDS = (256, 512, 1024, 2048)  # depths of block RAMs, and half of the smallest one
_LINE_BUFFER_KB = (32, 64, 128, 256, 512)
_NEARLY = 1.005  # cycles that may be given for less RAM


@dataclass(frozen=True)
class Candidate:
    """An array for a board.

    Attributes:
        cycles: of each network, predicted.
    """

    array: Array
    footprint: Footprint
    cycles: tuple[int, ...]

    @property
    def mean_cycles(self) -> float:
        """Geometric mean over the networks: a network counts as much as another."""
        return geometric_mean(self.cycles)


def explore(
    board: Board,
    networks: Sequence[Network],
    count: int,
    progress: Callable[[Iterable[Arrays]], Iterable[Arrays]] = iter,
) -> list[Candidate]:
    """The best shapes of the array, fastest first, each with the smallest buffers that do.

    Args:
        count: how many.
        progress: wraps the shapes that are worked on.
    """
    best: list[Candidate] = []
    macs = geometric_mean([network.macs for network in networks])
    for group in progress(arrays(board)):
        # No array is faster than its MACs; what follows has no more of them.
        if len(best) == count and macs / group[0].macs_per_cycle > best[-1].mean_cycles:
            continue
        found = [evaluate(array, board, networks) for array in group]
        fastest = min(candidate.mean_cycles for candidate in found)
        found = [entry for entry in found if entry.mean_cycles <= _NEARLY * fastest]
        best.append(min(found, key=lambda entry: (entry.footprint.bram36, entry.footprint.urams)))
        best.sort(key=lambda entry: entry.mean_cycles)
        del best[count:]
    return best


def evaluate(array: Array, board: Board, networks: Sequence[Network]) -> Candidate:
    """Predict the networks on an array."""
    cycles = []
    for network in networks:
        tiles = [tile for layer in network.layers for tile in _tiles(layer, array, board)]
        cycles.append(predict_program(tiles, array, board.memory).cycles)
    return Candidate(array, footprint(array, ultra=board.urams > 0), tuple(cycles))


def _tiles(layer: NetworkLayer, array: Array, board: Board) -> tuple[Tile, ...]:
    """Those of a layer that reads another in memory, if it does and should."""
    reader = None if layer.reads is None else tile_reader(layer.conv, array, board.memory)
    return (reader or tile_layer(layer.conv, array, board.memory)).tiles


def arrays(board: Board) -> list[Arrays]:
    """Arrays that fill a board, those with the same lanes together, most MACs first.

    Of arrays that differ in input lanes only, the widest one: the others do less per cycle.
    """
    ultra = board.urams > 0
    by_lanes: dict[tuple[int, int], list[Array]] = defaultdict(list)
    for output_lanes, weight_words, kilobytes in product(
        range(board.beat_bytes, _MAX_OUTPUT_LANES + 1, board.beat_bytes),
        _WEIGHT_WORDS,
        _LINE_BUFFER_KB,
    ):
        beats = kilobytes * 1024 // board.beat_bytes
        for input_lanes in range(MAX_INPUT_LANES, 0, -1):
            array = Array(
                input_lanes,
                output_lanes,
                _VECTOR_BEATS * board.beat_bytes,
                weight_words,
                beats,
                board.beat_bytes,
            )
            cost = footprint(array, ultra=ultra)
            if (
                cost.dsps <= board.dsps
                and cost.bram36 <= board.bram36
                and cost.urams <= board.urams
            ):
                by_lanes[input_lanes, output_lanes].append(array)
                break
    return [tuple(by_lanes[lanes]) for lanes in sorted(by_lanes, key=prod, reverse=True)]
