# SPDX-License-Identifier: Apache-2.0
"""The cycle model against the counters of the RTL.

The quick tests always take the same random layers: an error within 2 % is likely, not certain.
The slow ones draw new layers and print their seed; LINECONV_SEED repeats them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from lineconv.bench.measure import network_operands
from lineconv.bench.shapes import SINGLE_LAYERS, shape_name
from lineconv.block import tile_operands
from lineconv.cycle_model import Bound, Prediction, predict, predict_program
from lineconv.driver import Accelerator
from lineconv.errors import InvalidLayerError
from lineconv.layer import ConvLayer, OutputType
from lineconv.networks import NETWORKS
from lineconv.presets import PRESETS, MemoryModel
from lineconv.report import DescriptorRun, RunReport
from lineconv.tiling import tile_layer
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

SHARE = 0.02
# Where rows and results share a busy memory, a waiting cycle is booked on what waits by chance.
STALL_SHARE = 0.15
# What 2 % is at 5,000 cycles. The checks of a descriptor take 130 to 175 cycles, the last burst
# is 1 to 16 beats: the model knows the mean of such things.
SLACK = 100

MEMORIES = {
    "preset": PRESETS["pynq-z2"].memory,
    "slow": MemoryModel(bytes_per_cycle=4, read_latency=100),
    "wide": MemoryModel(bytes_per_cycle=16, read_latency=100),
}
TOLERANCES = {
    "cycles": SHARE,
    "stall_input": STALL_SHARE,
    "stall_weights": STALL_SHARE,
    "stall_output": STALL_SHARE,
    "read_beats": SHARE,  # whose they are depends on when they arrive; their sum does not
}


class Board:
    """A virtual board, and the Accelerator on it."""

    def __init__(self, name: str) -> None:
        self.preset = PRESETS[name]
        self.board = VirtualBoard(self.preset)
        self.accelerator = Accelerator(
            self.board,
            self.board,
            wait=self.board.wait,
            clock_hz=self.preset.clock_hz,
            timeout_s=1e6,
        )

    def measure(self, layer: ConvLayer, memory: MemoryModel) -> RunReport:
        """Run a layer on zeros: nothing that is counted depends on the data."""
        self.board.configure(memory)
        scale = None if layer.output is OutputType.INT32 else np.float32(1)
        self.accelerator.conv2d(
            np.zeros((layer.in_channels, layer.in_height, layer.in_width), np.int8),
            np.zeros(layer.weight_shape, np.int8),
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            scale=scale,
            output_type=layer.output,
        )
        run = self.accelerator.last_run
        assert run is not None
        return run


@pytest.fixture(scope="module")
def board() -> Iterator[Callable[[str], Board]]:
    """Opens a board by the name of its preset, once."""
    try:
        find()
    except MissingToolError as error:
        pytest.skip(str(error))
    opened: dict[str, Board] = {}

    def board(name: str) -> Board:
        if name not in opened:
            opened[name] = Board(name)
        return opened[name]

    yield board
    for each in opened.values():
        each.board.close()


def require_close(board: Board, layers: Iterable[ConvLayer], memory: MemoryModel) -> None:
    """Every counter of every layer as near to the prediction as it must be."""
    errors = [_require_close(board, layer, memory) for layer in layers]
    print(
        f"{board.preset.name}, {memory.bytes_per_cycle:g} B/cycle, latency {memory.read_latency}: "
        f"{len(errors)} layers, cycles wrong by {np.max(errors):.2%} at most, "
        f"{np.mean(errors):.2%} on average"
    )


def _require_close(board: Board, layer: ConvLayer, memory: MemoryModel) -> float:
    tiles = tile_layer(layer, board.preset.array).tiles
    program = predict_program(tiles, board.preset.array, memory)
    run = board.measure(layer, memory)
    assert abs(program.cycles - run.cycles) <= max(SHARE * run.cycles, SLACK * len(tiles))
    for prediction, measured in zip(program.descriptors, run.descriptors, strict=True):
        require_equal(prediction, measured, f"{layer}\n{memory}")
    assert sum(d.read_beats for d in program.descriptors) == pytest.approx(run.read_beats, abs=2)
    return abs(program.cycles - run.cycles) / run.cycles


def require_equal(prediction: Prediction, run: DescriptorRun, what: str) -> None:
    """All counters of a descriptor, as near as they must be."""
    assert prediction.mac_cycles == run.mac_cycles
    assert prediction.write_beats == run.write_beats
    for name, tolerance in TOLERANCES.items():
        predicted, measured = getattr(prediction, name), getattr(run, name)
        assert abs(predicted - measured) <= max(tolerance * run.cycles, SLACK), (
            f"{name}: {predicted:,} predicted, {measured:,} measured of {run.cycles:,} cycles\n"
            f"{what}"
        )


def random_layers(name: str, cycles: int, seed: int) -> Iterator[ConvLayer]:
    """Layers of realistic size that take so many cycles if nothing stalls."""
    rng = np.random.default_rng(seed)
    tiny = name == "tiny"
    channels = [3, 4, 8, 16, 24, 40] if tiny else [3, 8, 16, 24, 32, 64, 96, 128, 255, 256, 512]
    macs_per_cycle = PRESETS[name].array.macs_per_cycle
    left = cycles
    while left > 0:
        kernel = int(rng.choice([1, 1, 3, 3, 3, 5, 7]))
        padding = int(rng.choice([0, kernel // 2]))
        stride = int(rng.choice([1, 1, 1, 2]))
        dilation = int(rng.choice([1, 1, 1, 2]))
        height, width = rng.choice([7, 13, 14, 20, 28, 40, 52, 56, 104, 112], 2).tolist()
        try:
            layer = ConvLayer(
                in_channels=int(rng.choice(channels)),
                out_channels=int(rng.choice(channels)),
                in_height=height,
                in_width=width,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=((padding, padding), (padding, padding)),
                dilation=(dilation, dilation),
                output=OutputType(rng.choice([OutputType.INT8, OutputType.INT32], p=[0.8, 0.2])),
            )
        except InvalidLayerError:  # the kernel is larger than the image
            continue
        if cycles / 1000 < layer.macs / macs_per_cycle < cycles / 10:
            left -= layer.macs // macs_per_cycle
            yield layer


Boards = Callable[[str], Board]


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("layer", SINGLE_LAYERS, ids=shape_name)
def test_bench_layers(board: Boards, layer: ConvLayer, memory: str) -> None:
    require_close(board("pynq-z2"), [layer], MEMORIES[memory])


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", ["pynq-z2", "tiny"])
def test_random_layers(board: Boards, name: str, memory: str) -> None:
    require_close(board(name), random_layers(name, 1_500_000, seed=1), MEMORIES[memory])


@pytest.mark.slow
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", PRESETS)
def test_many_random_layers(board: Boards, name: str, memory: str) -> None:
    seed = int(os.environ.get("LINECONV_SEED", secrets.randbits(32)))
    print(f"LINECONV_SEED={seed}")
    require_close(board(name), random_layers(name, 8_000_000, seed), MEMORIES[memory])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
@pytest.mark.parametrize("network", NETWORKS)
def test_networks(board: Boards, network: str, name: str) -> None:
    """Every layer of a program, while the next one is read ahead."""
    engine, preset = board(name).accelerator, PRESETS[name]
    board(name).board.configure(preset.memory)
    layers = network_operands(NETWORKS[network], preset.array)
    engine.run_layers(layers)
    run = engine.last_run
    assert run is not None
    tiles = [tile for layer in layers for tile in tile_operands(layer, preset.array).tiles]
    program = predict_program(tiles, preset.array, preset.memory)
    for prediction, measured in zip(program.descriptors, run.descriptors, strict=True):
        require_equal(prediction, measured, network)
    errors = [
        abs(prediction.cycles / measured.cycles - 1)
        for prediction, measured in zip(program.descriptors, run.descriptors, strict=True)
    ]
    print(
        f"{name}, {network}: {len(errors)} descriptors, cycles wrong by {max(errors):.2%} at most, "
        f"{np.mean(errors):.2%} on average, {abs(program.cycles / run.cycles - 1):.2%} in all"
    )


def predicted(layer: ConvLayer, memory: MemoryModel) -> Prediction:
    (tile,) = tile_layer(layer, PRESETS["pynq-z2"].array, memory).tiles
    return predict(tile, PRESETS["pynq-z2"].array, memory)


BOUNDS = {
    Bound.COMPUTE: (ConvLayer(64, 64, 56, 56, (3, 3)), "preset"),
    Bound.MEMORY_READ: (ConvLayer(256, 8, 52, 52, (1, 1)), "preset"),
    Bound.MEMORY_WRITE: (ConvLayer(8, 64, 56, 56, (3, 3), output=OutputType.INT32), "slow"),
    Bound.REQUANTISATION: (ConvLayer(16, 256, 56, 56, (1, 1)), "preset"),
    Bound.FILL: (ConvLayer(64, 16, 5, 5, (3, 3)), "preset"),
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_bound(bound: Bound) -> None:
    layer, memory = BOUNDS[bound]
    prediction = predicted(layer, MEMORIES[memory])
    assert prediction.bound is bound
    losses = (
        prediction.fill
        + prediction.memory_read
        + prediction.memory_write
        + prediction.requantisation
    )
    assert prediction.cycles == pytest.approx(prediction.mac_cycles + losses, abs=2)  # rounding


def test_a_thousand_rows_are_told_by_their_first() -> None:
    """Rows are skipped when the pace is known: what is skipped must add up."""
    low, high = (
        predicted(ConvLayer(64, 16, rows, 56, (3, 3)), MEMORIES["preset"]) for rows in (802, 1602)
    )
    row_cycles = 54 * 24
    assert high.cycles - low.cycles == pytest.approx(800 * row_cycles, rel=1e-3)
    assert high.read_beats - low.read_beats == 800 * 56 * 8
