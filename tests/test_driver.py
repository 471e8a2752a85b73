# SPDX-License-Identifier: Apache-2.0
"""The driver on the functional model: results, bad input, and boards that misbehave."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from random_layers import BAD_FIELDS, Convolution, convolutions_on_arrays

import lineconv
from lineconv import bus, errors, regs
from lineconv.driver import Accelerator
from lineconv.errors import (
    BitstreamMismatchError,
    DeviceError,
    InvalidInputError,
    InvalidLayerError,
    InvalidTensorError,
    ProgramError,
    RunTimeoutError,
    UnknownDeviceError,
)
from lineconv.layer import ConvLayer
from lineconv.model_board import ModelBoard, ModelBuffer
from lineconv.presets import PRESETS, Array
from lineconv.tiling import tile_layer

TINY = PRESETS["tiny"].array
INTERFACE = Path(__file__).resolve().parents[1] / "rtl" / "regs" / "interface.toml"

X = np.arange(-60, 60, dtype=np.int8).reshape(1, 4, 5, 6)
W = np.arange(-54, 54, dtype=np.int8).reshape(3, 4, 3, 3)
BIAS = np.array([7, -7, 0], np.int32)


def accelerator(board: ModelBoard, *, interrupt: bool = True, timeout_s: float = 5) -> Accelerator:
    return Accelerator(
        board,
        board,
        wait=board.wait if interrupt else None,
        clock_hz=1e8,
        name="test",
        timeout_s=timeout_s,
        simulated=True,
    )


@settings(max_examples=200, deadline=None)
@given(convolutions_on_arrays(max_macs=1_000_000))
def test_equals_golden(drawn: tuple[Convolution, Array]) -> None:
    convolution, array = drawn
    board = ModelBoard(array)
    y = accelerator(board).conv2d(**convolution.arguments())
    expected = convolution.expected()
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    assert (y == expected).all()
    assert not board.buffers


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize(
    ("name", "width", "stripes"),
    [("pynq-z2", 40, 1), ("pynq-z2", 9000, 3), ("tiny", 100, 1), ("tiny", 200, 2)],
)
def test_folded_layer_equals_golden(name: str, width: int, stripes: int, dtype: type[Any]) -> None:
    """Every pad is another one, and height and width differ in all else."""
    layer = ConvLayer(
        in_channels=3,
        out_channels=20,
        in_height=9,
        in_width=width,
        kernel=(5, 3),
        stride=(2, 1),
        dilation=(2, 1),
        padding=((3, 1), (0, 2)),
        x_zero_point=-77,
        y_zero_point=5,
        output=regs.OutputType.INT8,
    )
    convolution = Convolution(layer, batch=2, unsigned=dtype is np.uint8, seed=width)
    array = PRESETS[name].array
    tiling = tile_layer(layer, array)
    assert (tiling.folded, len(tiling.tiles)) == (True, stripes)
    device = accelerator(ModelBoard(array))
    assert (device.conv2d(**convolution.arguments()) == convolution.expected()).all()


@pytest.mark.parametrize("interrupt", [True, False])
def test_same_result_with_and_without_interrupt(interrupt: bool) -> None:
    y = accelerator(ModelBoard(TINY), interrupt=interrupt).conv2d(X, W, BIAS)
    assert y.dtype == np.int32
    assert y.shape == (1, 3, 3, 4)
    # x[0] is the first pixel's window; written out so that golden is not needed to see it.
    assert y[0, 0, 0, 0] == int((X[0, :, :3, :3].astype(int) * W[0].astype(int)).sum()) + 7


def test_interrupt_is_acknowledged() -> None:
    board = ModelBoard(TINY)
    accelerator(board).conv2d(X, W)
    assert board.read(regs.GIER) == 1
    assert not board.wait(0)
    assert board.read(regs.CTRL) == bus.AP_IDLE


def test_window_is_just_the_block() -> None:
    board = ModelBoard(TINY)
    accelerator(board).conv2d(X, W)
    base, last = board.read(regs.WINDOW_BASE_1), board.read(regs.WINDOW_LAST_1)
    assert base == board.read(regs.PROGRAM_1)
    # Descriptor; 8 + 12 x 4 beats of weights; 5 rows of 24 bytes; 3 of 48. To multiples of 256.
    assert last - base + 1 == 256 + 512 + 256 + 144


def test_image_without_batch_axis() -> None:
    device = accelerator(ModelBoard(TINY))
    assert (device.conv2d(X[0], W, BIAS) == device.conv2d(X, W, BIAS)[0]).all()


def test_modes_by_name() -> None:
    device = accelerator(ModelBoard(TINY))
    by_name = device.conv2d(
        X, W, scale=0.01, rounding="floor", overflow="WRAP", output_type="uint8"
    )
    by_member = device.conv2d(
        X,
        W,
        scale=np.full(3, 0.01, np.float32),
        rounding=regs.Rounding.FLOOR,
        overflow=regs.Overflow.WRAP,
        output_type=regs.OutputType.UINT8,
    )
    assert by_name.dtype == np.uint8
    assert (by_name == by_member).all()


def test_last_run_is_the_measurement() -> None:
    device = accelerator(ModelBoard(TINY))
    assert device.last_run is None
    device.conv2d(np.repeat(X, 2, 0), W)
    run = device.last_run
    assert run is not None
    assert run.device == "test"
    assert len(run.descriptors) == 2
    assert run.macs == 2 * 12 * 3 * 36
    # Two pixels side by side see 3 rows of 4 columns of 4 channels: 3 x 4 words.
    assert run.mac_cycles == 2 * (3 * 2) * (3 * 4)


def zeros(*shape: int, dtype: Any = np.int8) -> npt.NDArray[Any]:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"x": X.astype(np.int32)},
            InvalidTensorError,
            "x must be a NumPy array of int8 or uint8, got int32",
        ),
        ({"x": X.tolist()}, InvalidTensorError, "int8 or uint8, got list"),
        ({"x": zeros(4, 5)}, InvalidTensorError, "x must have 4 axes, got shape (4, 5)"),
        ({"x": zeros(0, 4, 5, 6)}, InvalidTensorError, "at least one image"),
        ({"x": zeros(1, 4, 0, 6)}, InvalidLayerError, "in_height must be at least 1, got 0"),
        ({"x": zeros(1, 3, 5, 6)}, InvalidLayerError, "x has 3 channels but w expects 4"),
        (
            {"w": W.astype(np.uint8)},
            InvalidTensorError,
            "w must be a NumPy array of int8, got uint8",
        ),
        ({"w": zeros(3, 4, 3)}, InvalidTensorError, "w must have 4 axes"),
        ({"w": zeros(3, 4, 17, 1)}, InvalidLayerError, "kernel height must be in 1..16, got 17"),
        ({"w": zeros(3, 4, 6, 1)}, InvalidLayerError, "more than the padded input height 5"),
        ({"bias": BIAS.astype(np.int64)}, InvalidTensorError, "array of int32, got int64"),
        ({"bias": zeros(4, dtype=np.int32)}, InvalidTensorError, "bias must have shape (3,)"),
        ({"bias": zeros(3, 1, dtype=np.int32)}, InvalidTensorError, "bias must have 1 axes"),
        ({"stride": 9}, InvalidLayerError, "stride must be in 1..8, got 9"),
        ({"stride": (1, 2, 3)}, InvalidLayerError, "stride must be an integer or a pair"),
        ({"stride": 1.5}, InvalidLayerError, "stride must be an integer, got 1.5"),
        ({"padding": -1}, InvalidLayerError, "padding must be at least 0, got -1"),
        ({"padding": "full"}, InvalidLayerError, "padding must be 'same' or 'valid'"),
        ({"dilation": 0}, InvalidLayerError, "dilation must be at least 1, got 0"),
        ({"groups": 3}, InvalidLayerError, "x has 4 channels but w expects 4 in each of 3"),
        ({"groups": 0}, InvalidLayerError, "groups must be at least 1, got 0"),
        ({"x_zero_point": 128}, InvalidLayerError, "x_zero_point must be in -128..127, got 128"),
        (
            {"x": X.view(np.uint8), "x_zero_point": -1},
            InvalidLayerError,
            "x_zero_point must be an integer in 0..255 for uint8, got -1",
        ),
        (
            {"x": X.view(np.uint8), "x_zero_point": 1.5},
            InvalidLayerError,
            "x_zero_point must be an integer in 0..255 for uint8, got 1.5",
        ),
        ({"scale": np.inf}, InvalidTensorError, "scale must be finite"),
        ({"scale": 1e39}, InvalidTensorError, "scale must be finite in float32, got 1e+39"),
        ({"scale": "big"}, InvalidTensorError, "scale must be numbers, got 'big'"),
        ({"scale": np.ones(4)}, InvalidTensorError, "shape (3,), got shape (4,)"),
        ({"scale": np.ones((3, 1))}, InvalidTensorError, "got shape (3, 1)"),
        ({"y_zero_point": 1}, InvalidLayerError, "INT32 output needs y_zero_point=0"),
        ({"clamp": (0, 5)}, InvalidLayerError, "INT32 output needs y_zero_point=0 and clamp=None"),
        (
            {"scale": 1.0, "y_zero_point": 128},
            InvalidLayerError,
            "y_zero_point must be in -128..127, got 128",
        ),
        ({"scale": 1.0, "clamp": (5, 4)}, InvalidLayerError, "low <= high, got (5, 4)"),
        ({"scale": 1.0, "clamp": (0, 200)}, InvalidLayerError, "clamp must be in -128..127"),
        ({"rounding": "up"}, InvalidLayerError, "rounding must be one of 'half_even', 'half_up'"),
        ({"overflow": 1}, InvalidLayerError, "overflow must be one of 'saturate'"),
        ({"output_type": "int16"}, InvalidLayerError, "output_type must be one of 'int8'"),
        ({"output_type": "int8"}, InvalidLayerError, "INT8 needs a scale, got None"),
        (
            {"output_type": "int32", "scale": 1.0},
            InvalidLayerError,
            "INT32 is not scaled: it needs scale=None",
        ),
    ],
)
def test_bad_input(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    board = ModelBoard(TINY)
    device = accelerator(board)
    arguments: dict[str, Any] = {"x": X, "w": W, "bias": BIAS}
    with pytest.raises(error, match=re.escape(message)) as caught:
        device.conv2d(**(arguments | changes))
    assert isinstance(caught.value, InvalidInputError)
    assert not board.buffers
    assert device.last_run is None


class CorruptingBoard(ModelBoard):
    """Changes a field of one descriptor on its way to the engine."""

    def __init__(self, field: str, value: int) -> None:
        super().__init__(TINY)
        self.change: tuple[str, int] | None = (field, value)

    def run(self) -> None:
        if self.change is not None:
            field, value = self.change
            address = self.read(regs.PROGRAM_1) + regs.DESCRIPTOR_BYTES
            self.view(address, regs.DESCRIPTOR_BYTES).view(regs.DESCRIPTOR)[0][field] = value
        super().run()


@pytest.mark.parametrize(("field", "value", "name"), BAD_FIELDS)
def test_refused_program(field: str, value: int, name: str) -> None:
    board = CorruptingBoard(field, value)
    device = accelerator(board)
    x = np.repeat(X, 3, 0)
    with pytest.raises(ProgramError, match=f"descriptor 1: {name}") as caught:
        device.conv2d(x, W)
    assert (caught.value.name, caught.value.index) == (name, 1)
    assert caught.value.code == regs.Error[name]
    assert not board.buffers
    board.change = None
    assert device.conv2d(x, W).shape == (3, 3, 3, 4)


class HangingBoard(ModelBoard):
    """Never ends a run until it is reset; then works."""

    def __init__(self) -> None:
        super().__init__(TINY)
        self.hangs = True
        self.resets = 0

    def run(self) -> None:
        if not self.hangs:
            super().run()

    def read(self, offset: int) -> int:
        return 0 if self.hangs and offset == regs.CTRL else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == regs.SOFT_RESET:
            self.hangs = False
            self.resets += 1
        super().write(offset, value)


@pytest.mark.parametrize("interrupt", [True, False])
def test_hanging_run_is_reset(interrupt: bool) -> None:
    board = HangingBoard()
    device = accelerator(board, interrupt=interrupt, timeout_s=0.01)
    with pytest.raises(RunTimeoutError, match=r"test: 1 descriptor\(s\) .* 0\.01 s") as caught:
        device.conv2d(X, W)
    assert isinstance(caught.value, TimeoutError)
    assert (board.resets, board.buffers) == (1, [])
    assert device.conv2d(X, W).shape == (1, 3, 3, 4)


def test_interrupted_wait_resets_the_engine() -> None:
    board = HangingBoard()

    def wait(timeout_s: float) -> bool:
        raise KeyboardInterrupt

    device = Accelerator(board, board, clock_hz=1, wait=wait)
    with pytest.raises(KeyboardInterrupt):
        device.conv2d(X, W)
    assert (board.resets, board.buffers) == (1, [])


def test_lost_interrupt_does_not_lose_the_result() -> None:
    board = ModelBoard(TINY)
    device = Accelerator(board, board, clock_hz=1, wait=lambda timeout_s: False)
    assert device.conv2d(X, W).shape == (1, 3, 3, 4)


class FullBoard(ModelBoard):
    def allocate(self, nbytes: int) -> ModelBuffer:
        raise MemoryError(f"{nbytes} bytes")


def test_no_memory() -> None:
    with pytest.raises(MemoryError):
        accelerator(FullBoard(TINY)).conv2d(X, W)


class OddBoard(ModelBoard):
    """Reports some registers wrongly."""

    def __init__(self, values: dict[int, int]) -> None:
        super().__init__(TINY)
        self.values = values

    def read(self, offset: int) -> int:
        return self.values[offset] if offset in self.values else super().read(offset)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (regs.MAGIC, 0xFFFFFFFF, "MAGIC reads 0xffffffff, a lineconv engine has 0x4c434e56"),
        (regs.MAGIC, 0, "MAGIC reads 0x00000000"),
        (regs.VERSION, 0x00030003, r"interface version 3\.3, this package drives 2\.x"),
        (regs.LANES, 0, "impossible size: input_lanes is 0"),
        (regs.LANES, 4 | 12 << 16, "output_lanes is 12"),
        (regs.WEIGHT_WORDS, 0, "weight_words is 0"),
        (regs.LINE_BUFFER_BEATS, 0, "line_buffer_beats is 0"),
        (regs.MEMORY, 4 | 32 << 8 | 128 << 16, "beat_bytes is 4"),
        (regs.MEMORY, 8 | 32 << 8 | 99 << 16, "99 parameter slices, this package expects 128"),
        (regs.VECTOR, 12, "vector_lanes is 12"),
    ],
)
def test_other_bitstream(offset: int, value: int, message: str) -> None:
    with pytest.raises(BitstreamMismatchError, match=message):
        accelerator(OddBoard({offset: value}))


def test_newer_minor_version_is_welcome() -> None:
    assert accelerator(OddBoard({regs.VERSION: 0x00020007})).array == TINY


class LateBoard(ModelBoard):
    """Says who it is only after its first run, as the HLS core does."""

    ran = False

    def run(self) -> None:
        self.ran = True
        super().run()

    def read(self, offset: int) -> int:
        return super().read(offset) if self.ran or offset < regs.MAGIC else 0


def test_core_that_publishes_its_identity_by_running() -> None:
    assert accelerator(LateBoard(TINY)).conv2d(X, W).shape == (1, 3, 3, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({regs.STATUS: 99, regs.FAILED_INDEX: 4}, r"descriptor 4: UNKNOWN \(code 99\)"),
        ({regs.COMPLETED: 0}, "0 of 1 descriptors ran"),
    ],
)
def test_nonsense_from_the_engine(values: dict[int, int], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        accelerator(OddBoard(values)).conv2d(X, W)


def test_constants_are_those_of_the_register_map() -> None:
    magic = re.search(r"^magic = (0x\w+)", INTERFACE.read_text(), re.MULTILINE)
    assert magic is not None
    assert int(magic[1], 16) == regs.IDENTITY
    control = next(register for register in regs.REGISTERS if register.offset == regs.CTRL)
    for field in control.fields:
        if field.name.startswith("AP_"):
            assert getattr(bus, field.name) == 1 << field.lsb


def test_open_by_name() -> None:
    with lineconv.open("model:tiny") as device:
        assert device.name == "model:tiny"
        assert device.array == TINY
        assert device.simulated
    assert lineconv.open("model").name == "model:pynq-z2"
    names = {info.name for info in lineconv.devices()}
    assert names >= {f"{family}:{name}" for family in ("sim", "model") for name in PRESETS}


@pytest.mark.parametrize("name", ["", "model:zcu", "fpga", "model:tiny:2", "MODEL"])
def test_unknown_device_lists_the_known(name: str) -> None:
    with pytest.raises(UnknownDeviceError, match=f"{name!r}.*sim:pynq-z2.*model:tiny"):
        lineconv.open(name)


def test_close_gives_the_device_back_once() -> None:
    closed: list[str] = []
    board = ModelBoard(TINY)
    close: Callable[[], None] = lambda: closed.append("closed")  # noqa: E731
    with Accelerator(board, board, clock_hz=1, close=close) as device:
        assert not closed
    device.close()
    assert closed == ["closed"]


def test_public_names() -> None:
    assert lineconv.errors is errors
    assert lineconv.__version__ == "0.1.0"
    for name in lineconv.__all__:
        assert hasattr(lineconv, name)
