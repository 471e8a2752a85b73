# SPDX-License-Identifier: Apache-2.0
"""Estimates the cycles of a tile, to choose between tilings; the engine measures the real ones."""

from __future__ import annotations

from lineconv.packing import PARAMETER, ceil_div
from lineconv.presets import Array
from lineconv.tile import Tile

__all__ = ["tile_cycles"]

_RUN_BEATS = 3  # what a short write burst costs beside its data
_START_CYCLES = 400  # fetch and check of a descriptor, filling and draining of the pipeline


def tile_cycles(tile: Tile, array: Array) -> int:
    """Clock cycles from the fetch of the descriptor to its last write."""
    word_beats = array.num_slices * array.input_lanes
    groups = ceil_div(tile.output_channels, array.output_lanes)
    passes = ceil_div(groups, tile.groups_per_pass)
    pass_words = tile.groups_per_pass * tile.group_words
    pixels = len(tile.out_rows) * tile.output_width
    row_beats = tile.row_beats(array.beat_bytes)

    input_beats = len(tile.in_rows) * row_beats
    parameter_beats = array.output_lanes * PARAMETER.itemsize // array.beat_bytes
    weight_beats = groups * (parameter_beats + tile.group_words * word_beats)
    if passes == 1:
        row_bytes = tile.output_width * tile.pixel_bytes
        output_beats = len(tile.out_rows) * ceil_div(row_bytes, array.beat_bytes)
    else:
        run_bytes = ceil_div(tile.pixel_bytes, passes)
        output_beats = pixels * passes * (ceil_div(run_bytes, array.beat_bytes) + _RUN_BEATS)

    # A group gives at most one slice of results per cycle.
    mac_cycles = pixels * groups * max(tile.group_words, array.num_slices)
    # What must be there before the first pixel, and what cannot be loaded behind a pass because
    # the weight buffer has no room for two.
    first = max(pass_words * word_beats, tile.span_rows * row_beats)
    exposed = (passes - 1) * max(0, 2 * pass_words - array.weight_words) * word_beats
    # Every pass computes behind its memory traffic, or the other way round; the later ones find
    # the input in the line buffer if it all fits.
    resident = tile.row_slots >= len(tile.in_rows)
    other_beats = ceil_div(weight_beats + output_beats, passes)
    pass_cycles = ceil_div(mac_cycles, passes)
    first_pass = max(pass_cycles, input_beats + other_beats)
    later_pass = max(pass_cycles, (0 if resident else input_beats) + other_beats)
    return _START_CYCLES + first + exposed + first_pass + (passes - 1) * later_pass
