# SPDX-License-Identifier: Apache-2.0
"""conv_output_packer: what is in memory afterwards, which runs it announced, and how fast it was.

Slices carry random values in the lanes beyond the last channel, which must not reach memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge

from bench import BEAT_BYTES, STALLS, Sink, Source, cycles, seeded, stalls, start
from layer import pack_layer
from lineconv.regs import OutputType

CONFIGURATIONS = [{}, {"BeatBytes": 16}]  # type: list[dict[str, int]]
SLICE_LANES = BEAT_BYTES
GROUP_SLICES = [1, 2, 3, 4, 6, 12]
BEGIN = 12  # cycles in which the sizes of a layer become known, at most
CHANNELS = [1, 2, 3, 7, 8, 9, 11, 13, 16, 17, 24, 31, 32, 64, 255]


@dataclass(frozen=True)
class Work:
    """An output tensor (height, width, channels) and where it goes."""

    output_type: OutputType
    values: npt.NDArray[Any]
    group_slices: int
    groups_per_pass: int
    address: int
    row_stride: int
    pixel_stride: int

    @staticmethod
    def random(rng: np.random.Generator) -> Work:
        output_type = OutputType(int(rng.integers(3)))
        element = 4 if output_type is OutputType.INT32 else 1
        height, width = (int(n) for n in rng.integers(1, 6, 2))
        channels = int(rng.choice(CHANNELS))
        group_slices = int(rng.choice(GROUP_SLICES))
        groups = -(-channels // (group_slices * SLICE_LANES))
        whole = rng.random() < 0.5
        return Work.of(
            rng,
            output_type,
            (height, width, channels),
            group_slices=group_slices,
            groups_per_pass=groups if whole else int(rng.integers(1, groups + 3)),
            address=int(rng.integers(0, 64)) * element,
            gap=0 if rng.random() < 0.5 else int(rng.integers(1, 20)),
            row_gap=BEAT_BYTES * int(rng.integers(0, 3)),
        )

    @staticmethod
    def of(
        rng: np.random.Generator,
        output_type: OutputType,
        shape: tuple[int, int, int],
        group_slices: int,
        groups_per_pass: int,
        address: int,
        gap: int = 0,
        row_gap: int = 0,
    ) -> Work:
        """`gap` bytes lie between the pixels."""
        dtype = np.dtype("<i4" if output_type is OutputType.INT32 else "u1")
        values = np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype)
        pixel_stride = shape[2] * dtype.itemsize + gap
        row_stride = -(-shape[1] * pixel_stride // BEAT_BYTES) * BEAT_BYTES + row_gap
        return Work(
            output_type,
            values.reshape(shape),
            group_slices,
            groups_per_pass,
            address,
            row_stride,
            pixel_stride,
        )

    @property
    def lanes(self) -> int:
        """Channels of a group."""
        return self.group_slices * SLICE_LANES

    @property
    def groups(self) -> int:
        channels: int = self.values.shape[2]
        return -(-channels // self.lanes)

    @property
    def passes(self) -> int:
        return -(-self.groups // self.groups_per_pass)

    def packed_layer(self) -> int:
        height, width, channels = self.values.shape
        element = self.values.itemsize
        return pack_layer(
            output_height=height,
            output_width=width,
            output_channels=channels,
            groups=self.groups,
            groups_per_pass=self.groups_per_pass,
            slices_per_group=self.group_slices,
            passes=self.passes,
            output_address=self.address,
            output_row_stride=self.row_stride,
            output_pixel_stride=self.pixel_stride,
            output_row_bytes=(width - 1) * self.pixel_stride + channels * element,
            output_type=self.output_type,
        )

    def pieces(self) -> list[tuple[int, npt.NDArray[np.uint8]]]:
        """(address, bytes) of each pixel in each pass, in the order of the engine."""
        height, width, channels = self.values.shape
        pass_channels = self.groups_per_pass * self.lanes
        out = []
        for first in range(0, channels, pass_channels):
            for row in range(height):
                for column in range(width):
                    values = self.values[row, column, first : first + pass_channels]
                    offset = row * self.row_stride + column * self.pixel_stride
                    offset += first * self.values.itemsize
                    out.append((self.address + offset, np.frombuffer(values.tobytes(), np.uint8)))
        return out

    def runs(self) -> list[tuple[int, int]]:
        """(address of the first beat, beats) of each run."""
        _, width, channels = self.values.shape
        spans = [(address, data.size) for address, data in self.pieces()]
        if self.passes == 1 and self.pixel_stride == channels * self.values.itemsize:
            spans = [(address, width * self.pixel_stride) for address, _ in spans[::width]]
        return [
            (address - address % BEAT_BYTES, -(-(address % BEAT_BYTES + size) // BEAT_BYTES))
            for address, size in spans
        ]

    def slices(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        """What requantisation hands over: (bytes, words), of which the other one is noise."""
        height, width, channels = self.values.shape
        lanes = np.frombuffer(
            rng.bytes(height * width * self.groups * self.lanes * self.values.itemsize),
            self.values.dtype,
        ).reshape(height * width, -1)
        lanes = lanes.copy()
        lanes[:, :channels] = self.values.reshape(height * width, channels)
        out = []
        pass_channels = self.groups_per_pass * self.lanes
        for first in range(0, lanes.shape[1], pass_channels):
            part = lanes[:, first : first + pass_channels]
            for values in part.reshape(-1, SLICE_LANES):
                value = int.from_bytes(values.tobytes(), "little")
                noise = int.from_bytes(rng.bytes(4 * SLICE_LANES), "little")
                if self.output_type is OutputType.INT32:
                    out.append((noise % (1 << 8 * SLICE_LANES), value))
                else:
                    out.append((value, noise))
        return out


class Bench:
    def __init__(self, dut: Any, rng: np.random.Generator, stall: tuple[float, float]) -> None:
        self._dut, self._rng = dut, rng
        self._source = Source(
            dut, "in_valid_i", "in_ready_o", ["in_bytes_i", "in_words_i"], stalls(rng, stall[0])
        )
        run_ports, data_ports = ["run_address_o", "run_beats_o"], ["data_o", "strobe_o"]
        self._runs = Sink(dut, "run_valid_o", "run_ready_i", run_ports, stalls(rng, stall[1]))
        self._beats = Sink(dut, "data_valid_o", "data_ready_i", data_ports, stalls(rng, stall[1]))

    async def run(self, work: Work) -> int:
        """Runs one layer, checks memory, runs and done; returns the cycles from start to done."""
        dut = self._dut
        slices = work.slices(self._rng)
        self._runs.received.clear()
        self._beats.received.clear()
        dut.layer_i.value = work.packed_layer()
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        feed = cocotb.start_soon(self._source.send(slices))
        taken = 0
        for cycle in range(1, 160 * len(slices) + 100):
            await RisingEdge(dut.clk_i)
            if dut.done_o.value == 1:
                taken = cycle
                break
        assert taken, f"{work}: not done"
        assert feed.done(), "done before the last slice was taken"
        received = self._runs.received[:], self._beats.received[:]
        for _ in range(3):
            await RisingEdge(dut.clk_i)
            assert dut.done_o.value == 0
        assert (self._runs.received, self._beats.received) == received, "something after done"
        self._check(work, *received)
        return taken

    def _check(self, work: Work, runs: list[tuple[int, int]], beats: list[tuple[int, int]]) -> None:
        assert runs == work.runs()
        memory: dict[int, int] = {}
        beat = iter(beats)
        for address, count in runs:
            for place in range(address, address + count * BEAT_BYTES, BEAT_BYTES):
                data, strobe = next(beat)
                assert strobe != 0
                for lane in range(BEAT_BYTES):
                    if strobe >> lane & 1:
                        assert place + lane not in memory, f"{place + lane} is written twice"
                        memory[place + lane] = data >> 8 * lane & 0xFF
        assert next(beat, None) is None, "more beats than announced"
        expected = {
            address + index: int(value)
            for address, data in work.pieces()
            for index, value in enumerate(data)
        }
        assert memory == expected


async def begin(dut: Any) -> None:
    await start(dut, start_i=0, layer_i=0, in_valid_i=0, run_ready_i=0, data_ready_i=0)


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def layers(dut: Any, stall: tuple[float, float]) -> None:
    """Random layers back to back."""
    rng = seeded(f"layers {stall}")
    await begin(dut)
    bench = Bench(dut, rng, stall)
    for _ in range(60):
        await bench.run(Work.random(rng))
        await cycles(dut, int(rng.integers(0, 3)))


@cocotb.test()
@cocotb.parametrize(
    output_type=[OutputType.INT8, OutputType.INT32],
    whole_rows=[True, False],
    align=[0, 4],
    slices=[1, 6],
)
async def throughput(
    dut: Any, output_type: OutputType, whole_rows: bool, align: int, slices: int
) -> None:
    """A beat per cycle; a run of its own for each pixel costs as many cycles as it has beats."""
    rng = seeded(f"throughput {output_type.name} {whole_rows} {align} {slices}")
    await begin(dut)
    bench = Bench(dut, rng, (0, 0))
    gap = 0 if whole_rows else BEAT_BYTES
    work = Work.of(
        rng,
        output_type,
        (2, 30, slices * SLICE_LANES),
        group_slices=slices,
        groups_per_pass=1,
        address=align,
        gap=gap,
    )
    beats = sum(count for _, count in work.runs())
    assert await bench.run(work) <= beats + BEGIN + 8


@cocotb.test()
@cocotb.parametrize(output_type=[OutputType.INT8, OutputType.INT32], slices=[1, 3])
async def small_pixels(dut: Any, output_type: OutputType, slices: int) -> None:
    """A pixel costs a cycle per chunk, per slice without channels and per beat too many."""
    rng = seeded(f"small_pixels {output_type.name} {slices}")
    await begin(dut)
    bench = Bench(dut, rng, (0, 0))
    pixels, element = 30, 4 if output_type is OutputType.INT32 else 1
    for channels in range(1, BEAT_BYTES + 1):
        for address in range(0, BEAT_BYTES, element):
            work = Work.of(
                rng,
                output_type,
                (1, pixels, channels),
                group_slices=slices,
                groups_per_pass=1,
                address=address,
                gap=BEAT_BYTES,
            )
            chunks = -(-channels * element // BEAT_BYTES)
            empty_slices = slices - 1
            extra_beats = sum(count for _, count in work.runs()) - pixels * chunks
            limit = pixels * (chunks + empty_slices) + extra_beats + BEGIN + 8
            assert await bench.run(work) <= limit
