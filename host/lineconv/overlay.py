# SPDX-License-Identifier: Apache-2.0
"""The engine in a pynq overlay: `Overlay("lineconv.bit").lineconv_0` is an `Accelerator`.

pynq binds a driver to an IP by the VLNV in the overlay's .hwh. It knows this one once this module
was imported, which must be before the Overlay is made.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pynq

from lineconv import regs
from lineconv.bus import ByteArray
from lineconv.driver import Accelerator
from lineconv.errors import BitstreamMismatchError, DeviceError, UnknownDeviceError
from lineconv.presets import PRESETS
from lineconv.virtual_board.memory import OutOfMemoryError

__all__ = ["DEFAULT_BITFILE", "LineconvIP", "open_overlay"]

DEFAULT_BITFILE = "lineconv.bit"
_CORE = regs.VLNV.rpartition(":")[0]
_AP_DONE_PENDING = 1 << 0  # in IP_ISR
_POLL_S = 50e-6
# A simulated second takes minutes; the engine's watchdog still ends a run that hangs.
_SIMULATION_TIMEOUT_S = 3600.0


class LineconvIP(Accelerator, pynq.DefaultIP):  # type: ignore[misc]  # pynq has no types
    """One engine in an overlay; everything that `Accelerator` does, and what pynq adds.

    pynq makes the object when the attribute of the overlay is first used.

    Attributes:
        register_map, mmio, device: as in every pynq driver. The driver itself uses offsets:
            printing `register_map` reads CTRL, which clears AP_DONE.

    Raises:
        BitstreamMismatchError: this package cannot drive what answers at the IP's address.
    """

    bindto = (regs.VLNV,)

    def __init__(self, description: Mapping[str, Any]) -> None:
        loop = _current_loop()
        pynq.DefaultIP.__init__(self, description)
        # The virtual device says so; a board has no such attribute.
        simulated = getattr(self.device, "simulated", False)
        Accelerator.__init__(
            self,
            self.mmio,
            _Allocator(self.device),
            clock_hz=_clock_hz(self.device),
            wait=_Completion(self.mmio, getattr(self, "interrupt", None), loop),
            name=f"{self.device.name}/{description['fullpath']}",
            simulated=simulated,
        )
        if simulated:
            self.timeout_s = _SIMULATION_TIMEOUT_S


def open_overlay(bitfile: str = DEFAULT_BITFILE) -> LineconvIP:
    """Load an overlay and return the engine in it.

    Args:
        bitfile: path, or name of a file that pynq finds among the installed overlays; its .hwh
            lies next to it.

    Raises:
        UnknownDeviceError: there is no such file.
        BitstreamMismatchError: it holds no engine, or one of another version; the board is left
            as it was.
        DeviceError: pynq found no board.
    """
    try:
        # Not downloaded yet: a board that runs something else should not lose it to a mistake.
        overlay = pynq.Overlay(bitfile, download=False)
    except OSError as error:
        raise UnknownDeviceError(f"{bitfile}: {error}") from error
    except DeviceError:
        raise
    except RuntimeError as error:
        raise DeviceError(f"{bitfile} cannot be loaded: {error}") from error
    path = _find_engine(bitfile, {name: ip["type"] for name, ip in overlay.ip_dict.items()})
    overlay.download()
    engine: LineconvIP = functools.reduce(getattr, path.split("/"), overlay)
    return engine


def _find_engine(bitfile: str, types: Mapping[str, str]) -> str:
    """The first instance of the engine among {instance: VLNV}."""
    for name, vlnv in types.items():
        if vlnv == regs.VLNV:
            return name
    others = [vlnv for vlnv in types.values() if vlnv.rpartition(":")[0] == _CORE]
    if others:
        raise BitstreamMismatchError(
            f"{bitfile} holds {others[0]}, this package drives {regs.VLNV}: "
            "update the older of the two"
        )
    found = ", ".join(sorted(set(types.values()))) or "no IP at all"
    raise BitstreamMismatchError(f"{bitfile} holds no {regs.VLNV} but {found}")


def _clock_hz(device: Any) -> float:
    """Clock of the engine, which is PL clock 0 of the processor."""
    known = getattr(device, "clock_hz", None)
    if known is not None:
        return float(known)
    try:
        return float(pynq.Clocks.fclk0_mhz) * 1e6
    except RuntimeError:  # a processor whose clocks pynq does not know
        return float(PRESETS["pynq-z2"].clock_hz)


class _Buffer:
    """A pynq buffer as a `lineconv.bus.Buffer`."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self.address: int = buffer.device_address
        # Not the PynqBuffer, of which every slice would be tracked as one more buffer.
        self.array: ByteArray = np.asarray(buffer)

    def flush(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer[start:stop].flush()

    def invalidate(self, start: int = 0, stop: int | None = None) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer[start:stop].invalidate()

    def free(self) -> None:
        """See `lineconv.bus.Buffer`."""
        self._buffer.freebuffer()


class _Allocator:
    """Buffers from `pynq.allocate` on one device."""

    def __init__(self, device: Any) -> None:
        self._device = device

    def allocate(self, nbytes: int) -> _Buffer:
        """See `lineconv.bus.Allocator`."""
        try:
            return _Buffer(pynq.allocate((nbytes,), np.uint8, target=self._device))
        except MemoryError:
            raise
        except RuntimeError as error:  # what XRT raises
            raise OutOfMemoryError(f"no {nbytes} bytes in one piece: {error}") from error


class _Completion:
    """Waits until the engine has raised its interrupt; a `lineconv.bus.Wait`.

    An event loop runs pynq's interrupts, and each belongs to the loop in which it was made. Where
    that loop cannot be run from here (in Jupyter it runs this very cell), the pending bit in
    IP_ISR is polled instead. CTRL would not do: reading it clears AP_DONE.
    """

    def __init__(self, mmio: Any, interrupt: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._mmio = mmio
        self._interrupt = interrupt
        self._loop = loop

    def __call__(self, timeout_s: float) -> bool:
        if self._interrupt is None or self._loop.is_closed() or _loop_runs(self._loop):
            return self._poll(timeout_s)
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._interrupted(), timeout_s))
        except asyncio.TimeoutError:
            return self._pending()
        return True

    async def _interrupted(self) -> None:
        # The interrupt controller latches the level, so that it also wakes for the run before.
        while not self._pending():
            await self._interrupt.wait()

    def _poll(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self._pending():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _pending(self) -> bool:
        return bool(self._mmio.read(regs.IP_ISR) & _AP_DONE_PENDING)


def _loop_runs(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether that loop, or another one in this thread, is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return loop.is_running()
    return True


def _current_loop() -> asyncio.AbstractEventLoop:
    """The loop that pynq's interrupts will find; made if this thread has none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    try:
        loop = asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop
