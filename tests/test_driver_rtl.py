# SPDX-License-Identifier: Apache-2.0
"""The driver on the RTL: golden's bytes, the functional model's counts, the same errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from random_layers import BAD_FIELDS, Convolution, convolutions

from lineconv import regs
from lineconv.bus import AP_START
from lineconv.driver import Accelerator
from lineconv.errors import ProgramError, RunTimeoutError
from lineconv.model_board import ModelBoard
from lineconv.presets import PRESETS, MemoryModel
from lineconv.report import DescriptorRun
from lineconv.tiling import tile_layer
from lineconv.virtual_board import MissingToolError, VirtualBoard
from lineconv.virtual_board.toolchain import find

try:
    find()
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = PRESETS["tiny"]
X = np.arange(-60, 60, dtype=np.int8).reshape(1, 4, 5, 6)
W = np.arange(-54, 54, dtype=np.int8).reshape(3, 4, 3, 3)


def drive(board: Any, **options: Any) -> Accelerator:
    return Accelerator(board, board, wait=board.wait, clock_hz=TINY.clock_hz, **options)


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(TINY) as opened:
        yield opened


def counts(run: DescriptorRun) -> tuple[int, int]:
    """What does not depend on timing; what is read ahead counts for another descriptor."""
    return run.mac_cycles, run.write_beats


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a simulator is slow to shrink on
)
@given(
    convolution=convolutions(max_macs=300_000),
    stall_probability=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_layers(
    board: VirtualBoard, convolution: Convolution, stall_probability: float, seed: int
) -> None:
    tiles = len(tile_layer(convolution.layer, TINY.array).tiles)
    assume(tiles * convolution.batch <= 60)
    board.configure(replace(TINY.memory, stall_probability=stall_probability, seed=seed))
    rtl, model = drive(board), drive(ModelBoard(TINY.array))
    y = rtl.conv2d(**convolution.arguments())
    expected = convolution.expected()
    assert y.dtype == expected.dtype
    assert (y == expected).all()

    model.conv2d(**convolution.arguments())
    assert rtl.last_run is not None
    assert model.last_run is not None
    assert list(map(counts, rtl.last_run.descriptors)) == list(
        map(counts, model.last_run.descriptors)
    )
    assert rtl.last_run.read_beats == model.last_run.read_beats
    for run in rtl.last_run.descriptors:
        busy = run.mac_cycles + run.stall_input + run.stall_weights + run.stall_output
        assert busy <= run.cycles
    assert sum(run.cycles for run in rtl.last_run.descriptors) <= rtl.last_run.cycles


def works(device: Accelerator) -> None:
    """What must be true after every failure."""
    assert (device.conv2d(X, W) == drive(ModelBoard(TINY.array)).conv2d(X, W)).all()


class CorruptingBoard:
    """A board on which one field of the second descriptor changes as the program starts."""

    def __init__(self, board: VirtualBoard, field: str, value: int) -> None:
        self.read = board.read
        self.allocate = board.allocate
        self.wait = board.wait
        self._board = board
        self._change = (field, value)

    def write(self, offset: int, value: int) -> None:
        if (offset, value) == (regs.CTRL, AP_START):
            start = self.read(regs.PROGRAM_1) + regs.DESCRIPTOR_BYTES - self._board.base_address
            block = self._board.memory[start : start + regs.DESCRIPTOR_BYTES]
            block.view(regs.DESCRIPTOR)[0][self._change[0]] = self._change[1]
        self._board.write(offset, value)


@pytest.mark.parametrize(("field", "value", "name"), BAD_FIELDS)
def test_refused_program(board: VirtualBoard, field: str, value: int, name: str) -> None:
    device = drive(CorruptingBoard(board, field, value))
    with pytest.raises(ProgramError, match=f"descriptor 1: {name}"):
        device.conv2d(np.repeat(X, 3, 0), W)
    works(drive(board))


@pytest.mark.parametrize(
    ("reads", "name"), [(True, "READ_ERROR"), (False, "WRITE_ERROR")], ids=["read", "write"]
)
def test_bus_error(board: VirtualBoard, reads: bool, name: str) -> None:
    device = drive(board)
    board.add_fault(board.base_address, board.memory.size, "slverr", reads=reads, writes=not reads)
    try:
        with pytest.raises(ProgramError, match=name):
            device.conv2d(X, W)
    finally:
        board.clear_faults()
    works(device)


def test_run_that_takes_too_long(board: VirtualBoard) -> None:
    with pytest.raises(RunTimeoutError, match="the engine has been reset"):
        drive(board, timeout_s=100 / TINY.clock_hz).conv2d(X, W)
    works(drive(board))


def test_memory_that_does_not_answer(board: VirtualBoard) -> None:
    """The driver gives up; when the memory is back, so is the engine."""
    device = drive(board, timeout_s=2000 / TINY.clock_hz)
    board.add_fault(board.base_address, board.memory.size, "never")
    started = time.monotonic()
    try:
        with pytest.raises(RunTimeoutError, match="the engine stays busy"):
            device.conv2d(X, W)
        assert time.monotonic() - started < 30
    finally:
        board.clear_faults()
    works(drive(board))


def test_no_memory_is_left_behind(board: VirtualBoard) -> None:
    before = board.allocate(16)
    before.free()
    works(drive(board))
    after = board.allocate(16)
    after.free()
    assert before.address == after.address


def test_stalls_cost_cycles_and_nothing_else(board: VirtualBoard) -> None:
    runs = []
    for model in (TINY.memory, MemoryModel(bytes_per_cycle=1, read_latency=200)):
        board.configure(model)
        device = drive(board)
        works(device)
        assert device.last_run is not None
        runs.append(device.last_run)
    fast, slow = runs
    assert slow.cycles > fast.cycles
    assert [counts(run) for run in slow.descriptors] == [counts(run) for run in fast.descriptors]
