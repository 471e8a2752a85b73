# SPDX-License-Identifier: Apache-2.0
"""Compiled networks on a device: results, what is copied and when, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from small_network import feed, small_graph, small_network

import lineconv
from lineconv import regs
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.network import Network, Pack, Segment, Unpack
from lineconv.compiler.view import View
from lineconv.driver import Accelerator
from lineconv.errors import (
    DeviceError,
    InvalidInputError,
    InvalidTensorError,
    NetworkMismatchError,
    ProgramError,
)
from lineconv.graph.layers import Tensor
from lineconv.layer import ConvLayer
from lineconv.model_board import ModelBoard, ModelBuffer
from lineconv.presets import PRESETS

AnyArray = npt.NDArray[Any]


class SpyBuffer(ModelBuffer):
    """Writes down what is synchronised."""

    def __init__(self, board: ModelBoard, address: int, nbytes: int) -> None:
        super().__init__(board, address, nbytes)
        self.flushed: list[tuple[int, int | None]] = []
        self.invalidated: list[tuple[int, int | None]] = []

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        self.flushed.append((start, stop))
        super().flush(start, stop)

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        self.invalidated.append((start, stop))
        super().invalidate(start, stop)


class SpyBoard(ModelBoard):
    """Has spy buffers and counts starts."""

    starts = 0

    def allocate(self, nbytes: int) -> SpyBuffer:
        plain = super().allocate(nbytes)
        self.buffers[-1] = spy = SpyBuffer(self, plain.address, nbytes)
        return spy

    def run(self) -> None:
        self.starts += 1
        super().run()

    @property
    def spies(self) -> list[SpyBuffer]:
        return [buffer for buffer in self.buffers if isinstance(buffer, SpyBuffer)]


def accelerator(board: ModelBoard) -> Accelerator:
    return Accelerator(board, board, clock_hz=1e8, wait=board.wait, name="test")


def expected(images: int = 1, seed: int = 0) -> dict[str, AnyArray]:
    """The graph's outputs, image by image."""
    given, graph = feed(images, seed), small_graph()
    runs = [
        graph.run({name: array[image : image + 1] for name, array in given.items()})
        for image in range(images)
    ]
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def require_equal(found: Any, wanted: dict[str, AnyArray]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(found[name], array, name)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("preset", ["tiny", "pynq-z2"])
def test_equals_the_graph(preset: str, images: int) -> None:
    board = ModelBoard(PRESETS[preset].array)
    network = small_network(preset)
    assert [step.fold is None for step in network.steps if isinstance(step, Pack)] == [False, True]
    with accelerator(board) as device:
        for seed in range(2):
            require_equal(device.run(network, feed(images, seed)), expected(images, seed))
    assert not board.buffers


def test_weights_stay_and_only_changes_are_copied() -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    device, network = accelerator(board), small_network()
    device.load(network)
    (buffer,) = board.spies
    assert buffer.flushed == [(0, network.image.size)]
    assert not buffer.invalidated
    buffer.flushed.clear()
    device.run(network, feed())
    packs = [step.target.view for step in network.steps if isinstance(step, Pack)]
    assert buffer.flushed == [(view.offset, view.offset + view.nbytes) for view in packs]
    outputs = [network.layers[index].output.view for index in (1, 2)]
    assert buffer.invalidated == [(view.offset, view.offset + view.nbytes) for view in outputs]
    device.run(network, feed(), profile=True)
    programs = [(step.offset, step.offset + 256 * step.count) for step in network.segments]
    assert sorted(set(buffer.invalidated[2:])) == sorted({*buffer.invalidated[:2], *programs})
    assert board.spies == [buffer]


def test_one_start_for_each_segment() -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    accelerator(board).run(small_network(), feed(3))
    assert board.starts == 3 * 2


def test_window_is_the_block() -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    network = small_network()
    accelerator(board).run(network, feed())
    (buffer,) = board.spies
    assert board.read(regs.WINDOW_BASE_1) == buffer.address
    assert board.read(regs.WINDOW_LAST_1) == buffer.address + network.nbytes - 1


def test_second_address_of_add_alone_is_relocated() -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    board.allocate(5000)  # so that the block does not start at the first page
    network = small_network()
    image = np.zeros(2 * 256, np.uint8)
    program = image.view(regs.DESCRIPTOR)
    program["kind"] = [regs.Kind.CONV, regs.Kind.ADD]
    fields = ["input_address", "weights_address", "output_address", "second_address"]
    for index, field in enumerate(fields):
        program[field] = [index * 16, index * 16 + 8]
    segment = replace(network.segments[0], offset=0, count=2)
    accelerator(board).load(replace(network, image=image, nbytes=2000, steps=(segment,)))
    buffer = board.spies[-1]
    loaded = buffer.engine[: image.size].view(regs.DESCRIPTOR)
    assert [loaded[field][0] - buffer.address for field in fields[:3]] == [0, 16, 32]
    assert loaded["second_address"][0] == 48
    assert [loaded[field][1] - buffer.address for field in fields] == [8, 24, 40, 56]
    assert not image[-8:].any()


def test_networks_beside_each_other() -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    device = accelerator(board)
    first, second = small_network(), small_network(seed=1)
    device.load(first)
    device.load(second)
    device.load(second)
    assert len(board.buffers) == 2
    other = [layer.name for layer in second.layers]
    require_equal(device.run(first, feed()), expected())
    device.run(second, feed(), profile=True)
    assert device.last_run is not None
    assert [layer.name for layer in device.last_run.layers] == other
    x = np.ones((1, 4, 5, 6), np.int8)
    assert (device.conv2d(x, np.ones((3, 4, 3, 3), np.int8)) == 36).all()
    require_equal(device.run(first, feed()), expected())
    device.unload(first)
    device.unload(first)
    assert len(board.buffers) == 1
    device.close()
    assert not board.buffers


def test_predict_runs_what_was_loaded_last() -> None:
    board = ModelBoard(PRESETS["tiny"].array)
    device = accelerator(board)
    with pytest.raises(DeviceError, match="test: no network is loaded"):
        device.predict(feed())
    networks = small_network(), small_network(seed=1)
    for network in (*networks, networks[0]):
        device.load(network)
    require_equal(device.predict(feed(2)), expected(2))
    with pytest.raises(DeviceError, match="test does not count cycles"):
        device.predict(feed(), profile=True)


def test_another_array() -> None:
    board = ModelBoard(PRESETS["pynq-z2"].array)
    message = r"small was compiled for tiny: Array\(input_lanes=4.*; test has Array\(input_lanes=26"
    with pytest.raises(NetworkMismatchError, match=message) as caught:
        accelerator(board).load(small_network("tiny"))
    assert isinstance(caught.value, InvalidInputError)
    assert not board.buffers


def test_progress() -> None:
    class CountingBoard(ModelBoard):
        """Says after each descriptor that it is done."""

        left = 0

        def run(self) -> None:
            super().run()
            self.left = self.registers[regs.DESCRIPTOR_COUNT]

        def wait(self, timeout_s: float) -> bool:
            self.left -= 1
            count = self.registers[regs.DESCRIPTOR_COUNT]
            self.registers[regs.COMPLETED] = count - max(self.left, 0)
            return self.left < 0 and super().wait(timeout_s)

    network = small_network()
    done: list[int] = []
    accelerator(CountingBoard(PRESETS["tiny"].array)).run(network, feed(2), progress=done.append)
    macs = [layer.macs for layer in network.layers]
    assert done == sorted(done)
    assert done[-1] == 2 * sum(macs)
    assert {macs[0], sum(macs[:2]), sum(macs), sum(macs) + macs[0]} <= set(done)


def test_profile() -> None:
    board = ModelBoard(PRESETS["tiny"].array)
    device, network = accelerator(board), small_network()
    device.run(network, feed(2), profile=True)
    profile, run = device.last_profile, device.last_run
    assert profile is not None
    assert run is not None
    assert run.macs == 2 * sum(layer.macs for layer in network.layers)
    assert [layer.name for layer in run.layers] == ["conv1", "conv2", "conv3"]
    counts = [2 * layer.descriptors for layer in network.layers]
    assert [len(layer.runs) for layer in run.layers] == counts
    assert all(layer.mac_cycles for layer in run.layers)
    assert [len(image) for image in profile.images] == [len(network.steps)] * 2
    assert profile.seconds is None
    assert all(seconds > 0 for seconds in profile.durations(1))
    device.run(network, feed())
    assert (device.last_profile, device.last_run) == (None, None)


class BrokenBoard(SpyBoard):
    """Its memory spoils a descriptor of the second program, once."""

    def run(self) -> None:
        self.starts += 1
        if self.starts == 2:
            program = self.view(self.pair(regs.PROGRAM_1), 256).view(regs.DESCRIPTOR)
            program["row_slots"] += 1000
            ModelBoard.run(self)
            program["row_slots"] -= 1000
        else:
            ModelBoard.run(self)


def test_failed_run_leaves_the_network_loaded() -> None:
    board = BrokenBoard(PRESETS["tiny"].array)
    device, network = accelerator(board), small_network()
    with pytest.raises(ProgramError, match="descriptor 0 of layer 'conv3': BAD_TILING"):
        device.run(network, feed(), profile=True)
    assert (device.last_profile, device.last_run) == (None, None)
    require_equal(device.run(network, feed()), expected())
    assert len(board.buffers) == 1


X, Z = feed()["x"], feed()["z"]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X, r"the network has 2 inputs, give a dict: \['x', 'z'\]"),
        ({"x": X}, r"inputs must be \['x', 'z'\], got \['x'\]"),
        ({"x": X, "z": Z, "w": Z}, r"inputs must be \['x', 'z'\], got \['x', 'z', 'w'\]"),
        ({"x": X.astype(np.float64), "z": Z}, "input 'x' must be a NumPy array of float32, got f"),
        ({"x": X.tolist(), "z": Z}, "input 'x' must be a NumPy array of float32, got list"),
        ({"x": X, "z": Z.view(np.uint8)}, "input 'z' must be a NumPy array of int8, got uint8"),
        ({"x": X[0], "z": Z}, r"input 'x' must have shape \(1, 3, 12, 10\), got \(3, 12, 10\)"),
        ({"x": X[..., :9], "z": Z}, r"must have shape \(1, 3, 12, 10\), got \(1, 3, 12, 9\)"),
        ({"x": X[:0], "z": Z}, r"the first axis of input 'x' must be a multiple of 1, got shape"),
        ({"x": feed(2)["x"], "z": Z}, r"different numbers of images: \{'x': 2, 'z': 1\}"),
        ({"x": X * np.float32(np.nan), "z": Z}, "input 'x' must be finite"),
        ({"x": X * np.float32(np.inf), "z": Z}, "input 'x' must be finite"),
    ],
)
def test_bad_input(x: Any, message: str) -> None:
    board = SpyBoard(PRESETS["tiny"].array)
    with pytest.raises(InvalidTensorError, match=message):
        accelerator(board).run(small_network(), x)
    assert board.starts == 0


class IdleBoard(ModelBoard):
    """An engine that takes no time, as it does nothing."""

    def run(self) -> None:
        self.registers[regs.STATUS] = 0
        self.registers[regs.COMPLETED] = self.registers[regs.DESCRIPTOR_COUNT]
        self.finish()


@pytest.mark.parametrize("folded", [False, True])
def test_overhead_of_a_run(folded: bool) -> None:
    """Packing a picture of 224 x 224 takes less than 2 ms, all else on the host less than 1 ms."""
    array = PRESETS["pynq-z2"].array
    fold = ConvLayer(3, 64, 224, 224, (7, 7), stride=(2, 2), padding=((3, 3), (3, 3)))
    picture = Tensor("x", (1, 3, 224, 224), np.dtype(np.int8))
    classes = Tensor("y", (1, 1000), np.dtype(np.int8))
    shape = (1, 112, 224, 21) if folded else (1, 224, 224, 3)
    start = 150 * regs.DESCRIPTOR_BYTES
    view = replace(View.dense("x", shape, np.int8, array.beat_bytes), offset=start)
    result = View.dense("y", (1, 1, 1, 1000), np.int8, array.beat_bytes)
    result = replace(result, offset=start + view.image_stride)
    layer = replace(small_network().layers[0], descriptors=1)
    network = replace(
        small_network(),
        array=array,
        image=np.zeros(start, np.uint8),
        nbytes=result.offset + result.image_stride,
        inputs=(picture,),
        outputs=(classes,),
        steps=(
            Pack(DeviceTensor(picture, view, 1), fold if folded else None),
            Segment(0, 150, (layer,) * 150, 0),
            Unpack(DeviceTensor(classes, result, 1)),
        ),
    )
    device = accelerator(IdleBoard(array))
    x = np.ones(picture.shape, np.int8)
    packing, rest = [], []
    for _ in range(30):
        device.run(network, x, profile=True)
        assert device.last_profile is not None
        packing.append(device.last_profile.images[0][0].host_s)
        started = time.perf_counter()
        device.run(network, x)
        rest.append(time.perf_counter() - started - packing[-1])
    assert min(packing) < 2e-3
    assert min(rest) < 1e-3


def test_model_device_is_listed_as_no_hardware() -> None:
    descriptions = {device.name: device.description for device in lineconv.devices()}
    assert "no hardware" in descriptions["model:tiny"]
    with lineconv.open("model:tiny") as device:
        network: Network = small_network()
        require_equal(device.run(network, feed()), expected())
        assert device.simulated
