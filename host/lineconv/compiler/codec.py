# SPDX-License-Identifier: Apache-2.0
"""Objects as JSON and a block of bytes: dataclasses, enums, arrays and what Python has built in.

Only classes that the caller names are made when reading, and nothing is executed.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from lineconv.packing import ceil_div

__all__ = ["DecodeError", "decode", "encode"]

Json: TypeAlias = Any
Bytes: TypeAlias = bytes | memoryview
Classes: TypeAlias = Mapping[str, type[Any]]  # dataclasses and enums by name

_TAG = "$"
_ALIGNMENT = 64  # of arrays in the block


class DecodeError(ValueError):
    """What was read is no encoded object of these classes; the message says what is wrong."""


class _Block:
    """Bytes of arrays, one after the other; an object that occurs twice is stored once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._stored: dict[int, tuple[int, Any]] = {}

    def add(self, owner: Any, data: bytes | memoryview) -> int:
        """Where they lie; `owner` is kept, so that no other object gets its id."""
        if id(owner) not in self._stored:
            start = ceil_div(len(self.data), _ALIGNMENT) * _ALIGNMENT
            self.data += bytes(start - len(self.data))
            self.data += data
            self._stored[id(owner)] = (start, owner)
        return self._stored[id(owner)][0]


def encode(value: Any, classes: Classes) -> tuple[Json, bytes]:
    """JSON that `decode` turns into an equal object, and the block that goes with it.

    Raises:
        TypeError: a part of it has a type that cannot be encoded.
    """
    block = _Block()
    return _encode(value, {kind: name for name, kind in classes.items()}, block), bytes(block.data)


def _encode(value: Any, names: Mapping[type[Any], str], block: _Block) -> Json:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is tuple:
        return [_encode(item, names, block) for item in value]
    if kind in names:
        tag = {_TAG: names[kind]}
        if isinstance(value, enum.Enum):
            return tag | {"member": value.name}
        return tag | {
            field.name: _encode(getattr(value, field.name), names, block)
            for field in dataclasses.fields(value)
        }
    if kind is list:
        return {_TAG: "list", "items": [_encode(item, names, block) for item in value]}
    if isinstance(value, Mapping):
        items = [[_encode(part, names, block) for part in item] for item in value.items()]
        return {_TAG: "dict", "items": items}
    if kind is range:
        return {_TAG: "range", "bounds": [value.start, value.stop, value.step]}
    if kind is bytes:
        return {_TAG: "bytes", "start": block.add(value, value), "size": len(value)}
    if isinstance(value, np.dtype) and not value.hasobject and value.names is None:
        return {_TAG: "dtype", "dtype": value.str}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {_TAG: "scalar", "dtype": value.dtype.str, "value": value.item()}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject and value.dtype.names is None:
        start = block.add(value, np.ascontiguousarray(value).tobytes())
        return {_TAG: "array", "dtype": value.dtype.str, "shape": [*value.shape], "start": start}
    raise TypeError(f"{kind.__name__} cannot be stored")


def decode(encoded: Json, block: Bytes, classes: Classes) -> Any:
    """The object that was encoded; arrays in it are copies.

    Raises:
        DecodeError: it is not what `encode` makes for these classes.
    """
    if encoded is None or isinstance(encoded, (bool, int, float, str)):
        return encoded
    if isinstance(encoded, list):
        return tuple(decode(item, block, classes) for item in encoded)
    if not isinstance(encoded, dict) or not isinstance(encoded.get(_TAG), str):
        raise DecodeError("an object has no type")
    tag = encoded[_TAG]
    fields = {name: value for name, value in encoded.items() if name != _TAG}
    try:
        if tag in _BUILT_IN:
            return _BUILT_IN[tag](lambda part: decode(part, block, classes), block, **fields)
        if tag not in classes:
            raise DecodeError(f"unknown type {tag!r}")
        kind = classes[tag]
        if issubclass(kind, enum.Enum):
            return kind[fields["member"]]
        wanted = {field.name for field in dataclasses.fields(kind)}
        if set(fields) != wanted:
            raise DecodeError(f"{tag} has other fields: {sorted(wanted ^ set(fields))}")
        return kind(**{name: decode(part, block, classes) for name, part in fields.items()})
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"{tag}: {error}") from None


def _part(block: Bytes, start: int, size: int) -> memoryview:
    if not 0 <= start <= start + size <= len(block):
        raise DecodeError(f"bytes {start}..{start + size} of {len(block)}")
    return memoryview(block)[start : start + size]


def _array(_decode: Any, block: Bytes, dtype: str, shape: list[int], start: int) -> Any:
    element = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * element.itemsize
    # Not frombuffer on the block: arrays are to be writable, and not to keep the file alive.
    return np.frombuffer(bytearray(_part(block, start, size)), element).reshape(shape)


_BUILT_IN: dict[str, Callable[..., Any]] = {
    "list": lambda decode, block, items: [decode(item) for item in items],
    "dict": lambda decode, block, items: {decode(key): decode(value) for key, value in items},
    "range": lambda decode, block, bounds: range(*bounds),
    "bytes": lambda decode, block, start, size: bytes(_part(block, start, size)),
    "dtype": lambda decode, block, dtype: np.dtype(dtype),
    "scalar": lambda decode, block, dtype, value: np.dtype(dtype).type(value),
    "array": _array,
}
