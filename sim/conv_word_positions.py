# SPDX-License-Identifier: Apache-2.0
"""conv_word_positions against the words of random layers, issued with and without gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import product
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, parameters, seeded, start
from layer import pack_layer
from layer_draw import draw, edge_layers
from layer_model import LayerModel, Word
from lineconv.presets import Array

CONFIGURATIONS = [
    {"InputLanes": 1, "WeightWords": 64, "LineBufferBeats": 256, "TagWidth": 20},
    {"InputLanes": 13, "WeightWords": 100, "LineBufferBeats": 1024, "TagWidth": 20},
    {"InputLanes": 26, "WeightWords": 512, "LineBufferBeats": 16384, "TagWidth": 20},
]
_PARAMETERS = parameters(CONFIGURATIONS)
ARRAY = Array(
    _PARAMETERS["InputLanes"], 16, 24, _PARAMETERS["WeightWords"], _PARAMETERS["LineBufferBeats"]
)
LATENCY = 5
INPUTS = ["first_i", "pass_first_i", "row_beat_i", "row_i"]


def issues(layer: LayerModel) -> Iterator[tuple[int, ...]]:
    """Values of INPUTS for all words in order."""
    for number in range(layer.passes):
        for output_row in range(layer.output_height):
            row = output_row * layer.stride_height - layer.pad_top
            beat = (layer.rows_before(number) + row) % layer.row_slots * layer.row_beats
            loops = [
                layer.output_width,
                len(layer.pass_groups(number)),
                layer.kernel_height,
                layer.segments,
                layer.segment_words,
            ]
            for indices in product(*map(range, loops)):
                # The outermost loop is the highest bit.
                first = sum((index == 0) << bit for bit, index in enumerate(reversed(indices)))
                yield first, output_row == 0, beat, row % (1 << 18)


@cocotb.test()
@cocotb.parametrize(gap=[0.0, 0.6])
async def random_layers(dut: Any, gap: float) -> None:
    """Address, offset, padding rows, and weight words that run on from layer to layer."""
    rng = seeded(f"random_layers {gap}")
    await start(dut, layer_i=0, start_i=0, issue_i=0, tag_i=0, **dict.fromkeys(INPUTS, 0))
    first_word = 0
    for layer in [*edge_layers(ARRAY), *(draw(rng, ARRAY, 1500) for _ in range(15))]:
        if not layer.legal:
            continue
        dut.layer_i.value = pack_layer(**layer.fields)
        dut.start_i.value = 1
        await cycles(dut, 1)
        dut.start_i.value = 0
        await cycles(dut, 1)
        waiting = deque(zip(issues(layer), layer.words(), strict=True))
        pipeline: deque[tuple[Word, int] | None] = deque([None] * LATENCY)
        while waiting or any(pipeline):
            issuing = bool(waiting) and rng.random() >= gap
            tag = int(rng.integers(1 << 20))
            dut.issue_i.value, dut.tag_i.value = int(issuing), tag
            if issuing:
                values, word = waiting.popleft()
                pipeline.append((word, tag))
                for name, value in zip(INPUTS, values, strict=True):
                    getattr(dut, name).value = int(value)
            else:
                pipeline.append(None)
            await ReadOnly()
            check(dut, pipeline.popleft(), first_word)
            await RisingEdge(dut.clk_i)
        dut.issue_i.value = 0
        first_word += layer.groups * layer.group_words


def check(dut: Any, expected: tuple[Word, int] | None, first_word: int) -> None:
    """Outputs of this cycle."""
    assert dut.op_valid_o.value == (expected is not None)
    if expected is None:
        return
    word, tag = expected
    assert dut.op_row_valid_o.value == (word.row is not None)
    if word.row is not None:
        assert dut.op_address_o.value == word.address
    assert dut.op_offset_o.value == word.offset % (1 << 24)
    weight_word = (first_word + word.weight_word) % ARRAY.weight_words
    assert dut.op_weight_word_o.value == weight_word
    assert dut.tag_o.value == tag
