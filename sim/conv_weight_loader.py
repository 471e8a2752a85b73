# SPDX-License-Identifier: Apache-2.0
"""conv_weight_loader between a memory with latency and consumers that free words and parameters.

What it writes is put into models of the two rings, in which every group must be whole when it is
counted and must stay until it is freed.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, engine_array, parameters, seeded, stalls, start
from layer import pack_layer
from layer_model import LayerModel, draw, edge_layers

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
INPUTS = ["start_i", "layer_i", "req_ready_i", "data_valid_i", "data_i"]
INPUTS += ["group_free_i", "parameter_free_i"]


def memory(address: int) -> int:
    """Content of a beat of memory."""
    return (address * 0x9E3779B97F4A7C15F39CC0605CEDC835 ^ address >> 3) % (1 << 8 * BEAT_BYTES)


class Rings:
    """What the writes have put into the rings; a place must be empty when it is written."""

    def __init__(self, layer: LayerModel) -> None:
        self._layer = layer
        self._words: dict[tuple[int, int], int] = {}
        self._parameters: dict[tuple[int, int], int] = {}

    def write(self, dut: Any) -> None:
        column, data = int(dut.wr_column_o.value), int(dut.wr_data_o.value)
        if dut.wr_is_parameter_o.value:
            assert self._parameters.setdefault((int(dut.wr_group_o.value), column), data) == data
            assert column < PARAMETER_BEATS
        else:
            place = (int(dut.wr_word_o.value), column)
            assert place not in self._words, "overwrites what is in use"
            self._words[place] = data

    def _stream(self, group: int) -> int:
        return self._layer.weights_address + BEAT_BYTES * group * self._layer.group_beats

    def check(self, group: int) -> None:
        """All of a group is there, as it is in memory."""
        address = self._stream(group)
        for beat in range(PARAMETER_BEATS):
            assert self._parameters[group % GROUPS, beat] == memory(address + BEAT_BYTES * beat)
        address += BEAT_BYTES * PARAMETER_BEATS
        for index in range(self._layer.group_words * COLUMNS):
            word = (group * self._layer.group_words + index // COLUMNS) % ARRAY.weight_words
            assert self._words[word, index % COLUMNS] == memory(address + BEAT_BYTES * index)

    def free_words(self, group: int) -> None:
        for index in range(self._layer.group_words * COLUMNS):
            word = (group * self._layer.group_words + index // COLUMNS) % ARRAY.weight_words
            del self._words[word, index % COLUMNS]

    def free_parameters(self, group: int) -> None:
        for beat in range(PARAMETER_BEATS):
            del self._parameters[group % GROUPS, beat]

    @property
    def empty(self) -> bool:
        return not self._words and not self._parameters


async def run(
    dut: Any, layer: LayerModel, rng: np.random.Generator, stall: tuple[float, float, float]
) -> None:
    """Load one layer, and free it again."""
    stall_request, stall_data, stall_free = (stalls(rng, probability) for probability in stall)
    rings = Rings(layer)
    beats: deque[tuple[int, int]] = deque()  # (cycle from which on, data) of the memory
    requested = loaded = words_freed = parameters_freed = 0
    done = False
    dut.layer_i.value = pack_layer(**layer.fields)
    dut.data_valid_i.value = dut.req_ready_i.value = 0
    dut.group_free_i.value = dut.parameter_free_i.value = 0
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    for cycle in range(400_000):
        ready = not next(stall_request)
        dut.req_ready_i.value = int(ready)
        valid = bool(beats) and beats[0][0] <= cycle and not next(stall_data)
        dut.data_valid_i.value = int(valid)
        dut.data_i.value = beats.popleft()[1] if valid else int(rng.integers(1 << 62))
        free_words = words_freed < loaded and not next(stall_free)
        free_parameters = parameters_freed < words_freed and not next(stall_free)
        dut.group_free_i.value, dut.parameter_free_i.value = int(free_words), int(free_parameters)
        if free_words:
            rings.free_words(words_freed)
            words_freed += 1
        if free_parameters:
            rings.free_parameters(parameters_freed)
            parameters_freed += 1
        await ReadOnly()
        if dut.req_valid_o.value and ready:
            assert requested < layer.groups
            address = layer.weights_address + BEAT_BYTES * requested * layer.group_beats
            assert dut.req_address_o.value == address
            assert dut.req_beats_o.value == layer.group_beats
            when = cycle + int(rng.integers(1, 30))
            beats.extend((when, memory(address + BEAT_BYTES * i)) for i in range(layer.group_beats))
            requested += 1
            assert (requested - words_freed) * layer.group_words <= ARRAY.weight_words
            assert requested - parameters_freed <= GROUPS
        if dut.wr_valid_o.value:
            rings.write(dut)
        if dut.groups_loaded_o.value != loaded:
            assert dut.groups_loaded_o.value == loaded + 1
            rings.check(loaded)
            loaded += 1
        if dut.done_o.value:
            assert not done
            assert loaded == layer.groups
            done = True
        if done and parameters_freed == layer.groups:
            break
        await RisingEdge(dut.clk_i)
    assert done, f"hangs: {layer}"
    assert rings.empty
    await RisingEdge(dut.clk_i)
    dut.group_free_i.value = dut.parameter_free_i.value = 0


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_layers(dut: Any, stall: tuple[float, float, float]) -> None:
    """Requests, places and counts of one layer after the other, with both rings going around."""
    rng = seeded(f"random_layers {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    layers = [layer for layer in edge_layers(ARRAY) if layer.legal]
    layers += [draw(rng, ARRAY, 5000) for _ in range(8)]
    layers.append(
        LayerModel(array=ARRAY, output_channels=(2 * GROUPS + 3) * ARRAY.output_lanes)
    )  # the ring of parameters is full first
    for layer in layers:
        await run(dut, layer, rng, stall)
