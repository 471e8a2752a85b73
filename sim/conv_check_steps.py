# SPDX-License-Identifier: Apache-2.0
"""conv_check_steps, walked by a loop in Python that does the arithmetic of conv_check.

Verdict and sums must be those of the host's model of the descriptor rules, for legal descriptors
and for each of their fields moved just over the edge of what is legal.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Timer

import descriptors
from bench import seeded
from conv_check import ARRAY, MOVED, Descriptor, check, draw, edges, packed
from layer import derive
from lineconv.regs import Error

CONFIGURATIONS = [
    {
        "InputLanes": 26,
        "OutputLanes": 16,
        "VectorLanes": 48,
        "WeightWords": 512,
        "LineBufferBeats": 16384,
    },
    {
        "InputLanes": 13,
        "OutputLanes": 24,
        "VectorLanes": 40,
        "WeightWords": 100,
        "LineBufferBeats": 1000,
    },
]

STEPS = 30
# Members of conv_check_pkg::derived_t and condition_t, most significant first.
DERIVED = [
    ("kernel_rows", 24),
    ("kernel_columns", 24),
    ("pad_left_bytes", 24),
    ("pixel_step", 24),
    ("segment_step", 24),
    ("row_bytes", 22),
    ("row_beats", 20),
    ("segment_bytes", 23),
    ("segments", 7),
    ("ring_beats", 24),
    ("kernel_row_step", 24),
    ("output_row_step", 24),
    ("pad_top_step", 24),
    ("row_words", 23),
    ("group_words", 27),
    ("group_bytes", 32),
    ("output_row", 52),
]
CONDITION = [("legal", 1), ("code", 8), ("a", 32), ("b", 18), ("c", 52), ("low", 52), ("high", 52)]


def unpack(value: int, members: list[tuple[str, int]]) -> dict[str, int]:
    values = {}
    for name, bits in reversed(members):
        values[name] = value & (1 << bits) - 1
        value >>= bits
    assert value == 0
    return values


def sums(d: Descriptor) -> dict[str, int]:
    """derived_t of a legal descriptor."""
    layer, f = derive(d, ARRAY), descriptors.fields(d, ARRAY)
    all_sums = layer | {
        "kernel_rows": d["dilation_height"] * d["kernel_height"],
        "kernel_columns": d["dilation_width"] * d["kernel_width"],
        "segment_bytes": 1 if f.is_vector else f.segment_bytes,
        "group_words": f.group_words,
        "group_bytes": f.group_bytes,
        "output_row": f.output_row_bytes,
    }
    return {name: all_sums[name] & (1 << bits) - 1 for name, bits in DERIVED}


async def walk(dut: Any, d: Descriptor) -> None:
    """All steps up to the first that does not hold."""
    dut.descriptor_i.value = packed(d)
    dut.window_base_i.value, dut.window_last_i.value = d["window_base"], d["window_last"]
    dut.groups_i.value = descriptors.fields(d, ARRAY).groups
    dut.derived_i.value = derived = 0
    verdict = Error.OK
    for step in range(STEPS):
        dut.step_i.value = step
        await Timer(1, "ns")
        step_condition = unpack(int(dut.condition_o.value), CONDITION)
        total = step_condition["a"] * step_condition["b"] + step_condition["c"]
        in_range = step_condition["low"] <= total <= step_condition["high"]
        if not (step_condition["legal"] and in_range):
            verdict = Error(step_condition["code"])
            break
        dut.sum_i.value = total
        await Timer(1, "ns")
        derived = int(dut.derived_o.value)
        dut.derived_i.value = derived
    assert verdict is check(d), f"step {step} says {verdict.name}: {d}"
    if verdict is Error.OK:
        assert unpack(derived, DERIVED) == sums(d), f"{d}"


@cocotb.test()
async def legal(dut: Any) -> None:
    rng = seeded("legal")
    for _ in range(150):
        await walk(dut, draw(rng))


@cocotb.test()
async def every_limit(dut: Any) -> None:
    rng = seeded("every_limit")
    for _ in range(6):
        d = draw(rng)
        for name, low, high in MOVED:
            for moved in edges(d, name, low, high):
                await walk(dut, moved)


@cocotb.test()
async def no_such_step(dut: Any) -> None:
    """Codes that name no step never hold."""
    for step in range(STEPS, 32):
        dut.step_i.value = step
        await Timer(1, "ns")
        assert unpack(int(dut.condition_o.value), CONDITION)["legal"] == 0
