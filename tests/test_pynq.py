# SPDX-License-Identifier: Apache-2.0
"""pynq on the virtual device: overlay, driver, memory and interrupt as on a board."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from layer_chain import expected, random_operands
from random_layers import Convolution, convolutions
from small_network import feed, small_graph, small_network

import lineconv
from lineconv import hwh, regs
from lineconv.aligned import AlignedBuffer
from lineconv.axi_intc import AxiIntc
from lineconv.errors import (
    BitstreamMismatchError,
    DeviceError,
    InvalidFileError,
    InvalidInputError,
    ProgramError,
    RunTimeoutError,
    UnknownDeviceError,
)
from lineconv.layer import ConvLayer
from lineconv.model_board import ModelBoard, ModelBuffer
from lineconv.presets import PRESETS
from lineconv.virtual_board import toolchain

pynq = pytest.importorskip("pynq")
warnings.filterwarnings("ignore", category=DeprecationWarning, module="pynq")

from lineconv import pynq_device  # noqa: E402  # needs pynq
from lineconv.overlay import LineconvIP, _Allocator, open_overlay  # noqa: E402

try:
    toolchain.find()
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

VIRTUAL = Path(__file__).resolve().parents[1] / "bitstreams" / "virtual"
BITFILE = str(VIRTUAL / "lineconv.bit")
TINY = PRESETS["tiny"]
X = np.arange(-120, 120, dtype=np.int8).reshape(1, 4, 6, 10)
W = np.arange(-54, 54, dtype=np.int8).reshape(3, 4, 3, 3)
LONG = np.resize(X, (1, 4, 90, 90))  # for a run that is not over at the first look


class ModelBackend(ModelBoard):
    """The functional model as a board of the virtual device: memory as the engine sees it."""

    interrupt = property(lambda self: self.wait(0))

    def allocate(self, nbytes: int) -> ModelBuffer:
        buffer = super().allocate(nbytes)
        buffer.array = buffer.engine
        return buffer

    def wait_interrupt(self, timeout_cycles: int) -> bool:
        return self.wait(0)

    def reset(self) -> None:
        super().__init__(self.array)


@pytest.fixture(autouse=True)
def _active_device() -> Iterator[None]:
    """Each test gets a fresh pynq without an active device."""
    yield
    for name in ("_active_device", "_devices"):
        if name in vars(pynq.Device):
            delattr(pynq.Device, name)


@pytest.fixture(params=["strict", "shared"])
def device(request: pytest.FixtureRequest) -> pynq_device.VirtualDevice:
    return pynq_device.use("tiny", cache=request.param)


def model_device(**options: Any) -> pynq_device.VirtualDevice:
    return pynq_device.use("tiny", board=lambda: ModelBackend(TINY.array), **options)


def engine(bitfile: str = BITFILE) -> Any:
    return pynq.Overlay(bitfile).lineconv_0


def convolution(x: npt.NDArray[np.int8] = X) -> npt.NDArray[np.int32]:
    """What x and W give, by nothing but NumPy."""
    windows: Any = np.lib.stride_tricks.sliding_window_view(
        x.astype(np.int32),
        (3, 3),
        axis=(2, 3),  # type: ignore[call-overload]
    )
    y: npt.NDArray[np.int32] = np.einsum("nchwij,ocij->nohw", windows, W.astype(np.int32))
    return y


# Driver ---------------------------------------------------------------------------------------


def test_overlay_binds_the_driver(device: pynq_device.VirtualDevice) -> None:
    overlay = pynq.Overlay(BITFILE)
    assert overlay.is_loaded()
    accelerator = overlay.lineconv_0
    assert isinstance(accelerator, LineconvIP)
    assert accelerator.array == TINY.array
    assert accelerator.clock_hz == TINY.clock_hz
    assert accelerator.simulated
    np.testing.assert_array_equal(accelerator.conv2d(X, W), convolution())
    assert accelerator.last_run is not None
    assert accelerator.last_run.cycles > 0
    assert accelerator.last_run.device == "virtual/lineconv_0"


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(convolution=convolutions(max_macs=50_000))
def test_equals_golden(device: pynq_device.VirtualDevice, convolution: Convolution) -> None:
    y = engine().conv2d(**convolution.arguments())
    np.testing.assert_array_equal(y, convolution.expected())


def test_progress_does_not_lose_the_interrupt(device: pynq_device.VirtualDevice) -> None:
    """Each report cuts off pynq's wait for the interrupt."""
    layer = ConvLayer(8, 8, 20, 20, (3, 3))
    layers = [random_operands(layer, np.random.default_rng(2), batch=8)]
    done: list[int] = []
    (y,) = engine().run_layers(layers, progress=done.append)
    np.testing.assert_array_equal(y, expected(layers)[0])
    assert done
    assert done == sorted(set(done))
    assert set(done) <= {images * layer.macs for images in range(1, 9)}


def test_network(device: pynq_device.VirtualDevice) -> None:
    """Two programs with host layers around them; only what changed is flushed."""
    accelerator, network = engine(), small_network("tiny")
    accelerator.load(network)
    for seed in range(2):
        y = accelerator.run(network, feed(seed=seed), profile=True)
        for name, right in small_graph().run(feed(seed=seed)).items():
            np.testing.assert_array_equal(y[name], right)
    assert accelerator.last_run is not None
    assert all(layer.cycles > 0 for layer in accelerator.last_run.layers)
    accelerator.close()


def test_zynqmp(tmp_path: Path) -> None:
    model_device()
    hwh.write(tmp_path, "zynqmp")
    y = engine(str(tmp_path / "lineconv.bit")).conv2d(X, W)
    np.testing.assert_array_equal(y, convolution())


def test_register_map(device: pynq_device.VirtualDevice) -> None:
    accelerator = engine()
    register_map = accelerator.register_map
    assert int(register_map.MAGIC) == regs.IDENTITY
    assert int(register_map.LANES) & 0xFFFF == TINY.array.input_lanes
    assert register_map.CTRL.AP_IDLE == 1
    register_map.DESCRIPTOR_COUNT = 7
    assert accelerator.read(regs.DESCRIPTOR_COUNT) == 7
    names = {register.name for register in regs.REGISTERS}
    assert names <= set(dir(register_map))


def test_program_error() -> None:
    device = pynq_device.use("tiny")
    accelerator = engine()
    expected = accelerator.conv2d(X, W)
    # The driver's block is the first of the memory, its weights follow the descriptor.
    device.board.add_fault(0x1000_0000 + 256, 64, "slverr")  # type: ignore[attr-defined]
    with pytest.raises(ProgramError, match="READ_ERROR"):
        accelerator.conv2d(X, W)
    device.board.clear_faults()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(accelerator.conv2d(X, W), expected)


def test_timeout_resets_the_engine() -> None:
    pynq_device.use("tiny")
    accelerator = engine()
    accelerator.timeout_s = 1e-3  # of wall-clock time, too short to simulate this
    with pytest.raises(RunTimeoutError, match="has been reset"):
        accelerator.conv2d(LONG, W)
    accelerator.timeout_s = 60
    for x in (X, LONG):  # the interrupt that nobody waits for any more does no harm
        np.testing.assert_array_equal(accelerator.conv2d(x, W), convolution(x))


def test_loading_an_overlay_resets_the_engine() -> None:
    device = pynq_device.use("tiny")
    accelerator = engine()
    accelerator.write(regs.DESCRIPTOR_COUNT, 7)
    buffer = pynq.allocate(4)
    buffer[:] = 5
    buffer.flush()
    overlay = pynq.Overlay(BITFILE)
    assert overlay.lineconv_0.read(regs.DESCRIPTOR_COUNT) == 0
    assert device.board.memory[:16].view("u4").tolist() == [5] * 4  # type: ignore[attr-defined]


# Memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgotten", ["flush", "invalidate"])
def test_strict_cache_shows_what_was_forgotten(
    monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    pynq_device.use("tiny")
    accelerator = engine()
    monkeypatch.setattr(pynq_device.VirtualDevice, forgotten, lambda *arguments: None)
    if forgotten == "flush":  # the engine finds 0xA5 where the program should be
        with pytest.raises(ProgramError, match="BAD_KIND"):
            accelerator.conv2d(X, W)
    else:
        assert (accelerator.conv2d(X, W) == 0).all()


def test_shared_cache_needs_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    pynq_device.use("tiny", cache="shared")
    accelerator = engine()
    for name in ("flush", "invalidate"):
        monkeypatch.setattr(pynq_device.VirtualDevice, name, lambda *arguments: None)
    np.testing.assert_array_equal(accelerator.conv2d(X, W), convolution())


def test_views_are_synchronised_alone() -> None:
    device = pynq_device.use("tiny")
    buffer = pynq.allocate((4, 8), "u2")
    assert device.board.memory[:64].tolist() == [0xA5] * 64  # type: ignore[attr-defined]
    row = buffer[1:2]
    row[:] = 0x1234
    buffer[2] = 0x5678
    assert row.device_address == buffer.device_address + 16
    row.flush()
    seen = device.board.memory[:64].view("u2")  # type: ignore[attr-defined]
    assert seen.tolist() == [0xA5A5] * 8 + [0x1234] * 8 + [0xA5A5] * 16
    buffer.invalidate()
    assert (buffer[2] == 0xA5A5).all()


def test_part_of_a_buffer_of_the_driver() -> None:
    device = pynq_device.use("tiny")
    buffer = AlignedBuffer(_Allocator(device), 64)
    skip = buffer.address - device.board.base_address  # type: ignore[attr-defined]
    seen = device.board.memory[skip : skip + 64]  # type: ignore[attr-defined]
    buffer.array[:] = 5
    buffer.flush(8, 16)
    assert seen.tolist() == [0xA5] * 8 + [5] * 8 + [0xA5] * 48
    buffer.invalidate(4, 12)
    assert buffer.array.tolist() == [5] * 4 + [0xA5] * 4 + [5] * 56


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_memory_is_returned() -> None:
    device = model_device()
    accelerator = engine()
    accelerator.conv2d(X, W)
    with pytest.raises(ValueError, match="shape"):
        accelerator.conv2d(X[0, 0], W)
    with pynq.allocate(16) as scoped:
        assert len(device.board.buffers) == 1  # type: ignore[attr-defined]
    kept = pynq.allocate((2, 3))
    del scoped, kept  # whose finalizers must not fail either
    assert not device.board.buffers  # type: ignore[attr-defined]


def test_out_of_memory() -> None:
    pynq_device.use("tiny")
    with pytest.raises(MemoryError, match="in one piece"):
        pynq.allocate(1 << 30, "u1")


# Interrupt ------------------------------------------------------------------------------------


def test_waits_by_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a running loop: pynq's interrupt is awaited, and again for the second run."""
    pynq_device.use("tiny")
    accelerator = engine()
    expected = convolution(LONG)
    waits: list[Any] = []
    wait = pynq.Interrupt.wait

    async def counted(self: Any) -> None:
        waits.append(self)
        await wait(self)

    monkeypatch.setattr(pynq.Interrupt, "wait", counted)
    for _ in range(3):
        waits.clear()
        np.testing.assert_array_equal(accelerator.conv2d(LONG, W), expected)
        assert waits


def never(self: Any) -> None:
    raise AssertionError("waits for an interrupt of another loop")


def test_polls_in_a_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Jupyter, where the loop runs the cell and cannot be run from it."""
    pynq_device.use("tiny")

    async def cell(make: Callable[[], Any]) -> None:
        monkeypatch.setattr(pynq.Interrupt, "wait", never)
        np.testing.assert_array_equal(make().conv2d(X, W), convolution())

    accelerator = engine()
    asyncio.run(cell(lambda: accelerator))
    asyncio.run(cell(engine))


def test_driver_made_in_a_loop_that_ended() -> None:
    pynq_device.use("tiny")

    async def make() -> Any:
        return engine()

    accelerator = asyncio.run(make())
    np.testing.assert_array_equal(accelerator.conv2d(X, W), convolution())


def test_in_another_thread() -> None:
    pynq_device.use("tiny")
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(engine().conv2d(X, W)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0], convolution())


def test_interrupt_can_be_awaited() -> None:
    """By a user, with nothing but pynq: start, await, acknowledge."""
    pynq_device.use("tiny")

    async def run() -> int:
        accelerator = engine()
        accelerator.write(regs.DESCRIPTOR_COUNT, 0)
        accelerator.write(regs.GIER, 1)
        accelerator.write(regs.IP_IER, 1)
        accelerator.write(regs.CTRL, 1)
        await asyncio.wait_for(accelerator.interrupt.wait(), 30)
        pending: int = accelerator.read(regs.IP_ISR)
        accelerator.write(regs.IP_ISR, pending)
        return pending

    assert asyncio.run(run()) == 1


def test_interrupt_controller() -> None:
    """A level is latched; it calls while enabled, until it is low and then acknowledged."""
    controller = AxiIntc()
    controller.write(0x1C, 3, level=False)  # MER
    assert not controller.request(level=True)
    controller.write(0x10, 1, level=False)  # SIE
    assert controller.request(level=False)
    assert controller.read(0x04, level=False) == 1  # IPR
    controller.write(0x0C, 1, level=True)  # IAR, too early
    assert controller.request(level=False)
    controller.write(0x0C, 1, level=False)
    assert not controller.request(level=False)
    controller.write(0x14, 1, level=True)  # CIE
    assert not controller.request(level=True)
    assert controller.read(0x00, level=True) == 1  # ISR
    assert controller.read(0x04, level=True) == 0


def test_without_interrupt_controller(tmp_path: Path) -> None:
    pynq_device.use("tiny")
    design = ElementTree.fromstring(hwh.describe())
    for parent in list(design.iter()):
        for child in list(parent):
            if child.get("INSTANCE") == hwh.INTERRUPT_CONTROLLER:
                parent.remove(child)
    ElementTree.ElementTree(design).write(tmp_path / "lineconv.hwh")
    (tmp_path / "lineconv.bit").write_bytes(hwh.dummy_bit())
    accelerator = engine(str(tmp_path / "lineconv.bit"))
    assert not hasattr(accelerator, "interrupt")
    np.testing.assert_array_equal(accelerator.conv2d(X, W), convolution())


# Overlays that do not fit ---------------------------------------------------------------------


def overlay_with(directory: Path, vlnv: str) -> str:
    hwh.write(directory)
    (directory / "lineconv.hwh").write_text(hwh.describe(vlnv=vlnv))
    return str(directory / "lineconv.bit")


def test_open_overlay() -> None:
    model_device()
    np.testing.assert_array_equal(open_overlay(BITFILE).conv2d(X, W), convolution())
    np.testing.assert_array_equal(lineconv.open(f"pynq:{BITFILE}").conv2d(X, W), convolution())


@pytest.mark.filterwarnings("ignore:IP lineconv_0 is of type")  # pynq tells it as well
@pytest.mark.parametrize(
    ("vlnv", "message"),
    [
        (
            "lineconv.org:ip:lineconv:0.9",
            "holds lineconv.org:ip:lineconv:0.9, this package drives .*:2.0: update the older",
        ),
        ("xilinx.com:hls:fir:1.0", "no lineconv.org:ip:lineconv:2.0 but .*xilinx.com:hls:fir:1.0"),
    ],
)
def test_foreign_overlay(tmp_path: Path, vlnv: str, message: str) -> None:
    model_device()
    running = pynq.Overlay(BITFILE)
    with pytest.raises(BitstreamMismatchError, match=message):
        open_overlay(overlay_with(tmp_path, vlnv))
    assert running.lineconv_0.read(regs.MAGIC) == regs.IDENTITY  # was not replaced


@pytest.mark.filterwarnings("ignore:No devices found")
def test_open_overlay_without_any_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fpga0").mkdir()  # a board, but pynq's environment is missing
    monkeypatch.setattr(pynq_device, "_PL_MANAGER", tmp_path)
    with pytest.raises(DeviceError, match=r"lineconv\.bit cannot be loaded: No Devices Found"):
        open_overlay("lineconv.bit")


def test_device_refuses_what_it_cannot_simulate(tmp_path: Path) -> None:
    model_device()
    with pytest.raises(DeviceError, match=r"not xilinx\.com:hls:fir:1\.0"):
        pynq.Overlay(overlay_with(tmp_path, "xilinx.com:hls:fir:1.0"))


def test_missing_files(tmp_path: Path) -> None:
    model_device()
    bit, description = tmp_path / "lineconv.bit", tmp_path / "lineconv.hwh"
    with pytest.raises(UnknownDeviceError, match=r"lineconv\.bit"):
        open_overlay(str(bit))
    bit.write_bytes(hwh.dummy_bit())
    with pytest.raises(InvalidFileError, match=r"lineconv\.hwh: no such file"):
        open_overlay(str(bit))
    description.write_text("<EDKSYSTEM>")
    with pytest.raises(InvalidFileError, match="no hardware description"):
        open_overlay(str(bit))


def test_bad_arguments() -> None:
    with pytest.raises(InvalidInputError, match="no preset 'huge'"):
        pynq_device.use("huge")
    with pytest.raises(InvalidInputError, match="cache is 'lazy'"):
        pynq_device.use(cache="lazy")  # type: ignore[arg-type]


def test_no_register_before_an_overlay() -> None:
    with pytest.raises(DeviceError, match="no register at 0x40000000"):
        model_device().read_registers(0x4000_0000, 4)


# Discovery and files --------------------------------------------------------------------------


@pytest.mark.parametrize("board", [True, False])
def test_probed_only_without_a_board(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, board: bool
) -> None:
    if board:
        (tmp_path / "fpga0").mkdir()
    monkeypatch.setattr(pynq_device, "_PL_MANAGER", tmp_path)
    monkeypatch.setenv("LINECONV_PRESET", "tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq's about the missing board
        found = pynq.Device.devices
    assert [type(device) for device in found] == ([] if board else [pynq_device.VirtualDevice])


def test_committed_files_are_fresh(tmp_path: Path) -> None:
    """`python -m lineconv.hwh --output bitstreams/virtual` writes them."""
    for path in hwh.write(tmp_path):
        assert (VIRTUAL / path.name).read_bytes() == path.read_bytes()


def test_no_register_name_breaks_the_register_map() -> None:
    """pynq's Register has attributes of these names, which a field would hide."""
    names = {field.name.lower() for register in regs.REGISTERS for field in register.fields}
    names |= {register.name.lower() for register in regs.REGISTERS}
    assert not names & {"width", "address", "access", "debug"}
