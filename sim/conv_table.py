# SPDX-License-Identifier: Apache-2.0
"""conv_table: layers with and without a table, the next one written while a layer runs."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge

from bench import BEAT_BYTES, STALLS, Sink, Source, seeded, stalls, start

CONFIGURATIONS = [{}, {"BeatBytes": 16}]  # type: list[dict[str, int]]
SLICE_LANES = BEAT_BYTES
INPUTS = ["start_i", "has_table_i", "wr_valid_i", "wr_beat_i", "wr_data_i"]
INPUTS += ["in_valid_i", "in_bytes_i", "in_words_i", "out_ready_i"]

Bytes = npt.NDArray[np.uint8]


def packed(values: Bytes) -> int:
    return int.from_bytes(values.tobytes(), "little")


class Writer:
    """Writes tables in order, with gaps, when it is told to; `written` counts them."""

    def __init__(self, dut: Any, tables: list[Bytes], pause: Any) -> None:
        self._dut, self._tables, self._pause = dut, tables, pause
        self.allowed = self.written = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut = self._dut
        while True:
            while self.written == self.allowed:
                await RisingEdge(dut.clk_i)
            for beat, data in enumerate(self._tables[self.written].reshape(-1, BEAT_BYTES)):
                while next(self._pause):
                    dut.wr_valid_i.value = 0
                    await RisingEdge(dut.clk_i)
                dut.wr_valid_i.value, dut.wr_beat_i.value = 1, beat
                dut.wr_data_i.value = packed(data)
                await RisingEdge(dut.clk_i)
            dut.wr_valid_i.value = 0
            self.written += 1


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def layers(dut: Any, stall: tuple[float, float]) -> None:
    """Every byte in every lane; what has no table passes."""
    rng = seeded(f"layers {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    # Two layers with a table one behind the other, and with others between them.
    has_table = [True, True, False, True, False, False, *(rng.random(6) < 0.6).tolist()]
    tables = [rng.integers(256, size=256, dtype=np.uint8) for _ in range(sum(has_table))]
    writer = Writer(dut, tables, stalls(rng, stall[0]))
    source = Source(
        dut, "in_valid_i", "in_ready_o", ["in_bytes_i", "in_words_i"], stalls(rng, stall[0])
    )
    sink = Sink(
        dut, "out_valid_o", "out_ready_i", ["out_bytes_o", "out_words_o"], stalls(rng, stall[1])
    )
    expected: list[tuple[int, int]] = []
    used = 0
    for with_table in has_table:
        used += with_table
        writer.allowed = max(used, writer.allowed)
        while writer.written < used:
            await RisingEdge(dut.clk_i)
        dut.has_table_i.value, dut.start_i.value = int(with_table), 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        # As late as some slices into the layer, or before the first.
        inputs = [rng.permutation(256).astype(np.uint8) for _ in range(SLICE_LANES)]
        slices = []
        for values in np.stack(inputs, axis=1):
            words = rng.integers(256, size=4 * SLICE_LANES, dtype=np.uint8)
            slices.append((packed(values), packed(words)))
            output = tables[used - 1][values] if with_table else values
            expected.append((packed(output), packed(words)))
        cut = int(rng.integers(3)) * 20
        await source.send(slices[:cut])
        writer.allowed = min(used + 1, len(tables))
        await source.send(slices[cut:])
        received = await sink.wait(len(expected))
        assert received == expected
