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
from conv_check import ARRAY, check, draw, edges
from conv_check_sums import DERIVED, STEPS, keep, pack
from descriptors import MOVED, Descriptor, packed
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

# Members of conv_check_pkg::condition_t, most significant first.
CONDITION = [
    ("legal", 1),
    ("code", 8),
    ("a", 32),
    ("b", 18),
    ("c", 33),
    ("low", 23),
    ("limited", 1),
    ("high", 33),
]


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
    return {name: all_sums[name] & (1 << bits) - 1 for _, name, bits in DERIVED}


async def walk(dut: Any, d: Descriptor) -> None:
    """All steps up to the first that does not hold."""
    dut.descriptor_i.value = packed(d)
    dut.window_base_i.value, dut.window_last_i.value = d["window_base"], d["window_last"]
    dut.groups_i.value = descriptors.fields(d, ARRAY).groups
    derived: dict[str, int] = {}
    verdict = Error.OK
    for code, step in enumerate(STEPS):
        dut.step_i.value = code
        dut.derived_i.value = pack(derived)
        await Timer(1, "ns")
        condition = unpack(int(dut.condition_o.value), CONDITION)
        total = condition["a"] * condition["b"] + condition["c"]
        too_high = condition["limited"] and total > condition["high"]
        if not condition["legal"] or total < condition["low"] or too_high:
            verdict = Error(condition["code"])
            break
        keep(derived, step, total)
    assert verdict is check(d), f"step {step} says {verdict.name}: {d}"
    if verdict is Error.OK:
        assert derived == sums(d), f"{d}"
        assert int(dut.segments_o.value) == derive(d, ARRAY)["segments"], f"{d}"


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
    for step in range(len(STEPS), 32):
        dut.step_i.value = step
        await Timer(1, "ns")
        assert unpack(int(dut.condition_o.value), CONDITION)["legal"] == 0
