# SPDX-License-Identifier: Apache-2.0
"""conv_window against the definition of padding, most of all at the edges of the row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import ReadOnly, RisingEdge

from bench import cycles, parameters, seeded, start
from layer import pack_layer

CONFIGURATIONS = [
    {"ReadLanes": 1, "WeightWords": 64},
    {"ReadLanes": 13, "WeightWords": 100},
    {"ReadLanes": 16, "WeightWords": 128},
    {"ReadLanes": 48, "WeightWords": 512},
    {"ReadLanes": 96, "WeightWords": 512},
]
_PARAMETERS = parameters(CONFIGURATIONS)
LANES, WORDS = _PARAMETERS["ReadLanes"], _PARAMETERS["WeightWords"]
_PACKAGE = Path(__file__).resolve().parents[1] / "rtl" / "conv_pkg.sv"
_LATENCY = re.search(r"LineBufferLatency = (\d+);", _PACKAGE.read_text())
LATENCY = int(_LATENCY.group(1)) if _LATENCY else 0
OPS = ["op_valid_i", "op_offset_i", "op_row_valid_i", "op_weight_word_i", "op_digit_i"]
OPS += ["op_first_i", "op_last_i"]


class Op(NamedTuple):
    """One cycle of the op_* ports, in their order."""

    valid: bool
    offset: int
    row_valid: bool
    weight_word: int
    digit: int
    first: bool
    last: bool

    def x(self, content: npt.NDArray[np.uint8], row_bytes: int, zero_point: int) -> int:
        """What the array gets, when the line buffer reads `content`."""
        if not self.valid:
            return 0
        position = self.offset + np.arange(LANES)
        data = self.row_valid & (position >= 0) & (position < row_bytes)
        return int.from_bytes(
            np.where(data, content, np.uint8(zero_point % 256)).tobytes(), "little"
        )


def draw(rng: np.random.Generator, busy: float, row_bytes: int) -> Op:
    """Mostly around the edges of the row, sometimes at the ends of the type."""
    valid = bool(rng.random() < busy)
    edge = [0, row_bytes, -LANES, row_bytes // 2][rng.integers(4)]
    offset = edge + int(rng.integers(-LANES - 2, LANES + 3))
    if rng.random() < 0.05:
        offset = int(rng.integers(-(1 << 22), 1 << 22))
    first, last = (valid and bool(rng.random() < 0.3) for _ in range(2))
    word, digit = int(rng.integers(WORDS)), int(rng.integers(3))
    return Op(valid, offset, bool(rng.random() < 0.8), word, digit, first, last)


@cocotb.test()
@cocotb.parametrize(busy=[0.5, 1.0])
async def padding(dut: Any, busy: float) -> None:
    """x_o and what goes with it, LineBufferLatency + 1 cycles after the operation."""
    rng = seeded(f"padding {busy}")
    await start(dut, layer_i=0, bytes_i=0, **dict.fromkeys(OPS, 0))
    for _ in range(12):
        row_bytes = int(rng.integers(1, [4, LANES + 4, 1 << 20][rng.integers(3)]))
        zero_point = int(rng.integers(-128, 128))
        dut.layer_i.value = pack_layer(row_bytes=row_bytes, input_zero_point=zero_point)
        ops: list[Op] = []
        x = 0  # from the bytes of the cycle before
        for cycle in range(300):
            op = draw(rng, busy, row_bytes)
            ops.append(op)
            for name, value in zip(OPS, op, strict=True):
                getattr(dut, name).value = value % (1 << 24)
            content = rng.integers(0, 256, LANES, np.uint8)
            dut.bytes_i.value = int.from_bytes(content.tobytes(), "little")
            await ReadOnly()
            if cycle > LATENCY:
                was = ops[cycle - LATENCY - 1]
                assert dut.x_o.value == x
                assert (dut.first_o.value, dut.last_o.value) == (was.first, was.last)
                word = dut.weight_word_o.value, dut.digit_o.value
                assert not was.valid or word == (was.weight_word, was.digit)
            if cycle >= LATENCY:
                x = ops[cycle - LATENCY].x(content, row_bytes, zero_point)
            await RisingEdge(dut.clk_i)
        for name in OPS:
            getattr(dut, name).value = 0
        await cycles(dut, LATENCY + 2)


@cocotb.test()
async def reset(dut: Any) -> None:
    """A reset of one cycle leaves no last word behind, which would become a result."""
    await start(dut, layer_i=0, bytes_i=0, **dict.fromkeys(OPS, 0))
    for _ in range(LATENCY):
        dut.op_valid_i.value = dut.op_last_i.value = 1
        await RisingEdge(dut.clk_i)
    dut.op_valid_i.value = dut.op_last_i.value = 0
    dut.rst_ni.value = 0
    await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(LATENCY + 2):
        await ReadOnly()
        assert not dut.last_o.value
        assert not dut.x_o.value
        await RisingEdge(dut.clk_i)
