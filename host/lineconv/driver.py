# SPDX-License-Identifier: Apache-2.0
"""The accelerator as Python sees it: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lineconv import regs
from lineconv.block import Block
from lineconv.bus import (
    AP_DONE,
    AP_IDLE,
    AP_START,
    Allocator,
    Buffer,
    ByteArray,
    RegisterBus,
    Wait,
)
from lineconv.errors import DeviceError, ProgramError, RunTimeoutError
from lineconv.identity import read_array
from lineconv.layer import OutputType, Overflow, PaddingLike, Pair, PairLike, Rounding
from lineconv.operands import Operands, check_operands
from lineconv.presets import Array, MemoryModel
from lineconv.report import RunReport

__all__ = ["Accelerator"]

_POLL_S = 50e-6
_PROGRESS_S = 1e-3  # between two reports; on a virtual board it is simulated time
_RESET_S = 1.0  # for the memory to answer what the engine had asked before a reset

# Told how much of a run is done.
Progress: TypeAlias = Callable[[int], None]


class Accelerator:
    """One engine.

    Attributes:
        name: of the device.
        array: sizes of the engine, as it reports them.
        clock_hz: clock of the engine, for durations.
        timeout_s: how long a run may take without completing a descriptor.
        simulated: no hardware is behind it.
        memory_model: timing of a virtual board's memory; None on a board.
        last_run: measurements of the last run that succeeded, None before the first.
    """

    def __init__(
        self,
        bus: RegisterBus,
        allocator: Allocator,
        *,
        clock_hz: float,
        wait: Wait | None = None,
        name: str = "lineconv",
        timeout_s: float = 10.0,
        simulated: bool = False,
        memory_model: MemoryModel | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Drive the engine whose registers are at `bus`.

        Args:
            wait: waits for the interrupt; without it the driver polls.
            close: gives the device back.

        Raises:
            BitstreamMismatchError: this package cannot drive what answers on the bus.
        """
        self.array: Array = read_array(bus)
        self.name = name
        self.clock_hz = clock_hz
        self.timeout_s = timeout_s
        self.simulated = simulated
        self.memory_model = memory_model
        self.last_run: RunReport | None = None
        self._bus = bus
        self._allocator = allocator
        self._wait = wait
        self._close = close

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the device back; it cannot be used after that. Closing twice does nothing."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.array}>"

    def conv2d(
        self,
        x: npt.NDArray[Any],
        w: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        groups: int = 1,
        x_zero_point: int = 0,
        scale: npt.ArrayLike | None = None,
        y_zero_point: int = 0,
        clamp: Pair | None = None,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        output_type: OutputType | str | None = None,
    ) -> npt.NDArray[np.integer[Any]]:
        """2-D convolution of quantised tensors, as `torch.nn.functional.conv2d` has it.

        Without `scale`: acc = sum((x - x_zero_point) * w) + bias in int32, which wraps. With it:
        clamp(overflow(round(fl32(fl32(acc) * scale)) + y_zero_point)), see `lineconv.golden`.

        Args:
            x: int8 or uint8 (N, C, H, W) or (C, H, W).
            w: int8 (O, C / groups, kH, kW), kernels up to 16 x 16.
            bias: int32 (O,).
            stride: one number or (height, width), 1..8.
            padding: one number, (vertical, horizontal), ((top, bottom), (left, right)), 'same' or
                'valid'; x is padded with its zero point.
            dilation: one number or (height, width).
            groups: divides C and O; `groups == C` is depthwise.
            x_zero_point: in the range of x.
            scale: float32 multiplier of the accumulator, one number or (O,).
            y_zero_point: in the range of the output.
            clamp: (low, high) in the range of the output; ReLU is (y_zero_point, 127).
            rounding: 'half_even', 'half_up' or 'floor'.
            overflow: 'saturate', 'saturate_symmetric' or 'wrap'.
            output_type: 'int8' or 'uint8' with scale, 'int32' without; None is 'int8' or 'int32'.

        Returns:
            int32, int8 or uint8 (N, O, H', W'), or (O, H', W') for x without N.

        Raises:
            InvalidTensorError, InvalidLayerError: an argument is not allowed; nothing was run.
            ProgramError: the engine refused the program, or memory answered with an error.
            RunTimeoutError: no descriptor ended within `timeout_s`; the engine has been reset.
            MemoryError: the device has too little memory.
        """
        single = isinstance(x, np.ndarray) and x.ndim == 3
        operands = check_operands(
            x[np.newaxis] if single else x,
            w,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            x_zero_point=x_zero_point,
            scale=scale,
            y_zero_point=y_zero_point,
            clamp=clamp,
            rounding=rounding,
            overflow=overflow,
            output_type=output_type,
        )
        (y,) = self.run([operands])
        return y[0] if single else y

    def run(
        self, layers: Sequence[Operands], *, progress: Progress | None = None
    ) -> list[npt.NDArray[np.integer[Any]]]:
        """Run layers as one program: one start, one interrupt.

        A layer whose `x` is an earlier one reads its result in the device's memory.

        Args:
            layers: in the order in which they run, at least one.
            progress: called now and then while the engine works, with the multiply-accumulates
                of the descriptors that are done.

        Returns:
            The result of each layer, (N, O, H', W').

        Raises:
            InvalidTensorError, InvalidLayerError: a layer cannot read the result of another;
                nothing was run.
            ProgramError, RunTimeoutError, MemoryError: see `conv2d`.
        """
        image = Block(layers, self.array)
        done = [0, *accumulate(image.macs)]
        with self._allocate(image.nbytes) as (buffer, block, address):
            image.write(block, address)
            self._run(
                buffer,
                address,
                image.count,
                image.nbytes,
                progress and (lambda completed: progress(done[completed])),
            )
            cycles = self._read_pair(regs.CYCLES_1)
            runs = image.measurements(block)
            self.last_run = RunReport(self.name, self.array, self.clock_hz, cycles, runs)
            return image.read(block)

    @contextmanager
    def _allocate(self, nbytes: int) -> Iterator[tuple[Buffer, ByteArray, int]]:
        """A buffer, and in it a block of that size that may start with a descriptor."""
        buffer = self._allocator.allocate(nbytes + regs.DESCRIPTOR_BYTES)
        try:
            skip = -buffer.address % regs.DESCRIPTOR_BYTES
            yield buffer, buffer.array[skip : skip + nbytes], buffer.address + skip
        finally:
            buffer.free()

    def _run(
        self, buffer: Buffer, address: int, count: int, nbytes: int, progress: Progress | None
    ) -> None:
        """Run the program at `address`, which may touch that many bytes from there on.

        `progress` is called with the number of descriptors that are done.
        """
        buffer.flush()
        self._write_pair(regs.PROGRAM_1, address)
        self._bus.write(regs.DESCRIPTOR_COUNT, count)
        self._write_pair(regs.WINDOW_BASE_1, address)
        self._write_pair(regs.WINDOW_LAST_1, address + nbytes - 1)
        self._bus.write(regs.WATCHDOG_CYCLES, regs.WATCHDOG_RESET)
        self._acknowledge()
        self._bus.write(regs.GIER, int(self._wait is not None))
        self._bus.write(regs.IP_IER, int(self._wait is not None))
        self._bus.write(regs.CTRL, AP_START)
        try:
            done = self._finished(progress)
        except BaseException:  # Ctrl-C as well: the engine must not write to freed memory
            self._reset()
            raise
        if not done:
            state = "has been reset" if self._reset() else "stays busy after a reset"
            raise RunTimeoutError(
                f"{self.name}: {count} descriptor(s) did not finish, none of them for "
                f"{self.timeout_s} s; the engine {state}"
            )
        self._acknowledge()
        buffer.invalidate()
        self._check_status(count)

    def _finished(self, progress: Progress | None) -> bool:
        """Wait for the end of the run, by interrupt if there is one."""
        wait = self._wait or partial(self._poll, AP_DONE)
        step_s = self.timeout_s if progress is None else min(_PROGRESS_S, self.timeout_s)
        # Not 0 for sure: the HLS core changes COMPLETED only at the end of a run.
        completed, idle_s = self._bus.read(regs.COMPLETED), 0.0
        while not wait(step_s):
            idle_s += step_s
            now = self._bus.read(regs.COMPLETED)
            if now != completed:
                completed, idle_s = now, 0.0
                if progress is not None:
                    progress(completed)
            elif idle_s >= self.timeout_s:
                # Reading CTRL clears AP_DONE; this second chance is for a lost interrupt.
                return self._poll(AP_DONE, 0)
        return True

    def _poll(self, bit: int, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self._bus.read(regs.CTRL) & bit:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _acknowledge(self) -> None:
        """Drop pending interrupts and AP_DONE; writing 1 toggles a pending bit."""
        pending = self._bus.read(regs.IP_ISR)
        if pending:
            self._bus.write(regs.IP_ISR, pending)
        self._bus.read(regs.CTRL)

    def _reset(self) -> bool:
        """Abandon the run; False if memory still owes the engine an answer."""
        self._bus.write(regs.SOFT_RESET, 1)
        return self._poll(AP_IDLE, _RESET_S)

    def _check_status(self, count: int) -> None:
        status = self._bus.read(regs.STATUS)
        if status != regs.Error.OK:
            known = status in list(regs.Error)
            name = regs.Error(status).name if known else "UNKNOWN"
            raise ProgramError(status, name, self._bus.read(regs.FAILED_INDEX))
        completed = self._bus.read(regs.COMPLETED)
        if completed != count:
            raise DeviceError(f"{self.name}: {completed} of {count} descriptors ran, without error")

    def _read_pair(self, offset: int) -> int:
        return self._bus.read(offset) | self._bus.read(offset + 4) << 32

    def _write_pair(self, offset: int, value: int) -> None:
        self._bus.write(offset, value & 0xFFFFFFFF)
        self._bus.write(offset + 4, value >> 32)
