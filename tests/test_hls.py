# SPDX-License-Identifier: Apache-2.0
"""The HLS core in C simulation: results, memory, errors, registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from random_descriptors import ARRAYS, draw_program
from random_layers import BAD_FIELDS, Convolution, convolutions
from raw_programs import require_same_answer, start_program

from lineconv import hls_model, regs
from lineconv.bus import AP_DONE, AP_IDLE, AP_READY, AP_START
from lineconv.checker import Window
from lineconv.driver import Accelerator
from lineconv.errors import ProgramError
from lineconv.executor import Outcome
from lineconv.hls_model import HlsBoard
from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS, Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Error, Kind, OutputType, Overflow, Rounding
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.memory import DEFAULT_BASE_ADDRESS

try:
    hls_model.library(PRESETS["tiny"].array)
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = PRESETS["tiny"].array
MEMORY_BYTES = 8 << 20
BASE = DEFAULT_BASE_ADDRESS

X = np.arange(-60, 60, dtype=np.int8).reshape(1, 4, 5, 6)
W = np.arange(-54, 54, dtype=np.int8).reshape(3, 4, 3, 3)


def accelerator(board: HlsBoard | ModelBoard, *, interrupt: bool = True) -> Accelerator:
    return Accelerator(board, board, wait=board.wait if interrupt else None, clock_hz=1e8)


# Layers through the driver ------------------------------------------------------------------------


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_equals_golden(array: Array) -> None:
    """Results as golden has them; traffic and array cycles as the functional model has them."""
    board, model = HlsBoard(array, MEMORY_BYTES), ModelBoard(array)
    device, model_device = accelerator(board), accelerator(model)

    @settings(max_examples=120, deadline=None)
    @given(convolution=convolutions(max_macs=300_000))
    def check(convolution: Convolution) -> None:
        arguments = convolution.arguments()
        np.testing.assert_array_equal(device.conv2d(**arguments), convolution.expected())
        model_device.conv2d(**arguments)
        assert device.last_run is not None
        assert model_device.last_run is not None
        assert device.last_run.descriptors == model_device.last_run.descriptors

    check()


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("output_type", [OutputType.INT8, OutputType.UINT8])
def test_requantisation(rounding: Rounding, overflow: Overflow, output_type: OutputType) -> None:
    """Weights of 0 make the bias the accumulator: any int32 meets any float32."""
    rng = np.random.default_rng([rounding, overflow, output_type])
    count = 4000
    bias = rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 32, count)
    bias[:6] = -(2**31), 2**31 - 1, -1, 0, 1, 2**24 + 1
    scale = rng.integers(0, 2**32, count, dtype=np.uint32)
    # Half of them where results fill a byte; some powers of 2, which make ties.
    magnitudes = np.float32(100) / np.maximum(np.abs(bias), 1).astype(np.float32)
    scale[::2] = (magnitudes * rng.uniform(-2, 2, count).astype(np.float32)).view(np.uint32)[::2]
    scale[::8] &= np.uint32(0xFF800000)
    # Products just below 2^47, which round up to a power of 2, from 4 down to 1/16.
    bias[6:13] = 2**24 - 2
    scale[6:13] = (
        np.float32(1 + 2**-23) * np.float32(2.0) ** -np.arange(22, 29, dtype=np.float32)
    ).view(np.uint32)
    scale[scale & 0x7F800000 == 0x7F800000] = 1  # the smallest subnormal, for infinity and NaN
    low, high = (0, 255) if output_type is OutputType.UINT8 else (-128, 127)
    arguments: dict[str, Any] = {
        "x": np.ones((1, 1, 1, 1), np.int8),
        "w": np.zeros((count, 1, 1, 1), np.int8),
        "bias": bias.astype(np.int32),
        "scale": scale.view(np.float32),
        "y_zero_point": int(rng.integers(low, high + 1)),
        "clamp": tuple(np.sort(rng.integers(low, high + 1, 2)).tolist()),
        "rounding": rounding,
        "overflow": overflow,
        "output_type": output_type,
    }
    y = accelerator(HlsBoard(TINY, MEMORY_BYTES)).conv2d(**arguments)
    expected = accelerator(ModelBoard(TINY)).conv2d(**arguments)
    np.testing.assert_array_equal(y, expected)


def test_array_meets_every_product() -> None:
    """All pairs of int8, and chains of extremes, in which packed sums are largest."""
    values = np.arange(-128, 128, dtype=np.int8)
    extremes = np.array([-128, 127, -1, 0], np.int8)
    chains = extremes[np.indices((4, 4, 4, 4)).reshape(4, -1)]  # (4, 256)
    device = accelerator(HlsBoard(PRESETS["pynq-z2"].array, MEMORY_BYTES))
    for x, w in ((values[np.newaxis], values[:, np.newaxis]), (chains, chains.T)):
        y = device.conv2d(x.reshape(1, len(x), 1, 256), w.reshape(256, len(x), 1, 1))
        np.testing.assert_array_equal(y[0, :, 0], w.astype(np.int32) @ x.astype(np.int32))


def test_parameters_wait_for_room() -> None:
    """Words of 1 x 1 kernels are few, so the parameters of the next pass run ahead to the limit."""
    array = ARRAYS["13x32"]
    channels = 3 * array.parameter_groups * array.output_lanes
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, 13, 2, 20), dtype=np.int8)
    w = rng.integers(-128, 128, (channels, 13, 1, 1), dtype=np.int8)
    bias = rng.integers(-(2**31), 2**31, channels).astype(np.int32)
    y = accelerator(HlsBoard(array, MEMORY_BYTES)).conv2d(x, w, bias)
    np.testing.assert_array_equal(y, accelerator(ModelBoard(array)).conv2d(x, w, bias))


def test_runs_do_not_touch_each_other() -> None:
    board = HlsBoard(TINY, MEMORY_BYTES)
    device = accelerator(board, interrupt=False)
    first = device.conv2d(X, W)
    other = device.conv2d(np.repeat(X, 3, 0), W[:, :, :1], scale=0.01, stride=2)
    assert other.shape == (3, 3, 3, 2)
    assert (device.conv2d(X, W) == first).all()


# Whole memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_memory_after_a_descriptor(array: Array) -> None:
    """The whole memory is what the functional model makes of it: nothing else is written."""
    rng = np.random.default_rng(array.input_lanes)
    board = HlsBoard(array, 1 << 19)
    for _ in range(150):
        program = draw_program(rng, array, [Kind.CONV], BASE, board.memory.size)
        assert require_same_answer(board, program, array) == Outcome(Error.OK, 1)


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:NumPy will stop:DeprecationWarning")  # of drafts it drops
def test_checks_are_those_of_the_host() -> None:
    """The limits of every field, met exactly, and descriptors with several fields broken."""
    pytest.importorskip("cocotb", reason="the bench of conv_check has the descriptors")
    import descriptors

    array = PRESETS["pynq-z2"].array
    board = HlsBoard(array, MEMORY_BYTES)
    rng = np.random.default_rng(0)
    seen = dict.fromkeys(Error, 0)

    def compare(d: dict[str, int]) -> None:
        window = Window(d["window_base"], d["window_last"])
        expected = descriptors.check(d, array)
        assert board.check(descriptors.descriptor(d), window.base, window.last) is expected, d
        seen[expected] += 1

    for _ in range(40):
        legal = descriptors.draw(rng, array)
        for field in descriptors.MOVED:
            for moved in descriptors.edges(legal, field, array):
                compare(moved)
        for _ in range(20):
            broken = dict(legal)
            for index in rng.integers(len(descriptors.MOVED), size=3):
                name, low, high = descriptors.MOVED[index]
                values = (low, high, min(max(broken[name] - 1, low), high))
                broken[name] = values[rng.integers(3)]
            compare(broken)
    for code in set(Error) - {Error.READ_ERROR, Error.WRITE_ERROR, Error.WATCHDOG}:
        assert seen[code] >= 30, f"{code.name} came up {seen[code]} times"


class CorruptingBoard(HlsBoard):
    """Changes a field of the second descriptor on its way to the engine."""

    change: tuple[str, int] | None = None

    def write(self, offset: int, value: int) -> None:
        if offset == regs.CTRL and self.change is not None:
            self.descriptors(2)[1][self.change[0]] = self.change[1]
        super().write(offset, value)

    def descriptors(self, count: int) -> npt.NDArray[Any]:
        start = self.read(regs.PROGRAM_1) - BASE
        return self.memory[start : start + count * DESCRIPTOR_BYTES].view(DESCRIPTOR)


@pytest.mark.parametrize(("field", "value", "name"), BAD_FIELDS)
def test_refused_descriptor(field: str, value: int, name: str) -> None:
    board = CorruptingBoard(TINY, MEMORY_BYTES)
    device = accelerator(board)
    board.change = (field, value)
    x = np.repeat(X, 3, 0)
    with pytest.raises(ProgramError, match=f"descriptor 1: {name}"):
        device.conv2d(x, W)
    assert board.read(regs.COMPLETED) == 1
    done, refused, untouched = board.descriptors(3)
    assert (done["status"], refused["status"]) == (Error.OK, Error[name])
    assert done["mac_cycles"] > 0
    assert (refused["mac_cycles"], refused["read_beats"], refused["write_beats"]) == (0, 16, 0)
    assert untouched["read_beats"] == 0
    board.change = None
    assert device.conv2d(x, W).shape == (3, 3, 3, 4)


@pytest.mark.parametrize(
    ("program", "window"),
    [
        (BASE + 0x80, Window(BASE, BASE + 0xFFFF)),  # misaligned
        (BASE + 0x100, Window(BASE, BASE + 0x1FE)),  # ends beyond
        (BASE + 0x100, Window(BASE + 0x101, BASE + 0xFFFF)),  # begins before
        (BASE - 0x100, Window(0, 2**64 - 1)),  # the window goes beyond the memory
        (BASE + MEMORY_BYTES, Window(0, 2**64 - 1)),
        (BASE + 2**32, Window(0, 2**64 - 1)),
        (BASE, Window(BASE + 0xFFFF, BASE)),
    ],
)
def test_program_outside_the_window(program: int, window: Window) -> None:
    board = HlsBoard(TINY, MEMORY_BYTES)
    start_program(board, program, 1, window)
    assert board.read(regs.STATUS) == Error.BAD_ADDRESS
    assert (board.read(regs.FAILED_INDEX), board.read(regs.COMPLETED)) == (0, 0)
    assert not board.memory.any()


# Registers ----------------------------------------------------------------------------------------


def test_identity_appears_with_the_first_run() -> None:
    board = HlsBoard(TINY, MEMORY_BYTES)
    assert board.read(regs.MAGIC) == 0
    assert accelerator(board).array == TINY
    assert board.read(regs.MAGIC) == regs.IDENTITY
    assert board.read(regs.CYCLES_1) == board.read(regs.CYCLES_2) == 0


def test_control_register() -> None:
    board = HlsBoard(TINY, MEMORY_BYTES)
    assert board.read(regs.CTRL) == AP_IDLE
    board.write(regs.DESCRIPTOR_COUNT, 0)
    board.write(regs.CTRL, AP_START)
    assert board.read(regs.CTRL) == AP_DONE | AP_IDLE | AP_READY
    assert board.read(regs.CTRL) == AP_IDLE
    assert not board.wait(0)
    board.write(regs.GIER, 1)
    board.write(regs.IP_IER, 1)
    board.write(regs.CTRL, AP_START)
    assert board.wait(0)
    assert board.read(regs.CTRL) & 1 << 9
    board.write(regs.IP_ISR, 1)
    assert not board.wait(0)
    board.write(regs.SOFT_RESET, 1)
    assert board.read(regs.SOFT_RESET) == 0
