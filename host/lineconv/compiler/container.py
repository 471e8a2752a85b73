# SPDX-License-Identifier: Apache-2.0
"""`.lconv` files: a compiled network with all that running it and reporting on it needs.

    offset  size
    0       8     magic
    8       4     format version, little-endian as all numbers
    12      4     0
    16      8     size of the JSON text
    24      8     size of the block
    32      32    SHA-256 of all other bytes of the file
    64            JSON text, then the block: the bytes of the arrays (`codec`)

NumPy alone reads them, and nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from lineconv.compiler import network
from lineconv.compiler.codec import DecodeError, decode, encode
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.network import Network
from lineconv.compiler.view import View
from lineconv.cycle_model import Bound
from lineconv.errors import InvalidFileError
from lineconv.files import write_whole
from lineconv.graph import layers
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding
from lineconv.presets import Array

__all__ = ["FORMAT_VERSION", "MAGIC", "load_network", "save_network"]

# The line end and the control character tell what tools for text do to files (as in PNG).
MAGIC = b"lconv\r\n\x1a"
FORMAT_VERSION = 1  # goes up with every change to what a field of a stored class means

_HEAD = struct.Struct("<8sI4xQQ32s")
_CLASSES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(getattr(network, name) for name in network.__all__ if name != "Step"),
        *(getattr(layers, name) for name in layers.__all__),
        *(Array, Bound, ConvLayer, DeviceTensor, OutputType, Overflow, Rounding, View),
    )
}


def save_network(compiled: Network, path: Path | str) -> None:
    """Write a network to a file, whole or not at all.

    Raises:
        InvalidFileError: it cannot be written; an older file of this name is untouched.
    """
    encoded, block = encode(compiled, _CLASSES)
    text = json.dumps(encoded, separators=(",", ":")).encode()
    head = _HEAD.pack(MAGIC, FORMAT_VERSION, len(text), len(block), bytes(32))
    digest = hashlib.sha256(head + text + block).digest()
    write_whole(Path(path), head[:-32] + digest + text + block)


def load_network(path: Path | str) -> Network:
    """The network in a file.

    Raises:
        InvalidFileError: there is no such file, or it is no network file, cut off, damaged or
            written by another version of lineconv; the message names the file and the reason.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InvalidFileError(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidFileError(f"{path}: cannot be read ({error})") from None
    try:
        return _parse(data)
    except DecodeError as error:
        raise InvalidFileError(f"{path}: {error}") from None


def _parse(data: bytes | bytearray) -> Network:
    if not data or data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise DecodeError("is no compiled network (.lconv)")
    if len(data) < _HEAD.size:
        raise DecodeError(f"is cut off: {len(data)} bytes, the head alone has {_HEAD.size}")
    _, version, text_size, block_size, digest = _HEAD.unpack_from(data)
    if version > FORMAT_VERSION:
        raise DecodeError(
            f"has format version {version}, this lineconv reads up to {FORMAT_VERSION}: update it"
        )
    size = _HEAD.size + text_size + block_size
    if len(data) != size:
        what = "is cut off" if len(data) < size else "has something behind its end"
        raise DecodeError(f"{what}: {len(data)} bytes of {size}")
    rest = memoryview(data)[_HEAD.size :]
    undigested = hashlib.sha256(data[: _HEAD.size - 32] + bytes(32))
    undigested.update(rest)
    if version < 1 or undigested.digest() != digest:
        raise DecodeError("is damaged: its checksum is wrong")
    try:
        found = decode(json.loads(bytes(rest[:text_size])), rest[text_size:], _CLASSES)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(
            f"was written by another version of lineconv, compile it again ({error})"
        ) from None
    if not isinstance(found, Network):
        raise DecodeError(f"holds a {type(found).__name__}, no network")
    return found
