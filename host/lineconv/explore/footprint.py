# SPDX-License-Identifier: Apache-2.0
"""DSP slices and RAM blocks of an array, from the structure of the RTL.

What synthesis made of the presets is in docs/performance.md; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from lineconv.packing import PARAMETER, ceil_div
from lineconv.presets import Array

__all__ = ["Footprint", "footprint"]

# Shapes (bits, words) of a block RAM with one read and one write port; half a one: RAMB18.
_RAMB36 = ((72, 512), (36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16384), (1, 32768))
_RAMB18 = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
_URAM = (72, 4096)


@dataclass(frozen=True)
class Footprint:
    """Resources of an engine.

    Attributes:
        dsps: DSP slices.
        bram36: block RAMs of 36 Kb; a half is one of 18 Kb.
        urams: UltraRAMs of 288 Kb.
    """

    dsps: int
    bram36: float
    urams: int


def footprint(array: Array, *, ultra: bool) -> Footprint:
    """The resources of an array; with `ultra`, input rows and parameters are in UltraRAM."""
    beat_bits = 8 * array.beat_bytes
    columns = array.num_slices * array.input_lanes
    columns += array.vector_slices  # of the vector unit, which has RAMs of its own
    weights = columns * _block_rams(beat_bits, array.weight_words)

    # conv_line_buffer: a power of two of banks, for the beats that a word of input bytes meets.
    read_lanes = max(array.input_lanes, array.vector_lanes)
    span = (read_lanes + 2 * array.beat_bytes - 2) // array.beat_bytes
    banks = 1 << max(1, (span - 1).bit_length())
    bank_words = array.line_buffer_beats // banks

    # conv_parameter_buffer: biases and multipliers of a slice, apart, in a RAM per beat of both.
    rams = 2 * PARAMETER.itemsize  # a slice has as many channels as a beat has bytes
    entries = array.parameter_groups * array.num_slices

    # Two products per DSP in the array; one DSP per lane of a slice in conv_requantize.
    dsps = array.input_lanes * array.output_lanes // 2 + array.beat_bytes
    if ultra:
        urams = banks * _ultra_rams(beat_bits, bank_words)
        urams += rams * _ultra_rams(beat_bits // 2, entries)
        return Footprint(dsps, weights, urams)
    lines = banks * _block_rams(beat_bits, bank_words)
    parameters = rams * _block_rams(beat_bits // 2, entries)
    return Footprint(dsps, weights + lines + parameters, 0)


def _block_rams(bits: int, words: int) -> float:
    """RAMB36 of a memory, in the shape that takes fewest."""
    whole = min(ceil_div(bits, width) * ceil_div(words, depth) for width, depth in _RAMB36)
    half = min(ceil_div(bits, width) * ceil_div(words, depth) for width, depth in _RAMB18)
    return min(whole, half / 2)


def _ultra_rams(bits: int, words: int) -> int:
    return ceil_div(bits, _URAM[0]) * ceil_div(words, _URAM[1])
