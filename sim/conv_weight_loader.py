# SPDX-License-Identifier: Apache-2.0
"""conv_weight_loader between a memory with latency and consumers that free words and parameters.

Many layers follow each other without a pause. What the module writes is put into models of the two
rings, in which every group must be whole when it is counted and must stay until it is freed.
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
    {"InputLanes": 1, "OutputLanes": 8, "WeightWords": 16},
    {"InputLanes": 4, "OutputLanes": 8, "WeightWords": 128},
    {"InputLanes": 13, "OutputLanes": 32, "WeightWords": 20},
    {"InputLanes": 26, "OutputLanes": 16, "WeightWords": 64},
    {"InputLanes": 5, "OutputLanes": 32, "WeightWords": 20, "BeatBytes": 16},
]
_PARAMETERS = parameters(CONFIGURATIONS)
ARRAY = engine_array({**_PARAMETERS, "LineBufferBeats": 512})
PARAMETER_BEATS = ARRAY.output_lanes * 8 // BEAT_BYTES  # of a group
GROUPS = ARRAY.weight_words // ARRAY.num_slices  # of the parameter ring
COLUMNS = ARRAY.num_slices * ARRAY.input_lanes
STALLS = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.9), (0.0, 0.0, 0.98), (0.9, 0.3, 0.5)]
INPUTS = ["layer_valid_i", "layer_i", "req_ready_i", "data_valid_i", "data_i", "data_last_i"]
INPUTS += ["group_free_i", "free_words_i", "parameter_free_i"]


def memory(address: int) -> int:
    """Content of a beat of memory."""
    return (address * 0x9E3779B97F4A7C15F39CC0605CEDC835 ^ address >> 3) % (1 << 8 * BEAT_BYTES)


@dataclass(frozen=True)
class Group:
    """A group of a run: where it lies in memory and in the rings."""

    index: int  # in the run, over all layers
    address: int
    beats: int
    words: int
    first_word: int  # in the ring


def groups(layers: list[LayerModel]) -> list[Group]:
    """All groups of a run; each follows the one before in the rings."""
    out: list[Group] = []
    first_word = 0
    for layer in layers:
        for number in range(layer.groups):
            address = layer.weights_address + BEAT_BYTES * number * layer.group_beats
            group = Group(len(out), address, layer.group_beats, layer.group_words, first_word)
            out.append(group)
            first_word = (first_word + group.words) % ARRAY.weight_words
    return out


class Rings:
    """What the writes have put into the rings; a place must be empty when it is written."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, int], int] = {}
        self._parameters: dict[tuple[int, int], int] = {}

    def write(self, dut: Any) -> None:
        column, data = int(dut.wr_column_o.value), int(dut.wr_data_o.value)
        if dut.wr_is_parameter_o.value:
            place = (int(dut.wr_group_o.value), column)
            assert column < PARAMETER_BEATS
            assert place not in self._parameters, "overwrites parameters in use"
            self._parameters[place] = data
        else:
            place = (int(dut.wr_word_o.value), column)
            assert place not in self._words, "overwrites weights in use"
            self._words[place] = data

    def check(self, group: Group) -> None:
        """All of a group is there, as it is in memory."""
        for beat in range(PARAMETER_BEATS):
            data = memory(group.address + BEAT_BYTES * beat)
            assert self._parameters[group.index % GROUPS, beat] == data
        for index, place in enumerate(self._places(group)):
            data = memory(group.address + BEAT_BYTES * (PARAMETER_BEATS + index))
            assert self._words[place] == data

    def free_words(self, group: Group) -> None:
        for place in self._places(group):
            del self._words[place]

    def free_parameters(self, group: Group) -> None:
        for beat in range(PARAMETER_BEATS):
            del self._parameters[group.index % GROUPS, beat]

    @property
    def empty(self) -> bool:
        return not self._words and not self._parameters

    @staticmethod
    def _places(group: Group) -> list[tuple[int, int]]:
        return [
            ((group.first_word + word) % ARRAY.weight_words, column)
            for word in range(group.words)
            for column in range(COLUMNS)
        ]


async def run(
    dut: Any,
    layers: list[LayerModel],
    rng: np.random.Generator,
    stall: tuple[float, float, float],
) -> int:
    """Load layers one behind the other, and free their groups again.

    Returns:
        the most groups that were asked for before the array had finished the layer before.
    """
    stall_request, stall_data, stall_free = (stalls(rng, probability) for probability in stall)
    rings, expected = Rings(), groups(layers)
    ends = np.cumsum([layer.groups for layer in layers])
    beats: deque[tuple[int, int, bool]] = deque()  # (cycle from which on, data, last) of the memory
    taken = requested = loaded = words_freed = parameters_freed = early = 0
    for cycle in count():
        assert cycle < 400_000, f"hangs: {layers}"
        offer = taken < len(layers) and rng.random() < 0.5
        dut.layer_valid_i.value = int(offer)
        # A layer is there with its valid only.
        dut.layer_i.value = pack_layer(**layers[taken].fields) if offer else 0
        ready = not next(stall_request)
        dut.req_ready_i.value = int(ready)
        valid = bool(beats) and beats[0][0] <= cycle and not next(stall_data)
        _, data, last = beats.popleft() if valid else (0, int(rng.integers(1 << 62)), True)
        dut.data_valid_i.value, dut.data_i.value, dut.data_last_i.value = int(valid), data, last
        free_words = words_freed < loaded and not next(stall_free)
        free_parameters = parameters_freed < words_freed and not next(stall_free)
        dut.group_free_i.value, dut.parameter_free_i.value = int(free_words), int(free_parameters)
        dut.free_words_i.value = 0
        if free_words:
            dut.free_words_i.value = expected[words_freed].words
            rings.free_words(expected[words_freed])
            words_freed += 1
        if free_parameters:
            rings.free_parameters(expected[parameters_freed])
            parameters_freed += 1
        await ReadOnly()
        if dut.req_valid_o.value and ready:
            group = expected[requested]
            assert requested < ends[taken - 1], "asks before it has the layer"
            assert int(dut.req_address_o.value) == group.address
            assert int(dut.req_beats_o.value) == group.beats
            when = cycle + int(rng.integers(1, 30))
            beats.extend(
                (when, memory(group.address + BEAT_BYTES * i), i == group.beats - 1)
                for i in range(group.beats)
            )
            requested += 1
            held = expected[words_freed:requested]
            assert sum(group.words for group in held) <= ARRAY.weight_words
            assert requested - parameters_freed <= GROUPS
            finished = np.searchsorted(ends, words_freed, side="right")
            early = max(early, requested - int(ends[finished]) if finished < len(ends) else 0)
        if dut.wr_valid_o.value:
            rings.write(dut)
        if dut.group_loaded_o.value:
            rings.check(expected[loaded])
            loaded += 1
        taken += int(offer and dut.layer_ready_o.value)
        if parameters_freed == len(expected):
            break
        await RisingEdge(dut.clk_i)
    assert taken == len(layers)
    assert rings.empty
    await RisingEdge(dut.clk_i)
    dut.group_free_i.value = dut.parameter_free_i.value = 0
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
    layers.append(
        LayerModel(array=ARRAY, output_channels=(2 * GROUPS + 3) * ARRAY.output_lanes)
    )  # the ring of parameters is full first
    early = await run(dut, layers, rng, stall)
    assert early > 0, "no group was asked for ahead of its layer"
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
        for _ in range(int(length)):
            dut.data_valid_i.value = int(rng.integers(2))
            dut.data_last_i.value = 0
            await RisingEdge(dut.clk_i)
        dut.layer_valid_i.value = dut.data_valid_i.value = 0
        await reset(dut)
        await run(dut, layers, rng, (0.0, 0.0, 0.0))
