# SPDX-License-Identifier: Apache-2.0
"""Packs `conv_pkg::layer_t` for benches of modules that take a layer on a port.

The field list is read from rtl/conv_pkg.sv, so that a bench cannot drift from the hardware.
"""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1] / "rtl" / "conv_pkg.sv"
_TYPE_BITS = {
    "address_t": 32,
    "offset_t": 24,
    "count_t": 16,
    "beats_t": 24,
    "conv_regs_pkg::output_type_e": 8,
    "conv_regs_pkg::rounding_e": 8,
    "conv_regs_pkg::overflow_e": 8,
    "logic": 1,
}


def _fields() -> list[tuple[str, int]]:
    """(name, bits) of every member of layer_t, most significant first."""
    text = re.sub(r"//.*", "", _PACKAGE.read_text())
    body = re.search(r"typedef struct packed \{([^}]*)\} layer_t;", text)
    if body is None:
        raise RuntimeError(f"{_PACKAGE}: no layer_t")
    out = []
    for member in body.group(1).split(";"):
        if not member.strip():
            continue
        match = re.fullmatch(r"\s*([\w:]+)\s*(?:signed)?\s*(?:\[(\d+):0\])?\s+(\w+)\s*", member)
        if match is None:
            raise RuntimeError(f"{_PACKAGE}: cannot read {member!r}")
        kind, top, name = match.groups()
        out.append((name, int(top) + 1 if top else _TYPE_BITS[kind]))
    return out


FIELDS = _fields()


def pack_layer(**values: int) -> int:
    """Integer value of a layer_t port; fields that are not named are 0."""
    unknown = set(values) - {name for name, _ in FIELDS}
    if unknown:
        raise KeyError(f"layer_t has no field {sorted(unknown)}")
    packed = 0
    for name, bits in FIELDS:
        value = int(values.get(name, 0))
        if not -(1 << (bits - 1)) <= value < 1 << bits:
            raise ValueError(f"{name}={value} does not fit {bits} bits")
        packed = packed << bits | value & ((1 << bits) - 1)
    return packed


def unpack_layer(packed: int) -> dict[str, int]:
    """Fields of a layer_t port, unsigned."""
    values = {}
    for name, bits in reversed(FIELDS):
        values[name] = packed & ((1 << bits) - 1)
        packed >>= bits
    return values
