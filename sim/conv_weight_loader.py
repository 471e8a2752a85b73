# SPDX-License-Identifier: Apache-2.0
"""conv_weight_loader between a memory with latency and consumers that free words and parameters.

Many layers of all kinds follow each other without a pause. What the module writes is put into
models of the two rings and of a table, in which every unit must be whole when it is counted and
must stay until it is freed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, engine_array, parameters, seeded, stalls, start
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel

CONFIGURATIONS = [
    {"InputLanes": 1, "OutputLanes": 8, "VectorLanes": 8, "WeightWords": 16},
    {"InputLanes": 4, "OutputLanes": 8, "VectorLanes": 16, "WeightWords": 128},
    {"InputLanes": 13, "OutputLanes": 32, "VectorLanes": 8, "WeightWords": 20},
    {"InputLanes": 26, "OutputLanes": 16, "VectorLanes": 48, "WeightWords": 64},
    {"InputLanes": 5, "OutputLanes": 32, "VectorLanes": 80, "WeightWords": 20, "BeatBytes": 16},
]
_PARAMETERS = parameters(CONFIGURATIONS)
ARRAY = engine_array({**_PARAMETERS, "LineBufferBeats": 512})
SLICE_BEATS = 8  # of the parameters of a slice
TABLE_BEATS = 256 // BEAT_BYTES
KINDS = ["table", "parameter", "word"]
STALLS = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.9), (0.0, 0.0, 0.98), (0.9, 0.3, 0.5)]
INPUTS = ["layer_valid_i", "layer_i", "req_ready_i", "data_valid_i", "data_i", "data_last_i"]
INPUTS += ["weights_free_i", "free_words_i", "parameter_free_i"]


def memory(address: int) -> int:
    """Content of a beat of memory."""
    return (address * 0x9E3779B97F4A7C15F39CC0605CEDC835 ^ address >> 3) % (1 << 8 * BEAT_BYTES)


@dataclass(frozen=True)
class Unit:
    """What one request brings: words that are held together, and what lies before them."""

    address: int
    beats: int  # of the request
    table: bool
    slices: range  # whose parameters it has, over all layers
    words: range  # likewise; places in the rings are these numbers modulo WeightWords
    word_beats: int


def units(layers: list[LayerModel]) -> list[Unit]:
    """All units of a run; each follows the one before in the rings."""
    out: list[Unit] = []
    word = slice_ = 0
    for layer in layers:
        address = layer.weights_address
        for number in range(layer.groups * layer.group_units):
            table = layer.table and number == 0
            slices = 0 if number % layer.group_units else layer.slices
            beats = table * TABLE_BEATS + slices * SLICE_BEATS
            beats += layer.unit_words * layer.word_beats
            words = range(word, word + layer.unit_words)
            of_slices = range(slice_, slice_ + slices)
            out.append(Unit(address, beats, table, of_slices, words, layer.word_beats))
            word, slice_ = words.stop, of_slices.stop
            address += BEAT_BYTES * beats
    return out


class Buffers:
    """What the writes have put there; a place must be empty when it is written."""

    def __init__(self) -> None:
        self._content: dict[tuple[str, int, int], int] = {}  # kind, place in the ring, beat

    def write(self, dut: Any) -> None:
        kind = KINDS[int(dut.wr_kind_o.value)]
        ring = {"word": dut.wr_word_o, "parameter": dut.wr_slice_o}
        index = int(ring[kind].value) if kind in ring else 0
        place = (kind, index, int(dut.wr_column_o.value))
        assert place not in self._content, f"overwrites {place}, which is in use"
        self._content[place] = int(dut.wr_data_o.value)

    def check(self, unit: Unit) -> None:
        """All of a unit is there, as it is in memory; the table leaves."""
        places = [("table", 0, beat) for beat in range(unit.table * TABLE_BEATS)]
        places += self._parameters(unit.slices) + self._words(unit)
        assert len(places) == unit.beats
        for beat, place in enumerate(places):
            assert self._content[place] == memory(unit.address + BEAT_BYTES * beat), place
        for beat in range(unit.table * TABLE_BEATS):
            del self._content["table", 0, beat]

    def free_words(self, unit: Unit) -> None:
        for place in self._words(unit):
            del self._content[place]

    def free_parameters(self, slice_: int) -> None:
        for place in self._parameters(range(slice_, slice_ + 1)):
            del self._content[place]

    @property
    def empty(self) -> bool:
        return not self._content

    @staticmethod
    def _words(unit: Unit) -> list[tuple[str, int, int]]:
        beats = range(unit.word_beats)
        return [("word", n % ARRAY.weight_words, beat) for n in unit.words for beat in beats]

    @staticmethod
    def _parameters(slices: range) -> list[tuple[str, int, int]]:
        beats = range(SLICE_BEATS)
        return [("parameter", n % ARRAY.weight_words, beat) for n in slices for beat in beats]


async def run(
    dut: Any,
    layers: list[LayerModel],
    rng: np.random.Generator,
    stall: tuple[float, float, float],
) -> int:
    """Load layers one behind the other, and free their weights again.

    Returns:
        the most units that were asked for before the array had finished the layer before.
    """
    stall_request, stall_data, stall_free = (stalls(rng, probability) for probability in stall)
    buffers, expected = Buffers(), units(layers)
    ends = np.cumsum([layer.groups * layer.group_units for layer in layers])
    beats: deque[tuple[int, int, bool]] = deque()  # (cycle from which on, data, last) of the memory
    taken = requested = loaded = words_freed = slices_freed = early = 0
    for cycle in count():
        assert cycle < 400_000, f"hangs: {layers}"
        # The layer after the next has to wait, as in a program: its table needs a place.
        running = int(np.searchsorted(ends, words_freed, side="right"))
        offer = taken < min(len(layers), running + 2) and rng.random() < 0.5
        dut.layer_valid_i.value = int(offer)
        # A layer is there with its valid only.
        dut.layer_i.value = pack_layer(**layers[taken].fields) if offer else 0
        ready = not next(stall_request)
        dut.req_ready_i.value = int(ready)
        valid = bool(beats) and beats[0][0] <= cycle and not next(stall_data)
        _, data, last = beats.popleft() if valid else (0, int(rng.integers(1 << 62)), True)
        dut.data_valid_i.value, dut.data_i.value, dut.data_last_i.value = int(valid), data, last
        free_words = words_freed < loaded and not next(stall_free)
        # Parameters are used after the words, slice by slice.
        used = expected[words_freed - 1].slices.stop if words_freed else 0
        free_parameters = slices_freed < used and not next(stall_free)
        dut.weights_free_i.value, dut.parameter_free_i.value = int(free_words), int(free_parameters)
        dut.free_words_i.value = 0
        if free_words:
            dut.free_words_i.value = len(expected[words_freed].words)
            buffers.free_words(expected[words_freed])
            words_freed += 1
        if free_parameters:
            buffers.free_parameters(slices_freed)
            slices_freed += 1
        await ReadOnly()
        if dut.req_valid_o.value and ready:
            unit = expected[requested]
            assert requested < ends[taken - 1], "asks before it has the layer"
            assert int(dut.req_address_o.value) == unit.address
            assert int(dut.req_beats_o.value) == unit.beats
            when = cycle + int(rng.integers(1, 30))
            beats.extend(
                (when, memory(unit.address + BEAT_BYTES * i), i == unit.beats - 1)
                for i in range(unit.beats)
            )
            requested += 1
            held = expected[words_freed:requested]
            assert sum(len(held_unit.words) for held_unit in held) <= ARRAY.weight_words
            assert unit.slices.stop - slices_freed <= ARRAY.parameter_slices
            early = max(early, requested - int(ends[running]) if running < len(ends) else 0)
        if dut.wr_valid_o.value:
            buffers.write(dut)
        if dut.weights_loaded_o.value:
            buffers.check(expected[loaded])
            loaded += 1
        taken += int(offer and dut.layer_ready_o.value)
        if words_freed == len(expected) and slices_freed == expected[-1].slices.stop:
            break
        await RisingEdge(dut.clk_i)
    assert taken == len(layers)
    assert buffers.empty
    await RisingEdge(dut.clk_i)
    dut.weights_free_i.value = dut.parameter_free_i.value = 0
    return early


async def reset(dut: Any) -> None:
    """What a run begins with: the rings start anew."""
    dut.rst_ni.value = 0
    await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_layers(dut: Any, stall: tuple[float, float, float]) -> None:
    """Requests, places and counts of runs of many layers, with both rings going around."""
    rng = seeded(f"random_layers {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    layers = [layer for layer in edge_layers(ARRAY) if layer.legal]
    layers += [draw(rng, ARRAY, 5000) for _ in range(8)]
    # The ring of parameters is full first; then both ends of it are used by one group.
    groups = ARRAY.parameter_groups
    layers.append(LayerModel(array=ARRAY, output_channels=(2 * groups + 3) * ARRAY.output_lanes))
    early = await run(dut, layers, rng, stall)
    assert early > 0, "nothing was asked for ahead of its layer"
    for _ in range(3):
        await reset(dut)
        order = [layers[index] for index in rng.permutation(len(layers))[:4]]
        await run(dut, order, rng, stall)


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """Nothing of a run that was reset is left."""
    rng = seeded("reset_in_the_middle")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    layers = [draw(rng, ARRAY, 2000) for _ in range(3)]
    for length in rng.integers(1, 60, 10):
        dut.layer_valid_i.value, dut.req_ready_i.value = 1, 1
        dut.layer_i.value = pack_layer(**layers[0].fields)
        owed = 0  # beats that were asked for, without the last of each request
        for _ in range(int(length)):
            valid = owed > 0 and bool(rng.integers(2))
            owed -= valid
            dut.data_valid_i.value, dut.data_last_i.value = int(valid), 0
            await ReadOnly()
            if dut.req_valid_o.value and owed == 0:
                owed = int(dut.req_beats_o.value) - 1
            await RisingEdge(dut.clk_i)
        dut.layer_valid_i.value = dut.data_valid_i.value = 0
        await reset(dut)
        await run(dut, layers, rng, (0.0, 0.0, 0.0))
