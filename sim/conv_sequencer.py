# SPDX-License-Identifier: Apache-2.0
"""conv_sequencer against the loop nest in plain Python.

The stages around it are played with their real room: input rows and weight groups arrive only when
what the sequencer has freed makes place for them, and results come back as credits. So a run that
ends shows that the layer cannot deadlock; every word is checked to find its row and its weights.
Layers of all kinds follow each other as in a program: weights of the next one arrive during the
present one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import engine_array, parameters, seeded, stalls, start
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel, Word

CONFIGURATIONS = [
    {"InputLanes": 1, "OutputLanes": 8, "VectorLanes": 8, "WeightWords": 64,
     "LineBufferBeats": 256},
    {"InputLanes": 4, "OutputLanes": 8, "VectorLanes": 16, "WeightWords": 128,
     "LineBufferBeats": 512},
    {"InputLanes": 13, "OutputLanes": 32, "VectorLanes": 8, "WeightWords": 100,
     "LineBufferBeats": 1024},
    {"InputLanes": 26, "OutputLanes": 16, "VectorLanes": 48, "WeightWords": 512,
     "LineBufferBeats": 16384},
]  # fmt: skip
ARRAY = engine_array(parameters(CONFIGURATIONS))
RESULT_DEPTH = 64  # default of ResultDepth
ARRAY_LATENCY = 20  # cycles from a word to its result
COUNTERS = ["issue_o", "stall_input_o", "stall_weights_o", "stall_output_o"]


@dataclass
class Result:
    """What was seen of one layer."""

    words: int = 0
    cycles: int = 0  # from the first word to the last


@dataclass
class Ring:
    """The weight ring since the reset, as the next layer finds it."""

    first_word: int = 0  # of the layer
    units_loaded: int = 0  # of weights of the layer, ahead of its start


class Surroundings:
    """Loaders, result FIFO and checks; one step per cycle."""

    def __init__(
        self,
        dut: Any,
        layer: LayerModel,
        following: LayerModel | None,
        ring: Ring,
        stall: tuple[Iterator[bool], ...],
        burst: int,
    ) -> None:
        self._dut, self._layer, self._words = dut, layer, layer.words()
        self._following, self._first_word = following, ring.first_word
        self._burst = burst  # input rows that can arrive in one cycle
        self._stall_rows, self._stall_units, self._stall_credit = stall
        self._rows_loaded = self._rows_free = self._units_freed = 0
        self._units_loaded = ring.units_loaded
        self._early = 0  # units of the following layer that were loaded
        self._rows_free_next: int | None = None
        self._unit_frees = 0  # of the words seen
        self._results: deque[int] = deque()  # cycles in which slices reach the FIFO
        self._taken = 0  # slices of outputs that were begun and are not yet out of the FIFO
        self._cycle = 0
        self._first_cycle = self._last_word = self._last_output = -1
        self._open = False  # inside an output
        self.result = Result()

    def drive(self) -> None:
        """Inputs of this cycle."""
        dut, layer = self._dut, self._layer
        room = self._rows_free + layer.row_slots - self._rows_loaded
        room = min(room, layer.rows_to_load - self._rows_loaded)
        if room > 0 and not next(self._stall_rows):
            self._rows_loaded += min(room, self._burst)
        loaded = self._unit_fits() and not next(self._stall_units)
        if loaded and self._units_loaded < layer.groups * layer.group_units:
            self._units_loaded += 1
        elif loaded:
            self._early += 1
        ready = bool(self._results) and self._results[0] <= self._cycle
        credit = ready and not next(self._stall_credit)
        if credit:
            self._results.popleft()
            self._taken -= 1
        dut.rows_loaded_i.value = self._rows_loaded % (1 << 18)
        dut.weights_loaded_i.value = int(loaded)
        dut.credit_i.value = int(credit)

    def _unit_fits(self) -> bool:
        """Is there another unit, of this layer or the following one, and room for it?"""
        layer, following = self._layer, self._following
        words = (self._units_loaded - self._units_freed) * layer.unit_words
        if self._units_loaded < layer.groups * layer.group_units:
            words += layer.unit_words
        elif following is not None and self._early < following.groups * following.group_units:
            words += (self._early + 1) * following.unit_words
        else:
            return False
        return words <= layer.array.weight_words

    def check(self) -> None:
        """Outputs of this cycle."""
        dut = self._dut
        if self._rows_free_next is not None:
            self._rows_free, self._rows_free_next = self._rows_free_next, None
        if not self._layer.resident:
            assert dut.rows_free_o.value == self._rows_free % (1 << 18)
        if dut.op_valid_o.value:
            self._check_word(next(self._words))
        else:
            assert not self._open, "a bubble inside an output"
        if dut.weights_free_o.value:
            self._units_freed += 1
            assert self._units_freed <= self._unit_frees
        self._cycle += 1

    def _check_word(self, word: Word) -> None:
        dut, layer = self._dut, self._layer
        assert dut.op_row_valid_o.value == (word.row is not None), word
        if word.row is not None:
            assert dut.op_address_o.value == word.address, word
            loaded = self._rows_loaded
            assert self._rows_free <= word.row < loaded or (layer.resident and word.row < loaded)
        assert dut.op_offset_o.value == word.offset % (1 << 24), word
        weight_word = (self._first_word + word.weight_word) % layer.array.weight_words
        assert dut.op_weight_word_o.value == weight_word, word
        assert dut.op_first_o.value == word.first, word
        assert dut.op_last_o.value == word.last, word
        assert dut.op_digit_o.value == word.digit, word
        assert self._units_freed <= word.unit < self._units_loaded, word
        if word.first:
            self._taken += layer.slices
            assert self._taken <= RESULT_DEPTH, "no room for results"
        if word.last:
            assert self._last_output < 0 or self._cycle - self._last_output >= layer.slices
            self._last_output = self._cycle
            self._results.extend(self._cycle + ARRAY_LATENCY + s for s in range(layer.slices))
        # A kernel row may wait for its own weights, and for nothing else.
        self._open = not word.last and not (layer.by_row and word.unit_last)
        self._rows_free_next = word.rows_free
        self._unit_frees += word.unit_free
        if self._first_cycle < 0:
            self._first_cycle = self._cycle
        self.result.words += 1
        self.result.cycles = self._cycle - self._first_cycle + 1

    def check_end(self) -> Ring:
        """After the last word and some time: nothing is missing. What the next layer finds."""
        assert next(self._words, None) is None, "words are missing"
        assert self._units_freed == self._layer.groups * self._layer.group_units
        assert self._rows_free >= 0
        if not self._layer.resident:
            assert self._rows_free == self._layer.rows_to_load
        assert not self._results
        end = self._first_word + self._layer.groups * self._layer.group_words
        return Ring(end % self._layer.array.weight_words, self._early)


async def begin(dut: Any) -> Ring:
    """Clock and reset."""
    await start(dut, start_i=0, layer_i=0, rows_loaded_i=0, weights_loaded_i=0, credit_i=0)
    return Ring()


async def run(
    dut: Any,
    layer: LayerModel,
    rng: np.random.Generator,
    stall: tuple[float, float, float],
    ring: Ring,
    *,
    following: LayerModel | None = None,
    burst: int = 1,
) -> tuple[Result, Ring]:
    """Run one layer; fails on any difference, and if it does not end."""
    probabilities = tuple(stalls(rng, probability) for probability in stall)
    around = Surroundings(dut, layer, following, ring, probabilities, burst)
    dut.layer_i.value = pack_layer(**layer.fields)
    dut.rows_loaded_i.value = dut.weights_loaded_i.value = dut.credit_i.value = 0
    dut.start_i.value = 1
    await ReadOnly()
    assert not dut.op_valid_o.value
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    counts = dict.fromkeys(COUNTERS, 0)
    done = False
    quiet = 0
    while quiet < 80:  # time for what follows the last word: frees, credits
        around.drive()
        await ReadOnly()
        seen = [name for name in COUNTERS if getattr(dut, name).value]
        assert len(seen) == (0 if done else 1), seen
        for name in seen:
            counts[name] += 1
        around.check()
        progress = bool(dut.op_valid_o.value)
        waiting = sum(counts.values())
        if dut.done_o.value:
            assert not done
            done = True
        quiet = quiet + 1 if done and not around._results and not progress else 0
        assert done or waiting < 2000 + 60 * (layer.outputs * layer.group_words + 99), "hangs"
        await RisingEdge(dut.clk_i)
    assert counts["issue_o"] == around.result.words
    return around.result, around.check_end()


STALLS = [(0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.0, 0.95, 0.0), (0.0, 0.0, 0.8), (0.7, 0.7, 0.5)]


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_layers(dut: Any, stall: tuple[float, float, float]) -> None:
    """Order and values of all words, room of all buffers, many layers in a run."""
    rng = seeded(f"random_layers {stall}")
    ring = await begin(dut)
    layers: list[LayerModel | None] = [draw(rng, ARRAY, 1200) for _ in range(10)]
    early = 0
    for layer, following in pairwise([*layers, None]):
        assert layer is not None
        dut._log.debug("%s", layer)
        _, ring = await run(dut, layer, rng, stall, ring, following=following)
        early += ring.units_loaded
    assert early > 0, "no weights came ahead of its layer"


@cocotb.test()
async def corners(dut: Any) -> None:
    """Loops of one iteration, resident input, skipped rows, outputs in the padding."""
    rng = seeded("corners")
    ring = await begin(dut)
    for layer in edge_layers(ARRAY):
        for stall in STALLS:
            _, ring = await run(dut, layer, rng, stall, ring)


@cocotb.test()
async def counts_wrap(dut: Any) -> None:
    """More rows over all passes than a row count holds."""
    rng = seeded("counts_wrap")
    ring = await begin(dut)
    layer = LayerModel(
        array=ARRAY,
        input_height=2999,
        output_height=2,
        output_channels=90 * ARRAY.output_lanes,  # in as many passes
        row_slots=ARRAY.line_buffer_beats // 2,
    )
    if layer.resident:
        layer = replace(layer, row_slots=500)
    assert layer.rows_to_load > 1 << 18
    await run(dut, layer, rng, (0.0, 0.0, 0.0), ring, burst=layer.row_slots)


@cocotb.test()
async def no_bubbles(dut: Any) -> None:
    """With everything at hand a word leaves in every cycle, over all loops, passes included.

    An output takes as many cycles as it has slices even if it has fewer words.
    """
    rng = seeded("no_bubbles")
    ring = await begin(dut)
    streamed = LayerModel(
        array=ARRAY,
        input_height=24,
        input_width=6,
        input_channels=ARRAY.input_lanes,
        input_pixel_stride=ARRAY.input_lanes,
        output_channels=3 * ARRAY.output_lanes,  # in three passes
        kernel_height=3,
        pad_top=1,
        output_height=24,
        output_width=6,
        row_slots=10,
    )
    wide = [replace(x, row_slots=x.input_height + x.span_height + 8) for x in edge_layers(ARRAY)]
    layers = [streamed, replace(streamed, groups_per_pass=2)]
    layers += [x for x in wide if x.legal and ample(x)]
    while len(layers) < 25:
        layer = draw(rng, ARRAY, 1000)
        layer = replace(layer, row_slots=max(layer.row_slots, layer.input_height))
        if layer.legal and ample(layer):
            layers.append(layer)
    for layer in layers:
        result, ring = await run(dut, layer, rng, (0.0, 0.0, 0.0), ring)
        assert result.words == layer.outputs * layer.group_words
        paced = max(layer.group_words, layer.slices)
        assert result.cycles == (layer.outputs - 1) * paced + layer.group_words, layer


def ample(layer: LayerModel) -> bool:
    """An input that stays, rows and weights that come faster than needed: one per cycle here."""
    groups = min(len(layer.pass_groups(number)) for number in range(layer.passes))
    row_cycles = layer.output_width * groups * max(layer.group_words, layer.slices)
    fits = layer.groups * layer.group_words <= layer.array.weight_words
    return layer.resident and layer.stride_height <= row_cycles and fits


@cocotb.test()
async def reset(dut: Any) -> None:
    """A reset in the middle of a layer leaves nothing behind."""
    rng = seeded("reset")
    await begin(dut)
    layer = replace(edge_layers(ARRAY)[2], output_channels=3 * ARRAY.output_lanes)
    for delay in rng.integers(5, 60, 10):
        dut.layer_i.value = pack_layer(**layer.fields)
        dut.rows_loaded_i.value = layer.rows_to_load
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        for cycle in range(int(delay)):
            dut.weights_loaded_i.value = int(cycle < layer.groups)
            await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 0
        dut.rows_loaded_i.value = dut.weights_loaded_i.value = 0
        await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        for _ in range(30):
            await ReadOnly()
            assert not dut.op_valid_o.value
            assert not dut.weights_free_o.value
            assert dut.rows_free_o.value == 0
            assert not any(getattr(dut, name).value for name in COUNTERS)
            await RisingEdge(dut.clk_i)
        await run(dut, layer, rng, (0.0, 0.0, 0.0), Ring())
