# SPDX-License-Identifier: Apache-2.0
"""Starts programs by the control registers of an engine, and waits for their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from lineconv import regs
from lineconv.bus import AP_DONE, AP_IDLE, AP_START, RegisterBus, Wait
from lineconv.errors import DeviceError, ProgramError, RunTimeoutError

__all__ = ["Control", "Progress"]

_POLL_S = 50e-6
_PROGRESS_S = 1e-3  # between two reports; on a virtual board it is simulated time
_RESET_S = 1.0  # for the memory to answer what the engine had asked before a reset

# Told how much of a run is done.
Progress: TypeAlias = Callable[[int], None]


class Control:
    """The control registers of one engine.

    Attributes:
        name: of the device, for messages.
        timeout_s: how long a run may take without completing a descriptor.
    """

    def __init__(self, bus: RegisterBus, wait: Wait | None, name: str, timeout_s: float) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._bus = bus
        self._wait = wait

    def run(self, program: int, count: int, window: range, progress: Progress | None = None) -> int:
        """Run descriptors; the cycles from start to done, 0 where they are not counted.

        Args:
            program: address of the first descriptor.
            count: descriptors.
            window: addresses that the engine may touch.
            progress: called now and then with the number of descriptors that are done.

        Raises:
            ProgramError: the engine refused the program, or memory answered with an error.
            RunTimeoutError: no descriptor ended within `timeout_s`; the engine has been reset.
        """
        self._write_pair(regs.PROGRAM_1, program)
        self._bus.write(regs.DESCRIPTOR_COUNT, count)
        self._write_pair(regs.WINDOW_BASE_1, window.start)
        self._write_pair(regs.WINDOW_LAST_1, window.stop - 1)
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
        self._check_status(count)
        return self._bus.read(regs.CYCLES_1) | self._bus.read(regs.CYCLES_2) << 32

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

    def _write_pair(self, offset: int, value: int) -> None:
        self._bus.write(offset, value & 0xFFFFFFFF)
        self._bus.write(offset + 4, value >> 32)
