# SPDX-License-Identifier: Apache-2.0
"""Programs: descriptors, the engine's checks, and the functional model that runs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lineconv.bus import ByteArray
from lineconv.checker import Fields, Window, check
from lineconv.executor import NoMemoryError, Outcome, run_program
from lineconv.layer import ConvLayer, OutputType, Rounding
from lineconv.packing import pack_weights, row_stride
from lineconv.presets import PRESETS, Array
from lineconv.program import TileAddresses, descriptor, record
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error, Kind
from lineconv.report import DescriptorRun, LayerRun, RunReport, results
from lineconv.tiling import tile_layer

TINY = PRESETS["tiny"].array
BASE = 0x4000
LAYER = ConvLayer(
    in_channels=6,
    out_channels=20,
    in_height=9,
    in_width=11,
    kernel=(3, 2),
    stride=(2, 1),
    padding=((1, 1), (0, 1)),
    x_zero_point=-3,
    y_zero_point=5,
    clamp=(5, 100),
    rounding=Rounding.HALF_UP,
)
TILING = tile_layer(LAYER, TINY)


class FlatMemory:
    """Memory from BASE on."""

    def __init__(self, nbytes: int) -> None:
        self.data: ByteArray = np.zeros(nbytes, np.uint8)

    def view(self, address: int, nbytes: int) -> ByteArray:
        start = address - BASE
        if start < 0 or start + nbytes > self.data.size:
            raise NoMemoryError
        return self.data[start : start + nbytes]


def addresses(image: int, weights: int, result: int) -> TileAddresses:
    """For LAYER, whose rows are 11 pixels of 6 and of 20 bytes."""
    return TileAddresses(image, row_stride(11 * 6, 8), weights, result, row_stride(11 * 20, 8))


def legal(**changes: int) -> npt.NDArray[Any]:
    """The descriptor of LAYER on the tiny array, with some fields changed."""
    (tile,) = TILING.tiles
    out = descriptor(tile, TILING, addresses(0x5000, 0x6000, 0x9000), input_unsigned=True)
    for name, value in changes.items():
        out[name] = value
    return out


def code(block: npt.NDArray[Any], window: Window | None = None) -> Error:
    return check(Fields(block, TINY), window or Window(0x5000, 0xFFFF))


def test_descriptor_of_a_layer() -> None:
    expected = {
        "kind": Kind.CONV,
        "output_type": OutputType.INT8,
        "rounding": Rounding.HALF_UP,
        "overflow": 0,
        "flags": 1,
        "input_address": 0x5000,
        "weights_address": 0x6000,
        "output_address": 0x9000,
        "input_height": 9,
        "input_width": 11,
        "input_channels": 6,
        "output_channels": 20,
        "input_row_stride": 72,
        "input_pixel_stride": 6,
        "output_row_stride": 224,
        "output_pixel_stride": 20,
        "output_height": 5,
        "output_width": 11,
        "kernel_height": 3,
        "kernel_width": 2,
        "stride_height": 2,
        "stride_width": 1,
        "dilation_height": 1,
        "dilation_width": 1,
        "pad_top": 1,
        "pad_bottom": 1,
        "pad_left": 0,
        "pad_right": 1,
        "input_zero_point": -3,
        "output_zero_point": 5,
        "clamp_min": 5,
        "clamp_max": 100,
        "segment_words": 3,
        "group_channels": 6,
        "group_step": 0,
        "second_address": 0,
        "row_slots": 9,
        "status": 0,
        "cycles": 0,
    }
    block = legal()
    assert {name: int(block[name]) for name in expected} == expected


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, Error.OK),
        ({"kind": 0}, Error.BAD_KIND),
        ({"kind": 5, "output_type": 9}, Error.BAD_KIND),
        ({"output_type": 3}, Error.BAD_FORMAT),
        ({"rounding": 3}, Error.BAD_FORMAT),
        ({"overflow": 3}, Error.BAD_FORMAT),
        ({"flags": 8}, Error.BAD_FORMAT),
        ({"input_zero_point": 128}, Error.BAD_FORMAT),
        ({"input_zero_point": -129}, Error.BAD_FORMAT),
        ({"output_zero_point": 128}, Error.BAD_FORMAT),
        ({"output_zero_point": -1, "output_type": OutputType.UINT8}, Error.BAD_FORMAT),
        ({"clamp_max": 128}, Error.BAD_FORMAT),
        ({"clamp_min": -129}, Error.BAD_FORMAT),
        ({"clamp_min": 101}, Error.BAD_FORMAT),
        ({"clamp_max": 255, "output_type": OutputType.UINT8}, Error.OK),
        ({"input_height": 0}, Error.BAD_SHAPE),
        ({"output_width": 0}, Error.BAD_SHAPE),
        ({"output_channels": 0}, Error.BAD_SHAPE),
        ({"output_height": 6}, Error.BAD_SHAPE),
        ({"output_width": 12}, Error.BAD_SHAPE),
        ({"pad_bottom": 0}, Error.BAD_SHAPE),
        ({"pad_bottom": 65535}, Error.OK),
        ({"kernel_height": 17, "pad_bottom": 99}, Error.BAD_KERNEL),
        ({"kernel_height": 0}, Error.BAD_KERNEL),
        ({"kernel_width": 65, "pad_right": 99}, Error.BAD_KERNEL),
        ({"stride_height": 9, "pad_bottom": 99}, Error.BAD_KERNEL),
        ({"stride_width": 0}, Error.BAD_KERNEL),
        ({"dilation_width": 0}, Error.BAD_KERNEL),
        ({"pad_top": 3}, Error.BAD_KERNEL),
        ({"input_row_stride": 76}, Error.BAD_STRIDE),
        ({"output_row_stride": 228}, Error.BAD_STRIDE),
        ({"input_pixel_stride": 5}, Error.BAD_STRIDE),
        ({"output_pixel_stride": 19}, Error.BAD_STRIDE),
        ({"pad_right": 65535, "input_pixel_stride": 64}, Error.BAD_TILING),
        ({"segment_words": 2}, Error.BAD_TILING),
        ({"segment_words": 4}, Error.BAD_TILING),
        ({"row_slots": 2}, Error.BAD_TILING),
        ({"row_slots": 57}, Error.BAD_TILING),
        ({"row_slots": 56}, Error.OK),
        ({"groups_per_pass": 0}, Error.BAD_TILING),
        ({"groups_per_pass": 15}, Error.BAD_TILING),
        ({"groups_per_pass": 14}, Error.OK),
        ({"input_address": 0x4FFF}, Error.BAD_ADDRESS),
        ({"input_address": 0x1_0000_5000}, Error.BAD_ADDRESS),
        ({"weights_address": 0x6004}, Error.BAD_ADDRESS),
        ({"weights_address": 0xFF00}, Error.BAD_ADDRESS),
        ({"output_address": 0x1_0000 - 4 * 224 - 219}, Error.BAD_ADDRESS),
        ({"output_address": 0x1_0000 - 4 * 224 - 220}, Error.OK),
    ],
    ids=str,
)
def test_checks(changes: dict[str, int], error: Error) -> None:
    assert code(legal(**changes)) is error


def test_int32_results_are_aligned_and_have_no_clamp() -> None:
    raw = {"output_type": OutputType.INT32, "output_pixel_stride": 80, "output_row_stride": 880}
    assert code(legal(**raw, clamp_min=999, clamp_max=-999, output_zero_point=999)) is Error.OK
    assert code(legal(**raw, output_address=0x9002)) is Error.BAD_ADDRESS
    assert code(legal(**raw, rounding=7)) is Error.BAD_FORMAT


def test_window_ends_are_included() -> None:
    last = 0x9000 + 4 * 224 + 11 * 20 - 1
    assert code(legal(), Window(0x5000, last)) is Error.OK
    assert code(legal(), Window(0x5001, last)) is Error.BAD_ADDRESS
    assert code(legal(), Window(0x5000, last - 1)) is Error.BAD_ADDRESS


def naive(
    x: npt.NDArray[np.int8], w: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], dilation: int
) -> npt.NDArray[np.int32]:
    """x (H, W, C) * w (O, C, kH, kW) with horizontal dilation, NHWC, by loops."""
    height, width, _ = x.shape
    out_channels, _, kernel_height, kernel_width = w.shape
    shape = (height - kernel_height + 1, width - dilation * (kernel_width - 1), out_channels)
    y = np.zeros(shape, np.int32)
    for row, column, o in np.ndindex(*shape):
        y[row, column, o] = bias[o]
        for ky, kx in np.ndindex(kernel_height, kernel_width):
            pixel = x[row + ky, column + dilation * kx].astype(np.int32)
            y[row, column, o] += pixel @ w[o, :, ky, kx].astype(np.int32)
    return y


def test_executor_takes_strides_that_the_host_does_not_use() -> None:
    """A tensor inside a larger one on both sides, at odd addresses; dilated, so in segments."""
    rng = np.random.default_rng(5)
    array = Array(3, 8, 8, 64, 64)
    x = rng.integers(-128, 128, (5, 7, 4)).astype(np.int8)
    w = rng.integers(-128, 128, (9, 4, 2, 2)).astype(np.int8)
    bias = rng.integers(-999, 999, 9).astype(np.int32)
    memory = FlatMemory(0x4000)
    memory.data[:] = rng.integers(0, 256, memory.data.size)
    stream = pack_weights(w, bias, np.ones(9, np.float32), array, flattened=False)
    memory.data[0x2000 : 0x2000 + stream.size] = stream
    for (row, column, c), byte in np.ndenumerate(x.view(np.uint8)):
        memory.data[0x1003 + row * 80 + column * 11 + c] = byte
    fields = {
        "kind": Kind.CONV,
        "output_type": OutputType.INT32,
        "input_address": BASE + 0x1003,
        "weights_address": BASE + 0x2000,
        "output_address": BASE + 0x3004,
        "input_height": 5,
        "input_width": 7,
        "input_channels": 4,
        "output_channels": 9,
        "input_row_stride": 80,
        "input_pixel_stride": 11,
        "output_row_stride": 256,
        "output_pixel_stride": 40,
        "output_height": 4,
        "output_width": 4,
        "kernel_height": 2,
        "kernel_width": 2,
        "stride_height": 1,
        "stride_width": 1,
        "dilation_height": 1,
        "dilation_width": 3,
        "groups_per_pass": 1,
        "row_slots": 3,
        "segment_words": 2,
        "group_channels": 4,
    }
    block = record(fields)
    memory.data[:DESCRIPTOR_BYTES] = np.frombuffer(block.tobytes(), np.uint8)
    before = memory.data.copy()

    outcome = run_program(memory, BASE, 1, Window(BASE, BASE + 0x3FFF), array)
    assert outcome == Outcome(Error.OK, 1)
    expected = before.copy()
    for (row, column), pixel in zip(
        np.ndindex(4, 4), naive(x, w, bias, 3).reshape(-1, 9), strict=True
    ):
        start = 0x3004 + row * 256 + column * 40
        expected[start : start + 36] = pixel.astype("<i4").view(np.uint8)
    expected[:DESCRIPTOR_BYTES] = memory.data[:DESCRIPTOR_BYTES]
    assert (memory.data == expected).all()

    (run,) = results(memory.data[:DESCRIPTOR_BYTES])
    # Descriptor; 5 rows of 10 beats in each of 2 passes; 2 groups of 8 + 8 * 3 beats. Results:
    # per pixel 32 bytes at an odd multiple of 4 and 4 bytes.
    beats = (16 + 2 * 5 * 10 + 2 * (8 + 8 * 3), 16 * (5 + 1))
    assert run == DescriptorRun(0, 4 * 4 * 2 * 8, 0, 0, 0, *beats)


def test_run_stops_at_the_first_bad_descriptor() -> None:
    (tile,) = TILING.tiles
    memory = FlatMemory(0x8000)
    places = addresses(BASE + 0x1000, BASE + 0x2000, BASE + 0x5000)
    good = descriptor(tile, TILING, places, input_unsigned=False)
    program = np.zeros(3, DESCRIPTOR)
    program[:] = good
    program[1]["row_slots"] = 1
    memory.data[: program.nbytes] = np.frombuffer(program.tobytes(), np.uint8)
    outcome = run_program(memory, BASE, 3, Window(BASE, BASE + 0x7FFF), TINY)
    assert outcome == Outcome(Error.BAD_TILING, 1)
    blocks = memory.data[: program.nbytes].view(DESCRIPTOR)
    assert blocks["status"].tolist() == [Error.OK, Error.BAD_TILING, Error.OK]
    assert (blocks["mac_cycles"] > 0).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("address", "window"),
    [(BASE + 8, Window(0, 2**32 - 1)), (BASE, Window(BASE, BASE + 254)), (2**32, Window(0, 2**40))],
)
def test_program_outside_the_window_is_not_touched(address: int, window: Window) -> None:
    memory = FlatMemory(0x400)
    assert run_program(memory, address, 1, window, TINY) == Outcome(Error.BAD_ADDRESS, 0)
    assert not memory.data.any()


@pytest.mark.parametrize(
    ("size", "error"),
    [(0x80, Error.READ_ERROR), (0x1800, Error.READ_ERROR), (0x5100, Error.WRITE_ERROR)],
)
def test_missing_memory_is_a_bus_error(size: int, error: Error) -> None:
    (tile,) = TILING.tiles
    memory = FlatMemory(size)
    places = addresses(BASE + 0x1000, BASE + 0x2000, BASE + 0x5000)
    block = descriptor(tile, TILING, places, input_unsigned=False)
    raw = np.frombuffer(block.tobytes(), np.uint8)
    memory.data[: raw.size] = raw[: memory.data.size]
    assert run_program(memory, BASE, 1, Window(0, 2**32 - 1), TINY) == Outcome(error, 0)


def test_empty_program_touches_nothing() -> None:
    assert run_program(FlatMemory(0), 3, 0, Window(0, 0), TINY) == Outcome(Error.OK, 0)


def test_report_adds_up() -> None:
    runs = (
        DescriptorRun(100, 80, 9, 4, 2, 50, 20),
        DescriptorRun(60, 40, 1, 6, 3, 30, 10),
    )
    layers = (LayerRun("a", 960, runs), LayerRun("b", 320, runs[1:]))
    assert (layers[0].cycles, layers[0].stall_weights) == (160, 10)
    report = RunReport("sim:tiny", TINY, 1e6, 200, layers)
    assert report.descriptors == (*runs, runs[1])
    assert (report.macs, report.mac_cycles) == (1280, 160)
    assert (report.stall_input, report.stall_weights, report.stall_output) == (11, 16, 8)
    assert (report.read_beats, report.write_beats) == (110, 40)
    assert report.utilisation == 1280 / (200 * 32)
    assert report.seconds == 200e-6


def test_report_without_cycles_claims_no_speed() -> None:
    report = RunReport("model:tiny", TINY, 1e6, 0, ())
    assert report.utilisation is None
    assert report.seconds is None
