# SPDX-License-Identifier: Apache-2.0
"""conv_requantize: whole layers over several passes, against golden, with stalls on all sides.

The parameter ring is smaller than the layer in most tests and written as early as
`parameter_free_o` allows, so a slice that takes the parameters of another one is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge

from bench import BEAT_BYTES, STALLS, Sink, Source, cycles, parameters, seeded, stalls, start
from layer import pack_layer
from lineconv.regs import OutputType, Overflow, Rounding
from requantize_vectors import Format, Int32Array, Uint32Array, hard_layer

CONFIGURATIONS = [
    {"ParameterSlices": 2},
    {"ParameterSlices": 14},
    {"ParameterSlices": 512},
    {"ParameterSlices": 14, "BeatBytes": 16},
]
PARAMETER_SLICES = parameters(CONFIGURATIONS)["ParameterSlices"]
SLICE_LANES = BEAT_BYTES
BEAT_LANES = BEAT_BYTES // 8  # whose parameters are in one beat
LATENCY = {OutputType.INT8: 20, OutputType.UINT8: 20, OutputType.INT32: 4}


@dataclass(frozen=True)
class Work:
    """A layer: shape, parameters of all lanes of all groups, sums of all pixels."""

    height: int
    width: int
    groups: int
    groups_per_pass: int
    group_slices: int
    form: Format
    sums: Int32Array  # (pixels, lanes of all groups)
    bias: Int32Array
    multipliers: Uint32Array

    @staticmethod
    def random(rng: np.random.Generator, form: Format, pixels: int) -> Work:
        height = int(rng.integers(1, 4))
        width = max(1, pixels // height)
        group_slices = int(rng.integers(1, min(PARAMETER_SLICES, 6) + 1))
        groups_per_pass = int(rng.integers(1, min(PARAMETER_SLICES // group_slices, 5) + 1))
        groups = int(rng.integers(1, 3 * groups_per_pass + 1))
        channels = groups * group_slices * SLICE_LANES
        sums, multipliers = hard_layer(rng, channels, height * width)
        bias = rng.integers(-(1 << 31), 1 << 31, channels).astype(np.int32)
        return Work(
            height, width, groups, groups_per_pass, group_slices, form, sums, bias, multipliers
        )

    @property
    def slices(self) -> int:
        """Of a pixel in all passes."""
        return self.groups * self.group_slices

    def packed_layer(self) -> int:
        return pack_layer(
            output_height=self.height,
            output_width=self.width,
            groups=self.groups,
            groups_per_pass=self.groups_per_pass,
            slices_per_group=self.group_slices,
            passes=-(-self.groups // self.groups_per_pass),
            **self.form.fields(),
        )

    def passes(self) -> list[list[tuple[int, int]]]:
        """For each pass its slices in order: (pixel, first channel)."""
        pass_channels = self.groups_per_pass * self.group_slices * SLICE_LANES
        channels = self.slices * SLICE_LANES
        return [
            [
                (pixel, channel)
                for pixel in range(self.height * self.width)
                for channel in range(first, min(first + pass_channels, channels), SLICE_LANES)
            ]
            for first in range(0, channels, pass_channels)
        ]

    def accumulators(self, slices: list[tuple[int, int]]) -> list[int]:
        acc = self.sums - self.bias
        return [_pack(acc[p, c : c + SLICE_LANES].astype("<i4")) for p, c in slices]

    def expected(self) -> list[int]:
        slices = [item for part in self.passes() for item in part]
        if self.form.output_type is OutputType.INT32:
            return [_pack(self.sums[p, c : c + SLICE_LANES].astype("<i4")) for p, c in slices]
        multipliers = np.tile(self.multipliers, len(self.sums))
        y = self.form.requantize(self.sums.ravel(), multipliers).reshape(self.sums.shape)
        return [_pack(y[p, c : c + SLICE_LANES]) for p, c in slices]


def _pack(values: npt.NDArray[Any]) -> int:
    """Lane 0 lowest."""
    return int.from_bytes(values.tobytes(), "little")


class Bench:
    """Runs layers one after the other, as conv_weight_loader and the result FIFO would."""

    def __init__(self, dut: Any, rng: np.random.Generator, stall: tuple[float, float]) -> None:
        self._dut, self._rng = dut, rng
        self._slices = 0  # in the ring of parameters since the reset
        self._loaded = self._freed = 0  # slices of the layer
        self._source = Source(dut, "acc_valid_i", "acc_ready_o", ["acc_i"], stalls(rng, stall[0]))
        outputs = ["out_bytes_o", "out_words_o"]
        self._sink = Sink(dut, "out_valid_o", "out_ready_i", outputs, stalls(rng, stall[1]))

    async def run(self, work: Work) -> None:
        dut = self._dut
        self._loaded = self._freed = 0
        dut.layer_i.value = work.packed_layer()
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        writer = cocotb.start_soon(self._write_parameters(work))
        watcher = cocotb.start_soon(self._count_free())
        for index, slices in enumerate(work.passes()):
            pass_slices = work.groups_per_pass * work.group_slices
            while self._loaded < min((index + 1) * pass_slices, work.slices):
                await RisingEdge(dut.clk_i)
            await self._source.send(work.accumulators(slices))
        expected = work.expected()
        await self._sink.wait(len(expected), 20_000)
        # Nothing more may come, and nothing may be left when the next layer starts at once.
        await cycles(dut, int(self._rng.choice([8, 2 * LATENCY[OutputType.INT8]])))
        port = int(work.form.output_type is OutputType.INT32)
        received = [outputs[port] for outputs in self._sink.received]
        self._sink.received.clear()
        for index, (got, want) in enumerate(zip(received, expected, strict=True)):
            assert got == want, f"{work.form}: slice {index} is {got:x}, expected {want:x}"
        assert self._freed == work.slices
        self._slices += work.slices
        writer.cancel()
        watcher.cancel()

    async def _write_parameters(self, work: Work) -> None:
        dut, stall = self._dut, stalls(self._rng, 0.2)
        for index in range(work.slices):
            while index - self._freed >= PARAMETER_SLICES:
                await RisingEdge(dut.clk_i)
            place = (self._slices + index) % PARAMETER_SLICES
            for beat in range(SLICE_LANES // BEAT_LANES):
                while next(stall):
                    await RisingEdge(dut.clk_i)
                channel = index * SLICE_LANES + beat * BEAT_LANES
                channels = slice(channel, channel + BEAT_LANES)
                pairs = zip(
                    work.bias[channels], work.multipliers[channels].view("<i4"), strict=True
                )
                dut.param_wr_valid_i.value = 1
                dut.param_wr_entry_i.value = place
                dut.param_wr_beat_i.value = beat
                dut.param_wr_data_i.value = _pack(np.array(list(pairs), "<i4"))
                await RisingEdge(dut.clk_i)
                dut.param_wr_valid_i.value = 0
            self._loaded += 1

    async def _count_free(self) -> None:
        while True:
            await RisingEdge(self._dut.clk_i)
            self._freed += int(self._dut.parameter_free_o.value)


async def begin(dut: Any) -> None:
    await start(dut, start_i=0, layer_i=0, param_wr_valid_i=0, acc_valid_i=0, out_ready_i=0)


def any_format(rng: np.random.Generator) -> Format:
    output_type, rounding, overflow = (int(value) for value in rng.integers(0, 3, 3))
    return Format.random(rng, OutputType(output_type), Rounding(rounding), Overflow(overflow))


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def layers(dut: Any, stall: tuple[float, float]) -> None:
    """Random layers, whose parameters follow each other in the ring; all become free."""
    rng = seeded(f"layers {stall}")
    await begin(dut)
    bench = Bench(dut, rng, stall)
    for _ in range(60):
        await bench.run(Work.random(rng, any_format(rng), int(rng.integers(1, 30))))


@cocotb.test()
@cocotb.parametrize(output_type=list(OutputType))
async def throughput(dut: Any, output_type: OutputType) -> None:
    """A slice per cycle, and the latency that the module documents."""
    rng = seeded(f"throughput {output_type.name}")
    await begin(dut)
    form = Format.random(rng, output_type, Rounding.HALF_EVEN, Overflow.SATURATE)
    dut.layer_i.value = Work.random(rng, form, 300).packed_layer()
    dut.start_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    dut.acc_i.value = 0
    dut.acc_valid_i.value = 1
    dut.out_ready_i.value = 1
    for cycle in range(200):
        await RisingEdge(dut.clk_i)
        assert dut.acc_ready_o.value == 1
        assert dut.out_valid_o.value == (cycle >= LATENCY[output_type])
