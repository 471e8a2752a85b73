# SPDX-License-Identifier: Apache-2.0
"""The C interface of board.cpp, for ctypes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from lineconv.errors import DeviceError

__all__ = ["Fault", "Timing", "load"]


class Timing(ctypes.Structure):
    """lineconv::Timing in axi_memory.hpp; the order is that of MemoryModel."""

    _fields_ = (
        ("bytes_per_cycle", ctypes.c_double),
        ("read_latency", ctypes.c_uint32),
        ("write_latency", ctypes.c_uint32),
        ("max_outstanding", ctypes.c_uint32),
        ("stall_probability", ctypes.c_double),
        ("seed", ctypes.c_uint64),
    )


class Fault(ctypes.Structure):
    """lineconv::Fault in axi_memory.hpp."""

    _fields_ = (
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("response", ctypes.c_uint8),
        ("reads", ctypes.c_bool),
        ("writes", ctypes.c_bool),
    )


def load(path: Path, trace: bool) -> ctypes.CDLL:
    """The library at `path`, with the types of its functions set.

    Raises:
        DeviceError: it does not load.
    """
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise DeviceError(
            f"{path} does not load, delete its folder to build it anew: {error}"
        ) from error
    handle, u32, u64, boolean = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_bool
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "create": (handle, [ctypes.c_void_p, u64, u64]),
        "destroy": (None, [handle]),
        "error": (ctypes.c_char_p, [handle]),
        "reset": (boolean, [handle]),
        "read": (boolean, [handle, u32, ctypes.POINTER(u32)]),
        "write": (boolean, [handle, u32, u32]),
        "run": (boolean, [handle, u64]),
        "run_until_interrupt": (boolean, [handle, u64, ctypes.POINTER(boolean)]),
        "interrupt": (boolean, [handle]),
        "cycles": (u64, [handle]),
        "read_beats": (u64, [handle, u32]),
        "write_beats": (u64, [handle, u32]),
        "configure": (None, [handle, ctypes.POINTER(Timing)]),
        "add_fault": (None, [handle, ctypes.POINTER(Fault)]),
        "clear_faults": (None, [handle]),
    }
    if trace:
        signatures["open_trace"] = (boolean, [handle, ctypes.c_char_p])
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"board_{name}")
        function.restype = result
        function.argtypes = arguments
    return library
