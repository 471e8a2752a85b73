# SPDX-License-Identifier: Apache-2.0
"""The virtual board: registers, memory and clock around the Verilated engine, driver included."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_layers import Convolution, convolutions

from lineconv import Accelerator, regs
from lineconv.bus import AP_DONE, AP_IDLE, AP_READY, AP_START
from lineconv.errors import DeviceError, InvalidInputError, ProgramError
from lineconv.presets import PRESETS, MemoryModel
from lineconv.virtual_board import OutOfMemoryError, SimulationError, VirtualBoard, toolchain

try:
    toolchain.find()
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = PRESETS["tiny"]
BASE = 0x1000_0000
MEMORY_BYTES = 8 << 20
X = np.arange(-120, 120, dtype=np.int8).reshape(1, 4, 6, 10)
W = np.arange(-54, 54, dtype=np.int8).reshape(3, 4, 3, 3)


@pytest.fixture
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(TINY, MEMORY_BYTES) as opened:
        yield opened


def accelerator(board: VirtualBoard) -> Accelerator:
    return Accelerator(board, board, wait=board.wait, clock_hz=TINY.clock_hz)


# Engine ---------------------------------------------------------------------------------------


memory_models = st.builds(
    MemoryModel,
    bytes_per_cycle=st.sampled_from([0.7, 4.0, 9.8, 32.0]),
    read_latency=st.integers(1, 100),
    write_latency=st.integers(1, 100),
    max_outstanding=st.integers(1, 16),
    stall_probability=st.sampled_from([0.0, 0.2, 0.8]),
    seed=st.integers(0, 2**64 - 1),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(convolution=convolutions(max_macs=100_000), model=memory_models)
def test_equals_golden_with_any_memory(
    board: VirtualBoard, convolution: Convolution, model: MemoryModel
) -> None:
    board.configure(model)
    y = accelerator(board).conv2d(**convolution.arguments())
    np.testing.assert_array_equal(y, convolution.expected())


def test_same_seed_same_cycles() -> None:
    def run(seed: int) -> tuple[int, bytes]:
        with VirtualBoard(TINY, MEMORY_BYTES) as board:
            board.configure(replace(TINY.memory, stall_probability=0.3, seed=seed))
            y = accelerator(board).conv2d(X, W)
            return board.cycles, y.tobytes()

    assert run(1) == run(1)
    assert run(1)[0] != run(2)[0]
    assert run(1)[1] == run(2)[1]


def test_bandwidth_cap_slows_the_engine_down(board: VirtualBoard) -> None:
    device = accelerator(board)
    device.conv2d(X, W)
    fast = device.last_run
    board.configure(replace(TINY.memory, bytes_per_cycle=0.5))
    before = board.traffic
    device.conv2d(X, W)
    slow = device.last_run
    assert fast is not None
    assert slow is not None
    beats = sum(
        after.read_beats + after.write_beats - was.read_beats - was.write_beats
        for was, after in zip(before, board.traffic, strict=True)
    )
    assert fast.cycles < slow.cycles
    assert slow.cycles >= 8 * beats / 0.5 - 64  # the result block follows the last count


@pytest.mark.parametrize(
    ("response", "reads", "writes", "name"),
    [
        ("slverr", True, False, "READ_ERROR"),
        ("decerr", True, False, "READ_ERROR"),
        ("slverr", False, True, "WRITE_ERROR"),
        ("decerr", False, True, "WRITE_ERROR"),
        ("never", True, False, "WATCHDOG"),
        ("never", False, True, "WATCHDOG"),
    ],
)
def test_bad_memory_ends_the_run(
    board: VirtualBoard, response: str, reads: bool, writes: bool, name: str
) -> None:
    device = accelerator(board)
    expected = device.conv2d(X, W)
    # The driver's block starts at BASE: everything in it but the descriptor is bad.
    board.add_fault(BASE + 256, 4096, response, reads=reads, writes=writes)  # type: ignore[arg-type]
    with pytest.raises(ProgramError) as caught:
        device.conv2d(X, W)
    assert caught.value.name == name
    assert caught.value.index == 0
    board.clear_faults()
    board.run(1000)
    np.testing.assert_array_equal(device.conv2d(X, W), expected)


def test_reset_from_the_middle_of_a_run(board: VirtualBoard) -> None:
    device = accelerator(board)
    expected = device.conv2d(X, W)
    board.write(regs.CTRL, AP_START)  # the program of before, still in memory
    board.run(100)
    board.reset()
    assert board.read(regs.CTRL) == AP_IDLE
    assert board.read(regs.DESCRIPTOR_COUNT) == 0
    np.testing.assert_array_equal(device.conv2d(X, W), expected)


# Registers ------------------------------------------------------------------------------------


def test_registers_read_their_reset_value(board: VirtualBoard) -> None:
    array = TINY.array
    expected = {register.offset: register.reset for register in regs.REGISTERS}
    expected |= {
        regs.CTRL: AP_IDLE,
        regs.MAGIC: int.from_bytes(b"LCNV", "big"),
        regs.VERSION: regs.INTERFACE_VERSION,
        regs.LANES: array.input_lanes | array.output_lanes << 16,
        regs.WEIGHT_WORDS: array.weight_words,
        regs.LINE_BUFFER_BEATS: array.line_buffer_beats,
        regs.MEMORY: 8 | 32 << 8 | array.weight_words << 16,
        regs.VECTOR: array.vector_lanes,
    }
    assert {offset: board.read(offset) for offset in expected} == expected


def test_arguments_are_kept_and_identity_is_not_writable(board: VirtualBoard) -> None:
    arguments = [r for r in regs.REGISTERS if r.access == "rw" and not r.fields]
    fixed = {r.offset: board.read(r.offset) for r in regs.REGISTERS if r.access == "ro"}
    assert len(arguments) == 8
    values = {r.offset: 0xA5000000 + 0x01010101 * i for i, r in enumerate(arguments)}
    for offset, value in values.items():
        board.write(offset, value)
    for offset in fixed:
        board.write(offset, 0xFFFFFFFF)
    board.write(regs.SOFT_RESET, 1)
    board.run(100)
    assert {offset: board.read(offset) for offset in values} == values
    assert {offset: board.read(offset) for offset in fixed} == fixed


def test_empty_program_interrupts_at_once(board: VirtualBoard) -> None:
    board.write(regs.GIER, 1)
    board.write(regs.IP_IER, 1)
    assert not board.interrupt
    board.write(regs.CTRL, AP_START)
    assert board.wait_interrupt(100)
    assert board.interrupt
    assert board.read(regs.CTRL) & ~(1 << 9) == AP_DONE | AP_IDLE | AP_READY
    board.write(regs.IP_ISR, 1)
    assert not board.interrupt
    assert not board.wait_interrupt(0)
    assert board.traffic[1].read_beats == 0


@pytest.mark.parametrize("offset", [-4, 2, 4096])
def test_bad_offset(board: VirtualBoard, offset: int) -> None:
    with pytest.raises(InvalidInputError, match="multiples of 4"):
        board.read(offset)
    with pytest.raises(InvalidInputError, match="multiples of 4"):
        board.write(offset, 0)


@pytest.mark.parametrize("value", [-1, 2**32])
def test_bad_value(board: VirtualBoard, value: int) -> None:
    with pytest.raises(InvalidInputError, match="32 bits"):
        board.write(regs.PROGRAM_1, value)


# Memory and time ------------------------------------------------------------------------------


def test_allocator_reuses_the_first_hole(board: VirtualBoard) -> None:
    first, second, third = (board.allocate(5000) for _ in range(3))
    addresses = [first.address, second.address, third.address]
    assert addresses == [BASE, BASE + 8192, BASE + 16384]
    second.free()
    assert board.allocate(8193).address == BASE + 24576
    again = board.allocate(8192)
    assert again.address == BASE + 8192
    second.free()  # no longer its own
    with pytest.raises(OutOfMemoryError, match=f"of {MEMORY_BYTES} bytes are in use"):
        board.allocate(MEMORY_BYTES - 32768 + 1)
    assert board.allocate(MEMORY_BYTES - 36864).address == BASE + 36864


def test_buffers_are_the_memory(board: VirtualBoard) -> None:
    buffer = board.allocate(100)
    buffer.array[:] = 7
    assert board.memory[:100].tolist() == [7] * 100
    assert board.memory[100] == 0
    with pytest.raises(InvalidInputError, match="nbytes is 0"):
        board.allocate(0)


@pytest.mark.parametrize(
    ("nbytes", "base", "message"),
    [
        (0, BASE, "memory_bytes is 0x0"),
        (100, BASE, "memory_bytes is 0x64"),
        (4096, 0x10, "base_address is 0x10"),
        (1 << 31, 0xF000_0000, "memory ends at"),
    ],
)
def test_memory_that_cannot_be(nbytes: int, base: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        VirtualBoard(TINY, nbytes, base)


def test_time_passes_as_asked(board: VirtualBoard) -> None:
    start = board.cycles
    board.run(50_001)
    assert board.cycles == start + 50_001
    assert not board.wait_interrupt(30_000)
    assert board.cycles == start + 80_001
    assert not board.wait(1e-3)
    assert board.cycles == start + 80_001 + TINY.clock_hz // 1000


def test_a_signal_ends_a_long_wait(board: VirtualBoard) -> None:
    def handler(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            board.wait_interrupt(10**15)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert board.read(regs.CTRL) == AP_IDLE


USES: dict[str, Callable[[VirtualBoard], object]] = {
    "read": lambda board: board.read(0),
    "write": lambda board: board.write(0, 0),
    "run": lambda board: board.run(1),
    "cycles": lambda board: board.cycles,
    "traffic": lambda board: board.traffic,
    "configure": lambda board: board.configure(TINY.memory),
}


@pytest.mark.parametrize("use", USES)
def test_closed_board(use: str) -> None:
    board = VirtualBoard("tiny", MEMORY_BYTES)
    board.close()
    board.close()
    with pytest.raises(DeviceError, match="closed"):
        USES[use](board)


def test_bad_fault(board: VirtualBoard) -> None:
    with pytest.raises(InvalidInputError, match="'okay', allowed: slverr, decerr, never"):
        board.add_fault(BASE, 1, "okay")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="0 bytes at 0x10000000"):
        board.add_fault(BASE, 0, "slverr")


def test_trace_has_the_signals(tmp_path: Path) -> None:
    path = tmp_path / "run.vcd"
    with VirtualBoard(TINY, MEMORY_BYTES, trace=path) as board:
        board.read(regs.MAGIC)
    text = path.read_text()
    assert "$enddefinitions" in text
    assert "s_axi_control_araddr" in text
    with pytest.raises(SimulationError, match="cannot write"):
        VirtualBoard(TINY, MEMORY_BYTES, trace=tmp_path / "missing" / "run.vcd")
