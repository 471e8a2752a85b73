# SPDX-License-Identifier: Apache-2.0
"""The HLS core in C simulation, as a board that the driver can use.

The C++ of `hls/` is compiled for each array once and kept in the cache. It needs a C++ compiler
and the open headers of the `hls4ml` package, but no Vitis.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv import regs
from lineconv.bus import ByteArray
from lineconv.errors import DeviceError
from lineconv.presets import Array
from lineconv.register_file import RegisterFile
from lineconv.virtual_board import BuildError, MissingToolError, toolchain
from lineconv.virtual_board.build import cache_directory, source_directory
from lineconv.virtual_board.memory import (
    DEFAULT_BASE_ADDRESS,
    DEFAULT_MEMORY_BYTES,
    Memory,
    MemoryBuffer,
)

__all__ = ["COMPILER_FLAGS", "HlsBoard", "HlsError", "headers", "library", "sources"]

COMPILER_FLAGS = (
    *("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Werror"),
    *("-Wno-unknown-pragmas", "-Wno-unused-label"),  # both are for Vitis HLS: pragmas, loop names
)
SOURCES = ("conv_top.cpp", "conv_c_api.cpp")


class HlsError(DeviceError):
    """The core broke the rules of its AXI ports."""


class _Registers(ctypes.Structure):
    """Registers in conv_c_api.cpp."""

    _fields_ = (
        ("program", ctypes.c_uint64),
        ("window_base", ctypes.c_uint64),
        ("window_last", ctypes.c_uint64),
        ("descriptor_count", ctypes.c_uint32),
        ("watchdog_cycles", ctypes.c_uint32),
        ("cycles", ctypes.c_uint64),
        ("outcome", ctypes.c_uint32 * 3),
        ("identity", ctypes.c_uint32 * 7),
    )


class HlsBoard(RegisterFile):
    """Register bus, allocator and wait function (lineconv.bus) around the HLS core.

    As from every core that Vitis HLS makes, outputs appear when a run has ended: the identity reads
    0 before the first run. A write that starts a run returns when it has ended. SOFT_RESET has no
    effect, and cycles are not counted.

    Attributes:
        array: sizes of the engine.

    Args:
        memory_bytes, base_address: of the memory; see VirtualBoard.

    Raises:
        MissingToolError, BuildError: the library cannot be built.
    """

    def __init__(
        self,
        array: Array,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        base_address: int = DEFAULT_BASE_ADDRESS,
    ) -> None:
        super().__init__()
        self.array = array
        self._memory = Memory(memory_bytes, base_address)
        self._library = _load(library(array))

    @property
    def memory(self) -> ByteArray:
        """(memory_bytes,) uint8: the memory itself, as host and engine see it."""
        return self._memory.array

    def allocate(self, nbytes: int) -> MemoryBuffer:
        """See `lineconv.bus.Allocator`."""
        return self._memory.allocate(nbytes)

    def check(self, descriptor: npt.NDArray[np.void], base: int, last: int) -> regs.Error:
        """What the core says of a descriptor, shape (), if the window is `base` to `last`."""
        return regs.Error(self._library.conv_hls_check(descriptor.tobytes(), base, last))

    def run(self) -> None:
        """See `lineconv.register_file.RegisterFile`.

        Raises:
            HlsError: the run broke the rules of its AXI ports.
        """
        registers = self.registers
        port = _Registers(
            program=self.pair(regs.PROGRAM_1),
            window_base=self.pair(regs.WINDOW_BASE_1),
            window_last=self.pair(regs.WINDOW_LAST_1),
            descriptor_count=registers[regs.DESCRIPTOR_COUNT],
            watchdog_cycles=registers[regs.WATCHDOG_CYCLES],
        )
        memory = self._memory
        message = self._library.conv_hls_run(
            memory.array.ctypes.data,
            memory.array.size,
            memory.base_address,
            ctypes.byref(port),
        )
        if message is not None:
            raise HlsError(message.decode())
        for index, value in enumerate(port.outcome):
            registers[regs.STATUS + 4 * index] = value
        for index, value in enumerate(port.identity):
            registers[regs.MAGIC + 4 * index] = value
        registers[regs.CYCLES_1] = port.cycles & 0xFFFFFFFF
        registers[regs.CYCLES_2] = port.cycles >> 32
        self.finish()


def sources() -> Path:
    """Folder of the HLS core: inside an installed package, or beside it in a checkout.

    Raises:
        BuildError: there is none.
    """
    return source_directory("hls", SOURCES[0])


def headers() -> Path:
    """Folder of the open hls_stream.h, which the hls4ml package ships.

    Raises:
        MissingToolError: it is not installed.
    """
    # hls4ml is only looked for: importing it takes seconds.
    spec = importlib.util.find_spec("hls4ml")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "templates" / "vivado" / "ap_types"
        if (folder / "hls_stream.h").is_file():
            return folder
    raise MissingToolError(
        "hls_stream.h is missing: pip install hls4ml==1.3.0 (or pip install 'lineconv[hls4ml]')"
    )


def library(array: Array) -> Path:
    """Path of the compiled core for `array`, built unless the cache has it (a few seconds).

    Raises:
        MissingToolError: a compiler or the open headers are not installed.
        BuildError: the compiler failed.
    """
    folder = sources()
    compiler = toolchain.compiler()
    sizes = [f"-DCONV_{name.upper()}={value}" for name, value in asdict(array).items()]
    # As system headers: their warnings are not ours.
    includes = ["-isystem", str(folder / "sim"), "-isystem", str(headers())]
    command = [*compiler, *COMPILER_FLAGS, *sizes, *includes]
    command += [str(folder / name) for name in SOURCES]

    digest = hashlib.sha256(json.dumps([command, platform.machine()]).encode())
    for file in sorted([*folder.glob("*.[ch]pp"), *folder.glob("sim/*.h")]):
        digest.update(file.name.encode() + file.read_bytes())
    shape = f"{array.input_lanes}x{array.output_lanes}"
    result = cache_directory() / f"conv_hls-{shape}-{digest.hexdigest()[:16]}.so"
    if not result.is_file():
        result.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=result.parent) as scratch:
            built = Path(scratch) / result.name
            _compile([*command, "-o", str(built)])
            os.replace(built, result)
    return result


def _compile(command: list[str]) -> None:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if result.returncode != 0:
        raise BuildError(f"{command[0]} failed on the HLS core:\n{result.stdout[:4000]}")


def _load(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    u64 = ctypes.c_uint64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "conv_hls_run": (
            ctypes.c_char_p,
            [ctypes.c_void_p, u64, u64, ctypes.POINTER(_Registers)],
        ),
        "conv_hls_check": (ctypes.c_uint32, [ctypes.c_char_p, u64, u64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    return loaded
