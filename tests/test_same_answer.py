# SPDX-License-Identifier: Apache-2.0
"""One list of random layers: RTL, HLS core and ONNX Runtime give the same bytes. One list of random
programs of all layer kinds: RTL, HLS core and the golden reference do.

The RTL runs on three arrays, one with beats of 16 bytes, behind a memory with random latency,
bandwidth and stalls. LAYERS=n, PROGRAMS=n and LINECONV_SEED=n in the environment choose how many
and which.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx_reference import run_onnx
from programs import run
from random_programs import random_program

from lineconv import Accelerator
from lineconv.golden import conv2d_accumulate, multiplier
from lineconv.hls_model import HlsBoard
from lineconv.layer import ConvLayer
from lineconv.presets import PRESETS, Array, MemoryModel, Preset
from lineconv.tiling import tile_layer
from lineconv.virtual_board import VirtualBoard

MEMORY_BYTES = 16 << 20
FEW, MANY = 300, 2000
FEW_PROGRAMS, MANY_PROGRAMS = 60, 3000
PRESETS_RUN = [
    PRESETS["tiny"],
    PRESETS["pynq-z2"],
    replace(PRESETS["kv260"], name="narrow kv260", array=Array(5, 32, 48, 128, 512, beat_bytes=16)),
]


@dataclass(frozen=True)
class Case:
    """Arguments of `conv2d`, and what ONNX Runtime makes of the same layer."""

    layer: ConvLayer
    arguments: dict[str, Any]
    expected: npt.NDArray[Any]


def draw_layer(rng: np.random.Generator) -> ConvLayer:
    """Every kernel, stride and dilation; four different pads; odd channel counts; groups."""

    def pick(*values: int) -> int:
        return int(rng.choice(values))

    kernel, stride, dilation, padding, size = [], [], [], [], []
    for _ in range(2):
        kernel.append(pick(1, 1, 2, 3, 3, 4, 5, 7, int(rng.integers(1, 17))))
        stride.append(pick(1, 1, 2, 3, int(rng.integers(1, 9))))
        dilation.append(pick(1, 1, 1, 2, 3))
        padding.append((int(rng.integers(0, 4)), int(rng.integers(0, 4))))
        span = dilation[-1] * (kernel[-1] - 1) + 1
        size.append(max(span - sum(padding[-1]), 1) + int(rng.integers(0, 20)))
    groups = pick(1, 1, 1, 2, 3)
    return ConvLayer(
        in_channels=groups * pick(1, 2, 3, 4, 7, 16, 26, 33),
        out_channels=groups * pick(1, 3, 8, 13, 16, 31, 40),
        in_height=size[0],
        in_width=size[1],
        kernel=(kernel[0], kernel[1]),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding=(padding[0], padding[1]),
        groups=groups,
        x_zero_point=int(rng.integers(-128, 128)),
    )


def draw_small_layer(rng: np.random.Generator) -> ConvLayer:
    """One that the simulators are quick with."""
    layer = draw_layer(rng)
    while layer.macs > 2_000_000:
        layer = draw_layer(rng)
    return layer


def draw_int8(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """All values, or mostly the extremes."""
    if rng.random() < 0.5:
        return rng.integers(-128, 128, shape, dtype=np.int8)
    return rng.choice(np.array([-128, 127, -127, 0], np.int8), shape, p=(0.6, 0.2, 0.1, 0.1))


def draw_case(seed: int) -> Case:
    """One layer as QLinearConv with per-channel scales, or as ConvInteger."""
    rng = np.random.default_rng(seed)
    layer = draw_small_layer(rng)
    x = draw_int8(rng, (1, layer.in_channels, layer.in_height, layer.in_width))
    w = draw_int8(rng, layer.weight_shape)
    zero = np.int8(layer.x_zero_point)
    common = {
        "x": x,
        "w": w,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "groups": layer.groups,
        "x_zero_point": layer.x_zero_point,
    }
    if rng.random() < 0.3:
        constants = {"w": w, "x_zero_point": zero, "w_zero_point": np.int8(0)}
        return Case(layer, common, run_onnx("ConvInteger", x, constants, layer))

    bias = rng.integers(-(2**16), 2**16, layer.out_channels, dtype=np.int32)
    x_scale, y_scale = np.exp(rng.uniform(-6, 2, 2)).astype(np.float32)
    # Spread every channel over something like the output range.
    acc = conv2d_accumulate(x, w, bias, layer).astype(np.int64)
    target = rng.uniform(1, 300, len(w)) / (np.abs(acc).max(axis=(0, 2, 3)) + 1)
    w_scale = (target * y_scale / x_scale).astype(np.float32)
    y_zero_point = int(rng.integers(-128, 128))
    constants = {
        "x_scale": x_scale,
        "x_zero_point": zero,
        "w": w,
        "w_scale": w_scale,
        "w_zero_point": np.zeros(len(w), np.int8),
        "y_scale": y_scale,
        "y_zero_point": np.int8(y_zero_point),
        "bias": bias,
    }
    common |= {
        "bias": bias,
        "scale": multiplier(x_scale, w_scale, y_scale),
        "y_zero_point": y_zero_point,
    }
    return Case(layer, common, run_onnx("QLinearConv", x, constants, layer))


def draw_memory(seed: int) -> MemoryModel:
    """From a memory that hardly answers to one that never waits."""
    rng = np.random.default_rng(seed)
    return MemoryModel(
        bytes_per_cycle=float(rng.choice([2.0, 9.8, 32.0])),
        read_latency=int(rng.integers(1, 80)),
        write_latency=int(rng.integers(1, 40)),
        max_outstanding=int(rng.integers(1, 17)),
        stall_probability=float(rng.choice([0.0, 0.3, 0.7])),
        seed=seed,
    )


@pytest.fixture(scope="module")
def boards() -> Iterator[list[VirtualBoard]]:
    with ExitStack() as stack:
        yield [stack.enter_context(VirtualBoard(preset, MEMORY_BYTES)) for preset in PRESETS_RUN]


@pytest.mark.parametrize("preset", PRESETS_RUN, ids=lambda preset: preset.name)
def test_random_layers_take_both_ways(preset: Preset) -> None:
    """Enough of them have their kernel rows folded, and enough do not."""
    layers = [draw_small_layer(np.random.default_rng(seed)) for seed in range(FEW)]
    folded = sum(tile_layer(layer, preset.array).folded for layer in layers)
    assert FEW // 10 <= folded <= FEW - FEW // 10


@pytest.mark.parametrize(
    "count", [FEW, pytest.param(int(os.environ.get("LAYERS", MANY)), marks=pytest.mark.slow)]
)
def test_random_layers(boards: list[VirtualBoard], count: int) -> None:
    first = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={first}")
    clock = PRESETS["tiny"].clock_hz
    rtl = [Accelerator(b, b, wait=b.wait, clock_hz=clock, timeout_s=120) for b in boards]
    cores = [HlsBoard(accelerator.array, MEMORY_BYTES) for accelerator in rtl]
    hls = [Accelerator(core, core, wait=core.wait, clock_hz=clock) for core in cores]
    values = 0
    for seed in range(first, first + count):
        case = draw_case(seed)
        which = seed % len(boards)
        boards[which].configure(draw_memory(seed))
        values += case.expected.size
        for name, accelerator in (("RTL", rtl[which]), ("HLS", hls[which])):
            y = accelerator.conv2d(**case.arguments)
            wrong = int(np.count_nonzero(y != case.expected))
            assert y.dtype == case.expected.dtype
            assert wrong == 0, f"{name}, seed {seed}: {wrong} of {y.size} differ, {case.layer}"
    print(f"{count} layers, {values} values, 0 different from ONNX Runtime on RTL and HLS")


@pytest.mark.parametrize(
    "count",
    [
        FEW_PROGRAMS,
        pytest.param(int(os.environ.get("PROGRAMS", MANY_PROGRAMS)), marks=pytest.mark.slow),
    ],
)
def test_random_programs(boards: list[VirtualBoard], count: int) -> None:
    """Mixed kinds on parts of tensors that earlier operations wrote; every byte of the memory."""
    first = int(os.environ.get("LINECONV_SEED", np.random.SeedSequence().generate_state(1)[0]))
    print(f"LINECONV_SEED={first}")
    cores = [HlsBoard(board.preset.array, MEMORY_BYTES) for board in boards]
    for seed in range(first, first + count):
        which = seed % len(boards)
        program = random_program(seed, boards[which].preset.array)
        boards[which].configure(draw_memory(seed))
        for name, board in (("RTL", boards[which]), ("HLS", cores[which])):
            print(name, seed)  # of a failure: the last one
            run(program, board)
