# SPDX-License-Identifier: Apache-2.0
"""conv_check_fields against the rules written out, field by field.

Legal descriptors, each of their fields at its limits, and a field at random values near others.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Timer

import descriptors
from bench import engine_array, parameters, seeded
from descriptors import INPUTS, Descriptor
from lineconv.regs import Flag, Kind, OutputType, Overflow, Rounding

CONFIGURATIONS = [
    {"OutputLanes": 16, "VectorLanes": 48, "WeightWords": 512},
    {"OutputLanes": 24, "VectorLanes": 40, "WeightWords": 100},
    {"OutputLanes": 8, "VectorLanes": 16, "WeightWords": 128},
    {"OutputLanes": 32, "VectorLanes": 96, "WeightWords": 512, "BeatBytes": 16},
]
_PARAMETERS = parameters(CONFIGURATIONS)
ARRAY = engine_array({"InputLanes": 13, "LineBufferBeats": 4096} | _PARAMETERS)
CODES = ["kind", "format", "shape", "kernel", "stride", "tiling", "address"]  # of legal_t


def rules(d: Descriptor) -> list[bool]:
    """What each code asks for, in the order of CODES."""
    conv, add = d["kind"] == Kind.CONV, d["kind"] == Kind.ADD
    table, by_row = bool(d["flags"] & Flag.TABLE), bool(d["flags"] & Flag.WEIGHTS_BY_ROW)
    raw, lanes = d["output_type"] == OutputType.INT32, ARRAY.vector_lanes
    low, high = (0, 255) if d["output_type"] == OutputType.UINT8 else (-128, 127)
    element_bytes = 4 if raw else 1
    sizes = [f"{tensor}_{size}" for tensor in ("input", "output") for size in ("height", "width")]
    if conv:
        channels = 1 <= d["group_channels"] <= d["input_channels"]
    else:
        channels = d["input_channels"] == d["output_channels"]
        channels &= d["group_channels"] == d["group_step"] == lanes
    planes = d["input_height"] == 2 * d["output_height"] and d["input_width"] == d["output_width"]
    steps = [d[f"{name}_height"] for name in ("kernel", "stride", "dilation")]
    steps += [d[f"{name}_width"] for name in ("stride", "dilation")]
    pads = [d[f"pad_{side}"] for side in ("top", "bottom", "left", "right")]
    add_kernel = steps == [2, 2, 1, 1, 0] and d["kernel_width"] <= 3 and not any(pads)
    slices = (ARRAY.output_lanes if conv else lanes) // ARRAY.beat_bytes
    conditions = {
        "kind": [d["kind"] in list(Kind)],
        "format": [
            d["output_type"] in list(OutputType),
            d["rounding"] in list(Rounding),
            d["overflow"] in list(Overflow),
            d["flags"] < 8,
            -128 <= d["input_zero_point"] <= 127,
            not (raw and table),
            raw or low <= d["output_zero_point"] <= high,
            raw or low <= d["clamp_min"] <= d["clamp_max"] <= high,
        ],
        "shape": [
            all(d[name] for name in [*sizes, "input_channels", "output_channels"]),
            channels,
            planes or not add,
        ],
        "kernel": [
            d["kernel_height"] in range(1, 17),
            d["kernel_width"] in range(1, 65),
            d["stride_height"] in range(1, 9),
            d["stride_width"] >= 1,
            d["dilation_height"] >= 1,
            add_kernel if add else d["dilation_width"] >= 1,
        ],
        "stride": [
            d["input_row_stride"] % ARRAY.beat_bytes == 0,
            d["output_row_stride"] % ARRAY.beat_bytes == 0,
            d["input_pixel_stride"] >= d["input_channels"],
            d["output_pixel_stride"] >= d["output_channels"] * element_bytes,
        ],
        "tiling": [
            d["groups_per_pass"] >= 1,
            d["groups_per_pass"] * slices <= ARRAY.weight_words,
            conv or not by_row,
            not by_row or d["groups_per_pass"] == d["output_height"] == d["output_width"] == 1,
        ],
        "address": [
            d["weights_address"] % ARRAY.beat_bytes == 0,
            not add or (d["second_address"] - d["input_address"]) % ARRAY.beat_bytes == 0,
            d["output_address"] % element_bytes == 0,
        ],
    }
    return [all(conditions[code]) for code in CODES]


@cocotb.test()
async def every_field(dut: Any) -> None:
    rng = seeded("every_field")
    seen = {(name, verdict): 0 for name in CODES for verdict in (False, True)}
    for _ in range(100):
        legal = descriptors.draw(rng, ARRAY)
        others = [value for name, value in legal.items() if "window" not in name]
        for name, low, high in INPUTS:
            near = [legal[name], int(rng.choice(others)), 1, 2, 3, 8, 16, 64, 127, 255, 2 * low]
            values = {low, high, *(value + step for value in near for step in (-1, 0, 1))}
            for value in values:
                if not low <= value <= high:
                    continue
                d = {**legal, name: value}
                dut.descriptor_i.value = descriptors.packed(d)
                await Timer(1, "ns")
                expected = rules(d)
                got = [bit == "1" for bit in f"{int(dut.legal_o.value):0{len(CODES)}b}"]
                assert got == expected, f"{d}"
                for code, verdict in zip(CODES, expected, strict=True):
                    seen[code, verdict] += 1
    assert min(seen.values()) >= 100, seen
