# SPDX-License-Identifier: Apache-2.0
"""A pynq device without a board: pynq itself, on top, runs unchanged.

Importing this module is enough: where pynq finds no board, the virtual device becomes the active
one. `use` makes it so anywhere. Registers, memory and interrupt are those of the virtual board,
which is the RTL in simulation; see docs/pynq.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pynq
from pynq.buffer import PynqBuffer
from pynq.interrupt import _InterruptController
from pynqmetadata.frontends import Metadata

from lineconv import presets, regs
from lineconv.axi_intc import AxiIntc
from lineconv.bus import AP_DONE, AP_IDLE, AP_START, Buffer
from lineconv.errors import DeviceError, InvalidFileError, InvalidInputError
from lineconv.hwh import ENGINE
from lineconv.virtual_board import VirtualBoard

try:
    from pynqmetadata.views.runtime import RuntimeMetadataParser
except ImportError:  # pynq 3
    from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser

__all__ = ["Board", "Cache", "VirtualDevice", "use"]

Cache: TypeAlias = Literal["strict", "shared"]

_CORE = regs.VLNV.rpartition(":")[0]
_INTERRUPT_CONTROLLER = "xilinx.com:ip:axi_intc"
_POISON = 0xA5
_BUSY_CYCLES = 2000  # pass before a register of a busy engine is read: polls are few
_FINISHED = {regs.CTRL: AP_DONE | AP_IDLE, regs.IP_ISR: 1}  # bits that tell the end of a run
_PL_MANAGER = Path("/sys/class/fpga_manager")


class Board(Protocol):
    """What the device needs from a simulation; `VirtualBoard` is one."""

    @property
    def interrupt(self) -> bool:
        """Level of the engine's interrupt output."""
        ...

    def read(self, offset: int) -> int:
        """A register of the engine."""
        ...

    def write(self, offset: int, value: int) -> None:
        """Write a register of the engine."""
        ...

    def allocate(self, nbytes: int) -> Buffer:
        """Memory; its `array` is what the engine sees."""
        ...

    def wait_interrupt(self, timeout_cycles: int) -> bool:
        """Advance the clock until the interrupt is high, but not further than that."""
        ...

    def reset(self) -> None:
        """Reset the engine; memory keeps its content."""
        ...


class VirtualDevice(pynq.Device):  # type: ignore[misc]  # pynq has no types
    """One engine, one interrupt controller and memory.

    Args:
        preset: of the engine, see `lineconv.presets`; None takes the environment variable
            LINECONV_PRESET, else pynq-z2.
        cache: "strict" keeps what the processor sees apart from what the engine sees, as a cache
            may, until it is flushed or invalidated; "shared" shows both the same bytes.
        board: makes the simulation, when it is first needed.

    Attributes:
        simulated: True.
        clock_hz: of the preset.

    Raises:
        InvalidInputError: unknown preset or cache.
    """

    _probe_priority_ = 1000  # after every real device, see _probe_

    @classmethod
    def _probe_(cls) -> list[VirtualDevice]:
        """pynq asks once for the devices of each class; those before this one found boards."""
        # A board whose shell lacks pynq's environment also finds none: that deserves pynq's
        # warning, not results from a simulation.
        if pynq.Device._devices or any(_PL_MANAGER.glob("*")):
            return []
        return [cls()]

    def __init__(
        self,
        preset: str | None = None,
        *,
        cache: Cache = "strict",
        board: Callable[[], Board] | None = None,
    ) -> None:
        if cache not in ("strict", "shared"):
            raise InvalidInputError(f"cache is {cache!r}, allowed are 'strict' and 'shared'")
        configuration = presets.preset(preset or os.environ.get("LINECONV_PRESET", "pynq-z2"))
        super().__init__("lineconv-virtual")
        self.name = "virtual"  # also selects lineconv.bit.d/lineconv.virtual.bit
        self.capabilities = {"REGISTER_RW": True}
        self.simulated = True
        self.clock_hz = configuration.clock_hz
        self.default_memory = _Memory(self, shared=cache == "shared")
        self._make_board = board or (lambda: VirtualBoard(configuration))
        self._board: Board | None = None
        self._controller = AxiIntc()
        self._ranges: list[tuple[int, int, str]] = []  # first, last address, VLNV
        self._busy = False

    @property
    def board(self) -> Board:
        """The simulation behind the device; the first use may take the time of a build."""
        if self._board is None:
            self._board = self._make_board()
        return self._board

    # Registers ------------------------------------------------------------------------------

    def read_registers(self, address: int, length: int) -> bytes:
        """See `pynq.Device`."""
        words = [self._read(address + offset) for offset in range(0, length, 4)]
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        """See `pynq.Device`."""
        for offset in range(0, len(data), 4):
            self._write(address + offset, int.from_bytes(data[offset : offset + 4], "little"))

    def _read(self, address: int) -> int:
        core, offset = self._decode(address)
        if core == _INTERRUPT_CONTROLLER:
            return self._controller.read(offset, self.board.interrupt)
        if self._busy:
            self.board.wait_interrupt(_BUSY_CYCLES)
        value = self.board.read(offset)
        if value & _FINISHED.get(offset, 0):
            self._busy = False
        return value

    def _write(self, address: int, value: int) -> None:
        core, offset = self._decode(address)
        if core == _INTERRUPT_CONTROLLER:
            self._controller.write(offset, value, self.board.interrupt)
            return
        if offset == regs.CTRL and value & AP_START:
            self._busy = True
        self.board.write(offset, value)

    def _decode(self, address: int) -> tuple[str, int]:
        for first, last, core in self._ranges:
            if first <= address <= last:
                return core, address - first
        raise DeviceError(f"no register at {address:#x}: no overlay with one there is loaded")

    # Interrupt ------------------------------------------------------------------------------

    def wait_request(self) -> bool:
        """Advance the clock a little; whether the interrupt controller then calls."""
        return self._controller.request(self.board.wait_interrupt(_BUSY_CYCLES))

    # Memory ---------------------------------------------------------------------------------

    def flush(self, bo: _Mirror, offset: int, vaddr: int, nbytes: int) -> None:
        """See `pynq.Device`."""
        bo.engine[offset : offset + nbytes] = bo.host[offset : offset + nbytes]

    def invalidate(self, bo: _Mirror, offset: int, vaddr: int, nbytes: int) -> None:
        """See `pynq.Device`."""
        bo.host[offset : offset + nbytes] = bo.engine[offset : offset + nbytes]

    # Overlay --------------------------------------------------------------------------------

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """The parsed .hwh next to the .bit.

        Raises:
            InvalidFileError: it is missing, or not such a description.
        """
        path = Path(bitfile_name).with_suffix(".hwh")
        if not path.is_file():
            raise InvalidFileError(f"{path}: no such file; pynq needs it next to the bitstream")
        try:
            parser = RuntimeMetadataParser(Metadata(str(path)))
        except Exception as error:  # the parser raises whatever it trips over
            raise InvalidFileError(f"{path}: no hardware description ({error!r})") from error
        parser.refresh_hierarchy_dict()
        parser.clock_dict = {}  # pynq would set the clocks of the processor, which is not there
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Reset the engine, and put its registers where the overlay has them."""
        self._ranges = [
            (ip["phys_addr"], ip["phys_addr"] + ip["addr_range"] - 1, ip["type"].rpartition(":")[0])
            for ip in parser.ip_dict.values()
            if ip["type"].rpartition(":")[0] in (_CORE, _INTERRUPT_CONTROLLER)
        ]
        if not any(core == _CORE for _, _, core in self._ranges):
            found = ", ".join(ip["type"] for ip in parser.ip_dict.values()) or "no IP at all"
            raise DeviceError(
                f"{bitstream.bitfile_name}: only {ENGINE} can be simulated, not {found}"
            )
        self.board.reset()
        self._busy = False
        self._controller = AxiIntc()
        # Where pynq keeps its /dev/uio; it finds ours before it looks for that file.
        for controller in parser.interrupt_controllers.values():
            _InterruptController._uio_devices[controller["raw_irq"]] = _Uio(self)
        self.post_download(bitstream, parser, self.name)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """pynq keeps the metadata of a loaded board; nothing outlives this process."""

    def shutdown(self) -> None:
        """pynq unloads a board's bitstream here."""

    def close(self) -> None:
        """pynq 3 does so when an overlay is freed; the device remains usable."""


def use(
    preset: str | None = None,
    *,
    cache: Cache = "strict",
    board: Callable[[], Board] | None = None,
) -> VirtualDevice:
    """Make a new virtual device the one that pynq uses, even where there is a board.

    Args, raises: as `VirtualDevice`.
    """
    device = VirtualDevice(preset, cache=cache, board=board)
    pynq.Device.active_device = device
    return device


class _Mirror:
    """The two views of one allocation; what pynq calls a buffer object."""

    def __init__(self, buffer: Buffer, nbytes: int, *, shared: bool) -> None:
        self.buffer = buffer
        self.engine = buffer.array[:nbytes]
        if not shared:
            self.engine[:] = _POISON  # so that what was not flushed is noticed
        self.host = self.engine if shared else np.zeros(nbytes, np.uint8)


class _Memory:
    """The device's memory as pynq allocates from it."""

    def __init__(self, device: VirtualDevice, *, shared: bool) -> None:
        self._device = device
        self._shared = shared

    def allocate(
        self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = "u4", **options: Any
    ) -> Any:
        """See `pynq.allocate`."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        mirror = _Mirror(self._device.board.allocate(nbytes), nbytes, shared=self._shared)
        buffer = PynqBuffer(
            shape,
            dtype,
            buffer=mirror.host.data,
            device=self._device,
            bo=mirror,
            device_address=mirror.buffer.address,
            coherent=self._shared,
        )
        # pynq hands `pointer` back to `return_to` when the buffer is freed. With `freed` set it
        # does not unmap memory that it never mapped.
        buffer.memory, buffer.pointer, buffer.return_to, buffer.freed = self, mirror, self, True
        return buffer

    def return_pointer(self, pointer: _Mirror) -> None:
        """Called by pynq when a buffer is freed."""
        pointer.buffer.free()


class _Uio:
    """In place of `pynq.uio.UioController`: no file wakes the loop, the loop runs the clock."""

    def __init__(self, device: VirtualDevice) -> None:
        self._device = device
        self._events: list[Any] = []

    def add_event(self, event: Any, number: int) -> None:
        """Set the event when the interrupt controller calls."""
        self._events.append(event)
        if len(self._events) == 1:
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        if not self._device.wait_request():
            asyncio.get_running_loop().call_soon(self._advance)
            return
        events, self._events = self._events, []
        for event in events:
            event.set()
