# SPDX-License-Identifier: Apache-2.0
"""`conv_pkg::layer_t` for benches: derived from a descriptor, packed for a port.

The field list is read from rtl/conv_pkg.sv, so that a bench cannot drift from the hardware.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench import BEAT_BYTES
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.regs import Kind, OutputType

_PACKAGE = Path(__file__).resolve().parents[1] / "rtl" / "conv_pkg.sv"
_TYPE_BITS = {
    "address_t": 32,
    "align_t": (BEAT_BYTES - 1).bit_length(),
    "offset_t": 24,
    "count_t": 16,
    "beats_t": 24,
    "slices_t": 8,
    "conv_regs_pkg::kind_e": 8,
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


def element_bytes(descriptor: dict[str, int]) -> int:
    """Size of an output element."""
    return 4 if descriptor["output_type"] == OutputType.INT32 else 1


def flattened(descriptor: dict[str, int]) -> bool:
    """Whether a kernel row of a pixel is one run of bytes."""
    d = descriptor
    adjacent = d["dilation_width"] == 1 and d["input_pixel_stride"] == d["group_channels"]
    return d["kernel_width"] == 1 or (d["kind"] == Kind.CONV and adjacent)


def derive(descriptor: dict[str, int], array: Array) -> dict[str, int]:
    """layer_t of a descriptor, computed for bad ones as far as it can be."""
    d = descriptor
    vector = d["kind"] != Kind.CONV
    segments = 1 if flattened(d) else d["kernel_width"]
    row_words = segments * d["segment_words"]
    lanes = array.vector_lanes if vector else array.output_lanes
    slices = lanes // array.beat_bytes
    row_bytes = (d["input_width"] - 1) * d["input_pixel_stride"] + d["input_channels"]
    beat_bytes = array.beat_bytes
    input_align = d["input_address"] % beat_bytes
    row_beats = ceil_div(input_align + row_bytes, beat_bytes)
    groups = ceil_div(d["output_channels"], lanes)
    copied = {name: d[name] for name, _ in FIELDS if name in d}
    return copied | {
        "input_address": d["input_address"] - input_align,
        "second_address": d["second_address"] - d["second_address"] % beat_bytes,
        "input_align": input_align,
        "input_unsigned": d["flags"] & 1,
        "row_bytes": row_bytes,
        "row_beats": row_beats,
        "ring_beats": d["row_slots"] * row_beats,
        "resident": int(d["row_slots"] >= d["input_height"]),
        "segments": segments,
        # Without a second kernel row the step is not used and may be beyond the type.
        "kernel_row_step": d["dilation_height"] * row_beats % (1 << 24),
        "segment_step": d["dilation_width"] * d["input_pixel_stride"],
        "output_row_step": d["stride_height"] * row_beats,
        "pixel_step": d["stride_width"] * d["input_pixel_stride"],
        "pad_left_bytes": d["pad_left"] * d["input_pixel_stride"],
        "pad_top_step": d["pad_top"] * row_beats,
        "has_table": d["flags"] >> 1 & 1,
        "weights_by_row": d["flags"] >> 2 & 1,
        "word_beats": slices * (1 if vector else array.input_lanes),
        "slices_per_group": slices,
        "row_words": row_words,
        # Too many only of layers whose weights are held by row, which do not use the number.
        "group_words": d["kernel_height"] * row_words % (1 << 16),
        "groups": groups,
        "output_row_bytes": (d["output_width"] - 1) * d["output_pixel_stride"]
        + d["output_channels"] * element_bytes(d),
        "passes": ceil_div(groups, max(d["groups_per_pass"], 1)),
    }
