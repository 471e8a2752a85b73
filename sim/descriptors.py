# SPDX-License-Identifier: Apache-2.0
"""Random descriptors of all kinds for the benches of the descriptor check, and their edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layer import element_bytes, flattened
from lineconv import checker
from lineconv.checker import Window
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.program import record
from lineconv.regs import DESCRIPTOR, Error, Flag, Kind, OutputType

Descriptor = dict[str, int]
INPUTS = [  # (name, lowest, highest value) of the fields that the engine reads
    (name, int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for name, (kind, offset, *_) in dict(DESCRIPTOR.fields or {}).items()
    if offset < 128
]
# The window moves like a field; the engine gets it from registers.
MOVED = [*INPUTS, ("window_base", 0, (1 << 64) - 1), ("window_last", 0, (1 << 64) - 1)]


def descriptor(d: Descriptor) -> npt.NDArray[np.void]:
    """As it lies in memory, without the window."""
    return record({name: d[name] for name, _, _ in INPUTS})


def fields(d: Descriptor, array: Array) -> checker.Fields:
    return checker.Fields(descriptor(d), array)


def check(d: Descriptor, array: Array) -> Error:
    """The verdict of the host's model of these rules."""
    return checker.check(fields(d, array), Window(d["window_base"], d["window_last"]))


def span(kernel: int, dilation: int) -> int:
    return dilation * (kernel - 1) + 1


def draw(rng: np.random.Generator, array: Array) -> Descriptor:
    """A random legal descriptor: small and large values of every field, tight and loose."""
    kind = Kind(rng.choice([Kind.CONV, *Kind]))
    while True:
        d = _draft(rng, kind, array)
        if check(d, array) is Error.OK:
            return d


def _draft(rng: np.random.Generator, kind: Kind, array: Array) -> Descriptor:
    d = {"kind": kind} | _format(rng) | _kernel(rng, kind) | _channels(rng, kind, array)
    d |= _planes(rng, kind, d)
    d |= _tiling(rng, d, array)
    return d | _memory(rng, d, array)


def _size(rng: np.random.Generator, high: int) -> int:
    """1..high - 1; every order of magnitude is as likely."""
    return int(high ** rng.random())


def _format(rng: np.random.Generator) -> Descriptor:
    output_type = int(rng.integers(3))
    low, high = [(-128, 127), (0, 255), (-(1 << 15), (1 << 15) - 1)][output_type]
    clamp = np.sort(rng.integers(low, high + 1, 2))
    table = output_type != OutputType.INT32 and rng.random() < 0.5
    return {
        "output_type": output_type,
        "rounding": int(rng.integers(3)),
        "overflow": int(rng.integers(3)),
        "flags": int(rng.integers(2)) | (Flag.TABLE if table else 0),
        "input_zero_point": int(rng.integers(-128, 128)),
        "output_zero_point": int(rng.integers(low, high + 1)),
        "clamp_min": int(clamp[0]),
        "clamp_max": int(clamp[1]),
    }


def _kernel(rng: np.random.Generator, kind: Kind) -> Descriptor:
    if kind == Kind.ADD:
        return {
            "kernel_height": 2,
            "kernel_width": int(rng.integers(1, 4)),
            "stride_height": 2,
            "stride_width": 1,
            "dilation_height": 1,
            "dilation_width": 0,
        }
    return {
        "kernel_height": _size(rng, 17),
        "kernel_width": _size(rng, 65),
        "stride_height": _size(rng, 9),
        "stride_width": _size(rng, 256),
        "dilation_height": _size(rng, 9),
        "dilation_width": int(rng.choice([1, _size(rng, 9), _size(rng, 9), _size(rng, 65536)])),
    }


def _planes(rng: np.random.Generator, kind: Kind, kernel: Descriptor) -> Descriptor:
    """Sizes of input and output, and padding."""
    if kind == Kind.ADD:
        height, width = _size(rng, 1 << 15), _size(rng, 4096)
        pads = dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0)
        return pads | {
            "input_height": 2 * height,
            "input_width": width,
            "output_height": height,
            "output_width": width,
        }
    span_height = span(kernel["kernel_height"], kernel["dilation_height"])
    span_width = span(kernel["kernel_width"], kernel["dilation_width"])
    d = {
        "pad_top": int(rng.integers(span_height)),
        "pad_bottom": _size(rng, 100) - 1,
        "pad_left": _size(rng, 1000) - 1,
        "pad_right": _size(rng, 1000) - 1,
    }
    d["input_height"] = min(_size(rng, 65536) + max(0, span_height - d["pad_top"]), 65535)
    d["input_width"] = min(_size(rng, 4096) + max(0, span_width - d["pad_left"]), 65535)
    rows = d["input_height"] + d["pad_top"] + d["pad_bottom"] - span_height
    columns = d["input_width"] + d["pad_left"] + d["pad_right"] - span_width
    d["output_height"] = min(rows // kernel["stride_height"] + 1, 65535)
    d["output_width"] = min(columns // kernel["stride_width"] + 1, 65535)
    if rng.random() < 0.3:
        d["output_height"] = _size(rng, max(d["output_height"], 1))
        d["output_width"] = _size(rng, max(d["output_width"], 1))
    elif rng.random() < 0.2:
        d["output_height"] = d["output_width"] = 1
    return d


def _channels(rng: np.random.Generator, kind: Kind, array: Array) -> Descriptor:
    lanes = array.vector_lanes
    if kind != Kind.CONV:
        channels = _size(rng, lanes * 16)
        return {
            "input_channels": channels,
            "output_channels": channels,
            "group_channels": lanes,
            "group_step": lanes,
        }
    channels, outputs = _size(rng, array.input_lanes * 64), _size(rng, 65536)
    d = {"input_channels": channels, "output_channels": outputs}
    if rng.random() < 0.5:
        return d | {"group_channels": channels, "group_step": 0}
    groups = ceil_div(outputs, array.output_lanes)
    most = 65535 if groups == 1 else (channels - 1) // (groups - 1)
    return d | {
        "group_channels": int(rng.integers(1, channels + 1)),
        "group_step": int(rng.choice([most, rng.integers(most + 1)])),
    }


def _tiling(rng: np.random.Generator, d: Descriptor, array: Array) -> Descriptor:
    gap = int(rng.choice([0, 0, _size(rng, 100)]))
    d = d | {"input_pixel_stride": d["input_channels"] + gap}
    rows = max(span(d["kernel_height"], d["dilation_height"]), d["stride_height"])
    words = 1
    segments = d["kernel_width"]
    if d["kind"] == Kind.CONV:
        flat = flattened(d)
        segments = 1 if flat else segments
        words = ceil_div(
            d["group_channels"] * (d["kernel_width"] if flat else 1), array.input_lanes
        )
    flags, lanes = d["flags"], array.output_lanes if d["kind"] == Kind.CONV else array.vector_lanes
    fit = array.weight_words // (d["kernel_height"] * segments * words)
    fit = min(max(fit, 1), array.weight_words * array.beat_bytes // lanes)
    per_pass = fit if rng.random() < 0.5 else _size(rng, fit + 1)
    one_pixel = d["output_height"] == d["output_width"] == 1
    if d["kind"] == Kind.CONV and one_pixel and rng.random() < 0.7:
        flags |= Flag.WEIGHTS_BY_ROW
        per_pass = 1
    return {
        "flags": flags,
        "input_pixel_stride": d["input_pixel_stride"],
        "segment_words": words,
        "groups_per_pass": per_pass,
        "row_slots": rows + int(rng.choice([0, 0, _size(rng, 20)])),
    }


def _memory(rng: np.random.Generator, d: Descriptor, array: Array) -> Descriptor:
    """Strides, addresses, and a window around them."""
    pixel_bytes = d["output_channels"] * element_bytes(d)
    stride = pixel_bytes + int(rng.choice([0, 0, _size(rng, 100)]))
    beats = ceil_div(d["output_width"] * stride, array.beat_bytes) + _size(rng, 8) - 1
    row = (d["input_width"] - 1) * d["input_pixel_stride"] + d["input_channels"]
    out = {
        "output_pixel_stride": stride,
        "output_row_stride": array.beat_bytes * beats,
        "input_row_stride": array.beat_bytes
        * (ceil_div(row, array.beat_bytes) + _size(rng, 8) - 1),
    }
    names = ("input", "second", "weights", "output")
    for name, alignment in zip(
        names, (1, array.beat_bytes, array.beat_bytes, element_bytes(d)), strict=True
    ):
        out[f"{name}_address"] = int(rng.integers(1 << 31)) // alignment * alignment
    out["second_address"] += out["input_address"] % array.beat_bytes
    addresses = [out[f"{name}_address"] for name in names]
    out["window_base"] = int(rng.integers(min(addresses) + 1))
    top = 1 << (32 if rng.random() < 0.7 else 64)
    return out | {"window_last": int(rng.integers(1 << 31, top, dtype="u8"))}


def packed(d: Descriptor) -> int:
    return int.from_bytes(descriptor(d).tobytes()[:128], "little")


def edges(d: Descriptor, field: tuple[str, int, int], array: Array) -> list[Descriptor]:
    """`d` with `name` just before and just after the verdict changes, below and above its value."""
    name, low, high = field
    found = []
    for end in (low, high):
        near, far = d[name], end
        if check({**d, name: far}, array) is Error.OK:
            found.append({**d, name: far})
            continue
        while abs(far - near) > 1:
            middle = (near + far) // 2
            if check({**d, name: middle}, array) is Error.OK:
                near = middle
            else:
                far = middle
        found += [{**d, name: near}, {**d, name: far}]
    return found
