# SPDX-License-Identifier: Apache-2.0
"""Several layers as one program on the RTL; every result is golden's, to the last bit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from layer_chain import expected, random_operands
from small_network import feed, small_graph, small_network

import lineconv
from lineconv.driver import Accelerator
from lineconv.layer import ConvLayer, OutputType
from lineconv.networks import NETWORKS
from lineconv.operands import Operands
from lineconv.presets import PRESETS, Preset
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

try:
    find()
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

FIRST = ConvLayer(
    in_channels=3,
    out_channels=24,
    in_height=21,
    in_width=19,
    kernel=(5, 3),
    stride=(2, 1),
    padding=((2, 2), (1, 1)),
    x_zero_point=-7,
    y_zero_point=-128,
    clamp=(-128, 127),
)
SHAPES: list[dict[str, Any]] = [
    {"out_channels": 17, "kernel": (1, 1)},
    {"out_channels": 9, "kernel": (3, 3), "stride": (1, 2), "output": OutputType.UINT8},
    {"out_channels": 16, "kernel": (2, 5), "dilation": (2, 1), "padding": ((2, 0), (2, 2))},
    {"out_channels": 8, "kernel": (3, 3), "output": OutputType.INT32},
]


def run(board: VirtualBoard, preset: Preset, layers: list[Operands]) -> None:
    """Run as one program and compare every layer."""
    device = Accelerator(board, board, wait=board.wait, clock_hz=preset.clock_hz)
    found = device.run_layers(layers)
    for operands, y, right in zip(layers, found, expected(layers), strict=True):
        assert (y.dtype, y.shape) == (right.dtype, right.shape), operands.name
        assert (y == right).all(), operands.name


@pytest.mark.parametrize("stall_probability", [0.0, 0.3])
def test_small_chain(stall_probability: float) -> None:
    """Strides, kernels, element types and two readers of one result, which a later layer uses."""
    preset = PRESETS["tiny"]
    rng = np.random.default_rng(11)
    layers = [random_operands(FIRST, rng, name="first", batch=2)]
    for index, shape in enumerate(SHAPES):
        source = layers[-1].layer
        layer = replace(
            ConvLayer(source.out_channels, 1, source.out_height, source.out_width, (1, 1)),
            **shape,
        )
        layers.append(random_operands(layer, rng, name=f"layer{index}", x=layers[-1]))
    again = replace(layers[1].layer, kernel=(3, 1), padding=((1, 1), (0, 0)))
    layers.append(random_operands(again, rng, name="reads the first again", x=layers[0]))
    with VirtualBoard(preset) as board:
        board.configure(replace(preset.memory, stall_probability=stall_probability, seed=5))
        run(board, preset, layers)


@pytest.mark.slow
def test_resnet18() -> None:
    """All convolutions of ResNet-18 in one program, chained where nothing comes between them."""
    preset = PRESETS["pynq-z2"]
    rng = np.random.default_rng(18)
    layers: dict[str, Operands] = {}
    for row in NETWORKS["resnet18"].layers:
        x = None
        if row.reads is not None:
            x = layers[row.reads]
        layers[row.name] = random_operands(row.conv, rng, name=row.name, x=x)
    with VirtualBoard(preset) as board:
        started = time.monotonic()
        run(board, preset, list(layers.values()))
        print(f"ResNet-18: {board.cycles:,} cycles in {time.monotonic() - started:.1f} s")


@pytest.mark.parametrize("name", ["tiny", "pynq-z2"])
def test_network(name: str) -> None:
    """Two programs with host layers around them; the engine counts what each layer takes."""
    graph, network, given = small_graph(), small_network(name), feed(2)
    with lineconv.open(f"sim:{name}") as device:
        device.load(network)
        y, seconds, rate = device.predict(given, profile=True)
        run, profile = device.last_run, device.last_profile
    for image in range(2):
        one = {tensor: array[image : image + 1] for tensor, array in given.items()}
        for tensor, right in graph.run(one).items():
            np.testing.assert_array_equal(y[tensor][image : image + 1], right, tensor)
    assert run is not None
    assert profile is not None
    assert [layer.name for layer in run.layers] == [layer.name for layer in network.layers]
    assert all(layer.cycles > layer.mac_cycles > 0 for layer in run.layers)
    # From start to done is the layers and, of each program, what comes before and after.
    assert 0 < run.cycles - sum(layer.cycles for layer in run.layers) < 4 * 200
    host_s = sum(step.host_s for image in profile.images for step in image if not step.cycles)
    assert seconds == pytest.approx(host_s + run.cycles / device.clock_hz)
    assert rate == pytest.approx(2 / seconds)
