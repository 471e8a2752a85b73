# SPDX-License-Identifier: Apache-2.0
"""conv_compute: layers of all kinds in turn, the weights of the next one written meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge

from bench import BEAT_BYTES, Sink, parameters, seeded, stalls, start
from layer import pack_layer
from lineconv.regs import Kind
from mac import KINDS, Int8, draw

CONFIGURATIONS = [
    {"InputLanes": 4, "OutputLanes": 16, "VectorLanes": 24, "WeightWords": 64, "ResultDepth": 8},
    {"InputLanes": 26, "OutputLanes": 8, "VectorLanes": 8, "WeightWords": 50, "ResultDepth": 64},
    {"InputLanes": 2, "OutputLanes": 16, "VectorLanes": 96, "WeightWords": 32, "BeatBytes": 16},
]
PARAMETERS = parameters(CONFIGURATIONS)
INPUT_LANES, OUTPUT_LANES = PARAMETERS["InputLanes"], PARAMETERS["OutputLanes"]
VECTOR_LANES, WORDS = PARAMETERS["VectorLanes"], PARAMETERS["WeightWords"]
READ_LANES = max(INPUT_LANES, VECTOR_LANES)
DEPTH = PARAMETERS.get("ResultDepth", 64)
INPUTS = ["layer_i", "wr_valid_i", "wr_word_i", "wr_column_i", "wr_data_i", "result_ready_i"]
INPUTS += ["x_i", "weight_word_i", "digit_i", "first_i", "last_i"]


@dataclass
class Layer:
    """A kind and its weights, (words, input lanes, output lanes) or (words, vector lanes)."""

    kind: Kind
    weights: Int8
    first_word: int  # place in the ring

    @property
    def slices(self) -> int:
        return self.weights.shape[-1] // BEAT_BYTES

    @property
    def beats(self) -> npt.NDArray[np.int8]:
        """(word, column, byte), as the weight loader writes them."""
        words = len(self.weights)
        if self.kind is Kind.CONV:
            split = self.weights.reshape(words, INPUT_LANES, self.slices, BEAT_BYTES)
            return split.transpose(0, 2, 1, 3).reshape(words, -1, BEAT_BYTES)
        return self.weights.reshape(words, self.slices, BEAT_BYTES)

    def accumulate(self, total: Any, x: Int8, word: int, digit: int, first: bool) -> Any:
        wide, weights = x.astype(np.int64), self.weights[word].astype(np.int64)
        if self.kind is Kind.CONV:
            terms = wide[:INPUT_LANES] @ weights
        else:
            terms = wide[:VECTOR_LANES] * weights << 8 * digit
        if first:
            return terms
        return np.maximum(total, terms) if self.kind is Kind.MAX_POOL else total + terms


def draw_layers(rng: np.random.Generator, count: int) -> list[Layer]:
    """At most half of the ring each, so that two of them fit."""
    layers, place = [], 0
    kinds = list(Kind)
    for number in range(count):
        kind = kinds[number % len(kinds)] if number < len(kinds) else kinds[rng.integers(4)]
        words = int(rng.integers(1, WORDS // 2 + 1))
        shape = (INPUT_LANES, OUTPUT_LANES) if kind is Kind.CONV else (VECTOR_LANES,)
        layers.append(Layer(kind, draw(rng, rng.choice(KINDS[:2]), (words, *shape)), place))
        place = (place + words) % WORDS
    return layers


async def write(dut: Any, layer: Layer, pause: Any) -> None:
    """Write all weights of a layer, with gaps."""
    for word, columns in enumerate(layer.beats):
        for column, data in enumerate(columns):
            while next(pause):
                await RisingEdge(dut.clk_i)
            dut.wr_valid_i.value, dut.wr_column_i.value = 1, column
            dut.wr_word_i.value = (layer.first_word + word) % WORDS
            dut.wr_data_i.value = int.from_bytes(data.tobytes(), "little")
            await RisingEdge(dut.clk_i)
            dut.wr_valid_i.value = 0


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def layers_in_turn(dut: Any, stall: float) -> None:
    """Outputs as close as their slices and the room for results allow."""
    rng = seeded(f"layers_in_turn {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    sink = Sink(dut, "result_valid_o", "result_ready_i", ["result_o"], stalls(rng, stall))
    pause = stalls(rng, stall)
    expected: list[int] = []
    layers = draw_layers(rng, 12)
    await write(dut, layers[0], pause)
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        dut.layer_i.value = pack_layer(kind=layer.kind)
        await RisingEdge(dut.clk_i)
        writing = cocotb.start_soon(write(dut, following, pause)) if following else None
        for _ in range(40):
            while next(pause) or len(expected) - len(sink.received) > DEPTH - layer.slices:
                dut.x_i.value = dut.first_i.value = dut.last_i.value = 0
                await RisingEdge(dut.clk_i)
            words = max(int(rng.integers(1, 10)), layer.slices)
            total = None
            for n in range(words):
                x = draw(rng, rng.choice(KINDS[:2]), (READ_LANES,))
                word = int(rng.integers(len(layer.weights)))
                digit = int(rng.integers(3)) if layer.kind is Kind.ADD else 0
                total = layer.accumulate(total, x, word, digit, n == 0)
                dut.x_i.value = int.from_bytes(x.tobytes(), "little")
                dut.weight_word_i.value = (layer.first_word + word) % WORDS
                dut.digit_i.value = digit
                dut.first_i.value, dut.last_i.value = int(n == 0), int(n == words - 1)
                await RisingEdge(dut.clk_i)
            packed = np.asarray(total).astype(np.int32).reshape(layer.slices, BEAT_BYTES)
            expected += [int.from_bytes(part.tobytes(), "little") for part in packed]
        dut.x_i.value = dut.first_i.value = dut.last_i.value = 0
        received = await sink.wait(len(expected))
        assert received == expected, f"{layer.kind.name}"
        if writing is not None:
            await writing
