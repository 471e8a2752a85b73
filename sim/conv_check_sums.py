# SPDX-License-Identifier: Apache-2.0
"""conv_check_sums: each step keeps its own sum, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import BEAT_BYTES, seeded

CONFIGURATIONS = [{}, {"BeatBytes": 16}]

_PACKAGE = Path(__file__).resolve().parents[1] / "rtl" / "conv_check_pkg.sv"
_CODES = re.search(r"enum logic \[4:0\] \{([^}]*)\} step_e;", _PACKAGE.read_text())
if _CODES is None:
    raise RuntimeError(f"{_PACKAGE}: no step_e")
STEPS = re.findall(r"\w+", _CODES.group(1))
# Members of conv_check_pkg::derived_t, most significant first: (step, name, bits).
DERIVED = [
    ("KernelRows", "kernel_rows", 24),
    ("KernelColumns", "kernel_columns", 24),
    ("PadLeft", "pad_left_bytes", 24),
    ("PixelStep", "pixel_step", 24),
    ("SegmentStep", "segment_step", 24),
    ("RowBytes", "row_bytes", 22),
    ("RowBeats", "row_beats", 20),
    ("SegmentBytes", "segment_bytes", 23),
    ("RingBeats", "ring_beats", 24),
    ("KernelRowStep", "kernel_row_step", 24),
    ("OutputRowStep", "output_row_step", 24),
    ("PadTopStep", "pad_top_step", 24),
    ("RowWords", "row_words", 23),
    ("GroupWords", "group_words", 27),
    ("GroupBytes", "group_bytes", 32),
    ("OutputRow", "output_row", 32),
]


def keep(derived: dict[str, int], step: str, total: int) -> None:
    """What the module does with the sum of a step."""
    for source, name, bits in DERIVED:
        if source == step:
            value = total // BEAT_BYTES if name == "row_beats" else total
            derived[name] = value & (1 << bits) - 1


def pack(derived: dict[str, int]) -> int:
    """derived_t; members without a value are 0."""
    value = 0
    for _, name, bits in DERIVED:
        value = value << bits | derived.get(name, 0)
    return value


@cocotb.test()
async def keeps_what_it_is_told_to(dut: Any) -> None:
    rng = seeded("keeps_what_it_is_told_to")
    derived: dict[str, int] = {}

    async def offer(code: int, keeps: bool) -> None:
        # Below 2^22 bytes of a row, so that its beats fit.
        total = int(rng.integers(1 << (22 if code == STEPS.index("RowBeats") else 52)))
        dut.step_i.value, dut.keep_i.value, dut.sum_i.value = code, int(keeps), total
        await RisingEdge(dut.clk_i)
        if keeps and code < len(STEPS):
            keep(derived, STEPS[code], total)
        await ReadOnly()
        if len(derived) == len(DERIVED):
            assert int(dut.derived_o.value) == pack(derived), f"step {code}"
        await RisingEdge(dut.clk_i)

    dut.keep_i.value = 0
    Clock(dut.clk_i, 10, "ns").start()
    await RisingEdge(dut.clk_i)
    for code in range(len(STEPS)):
        await offer(code, True)
    assert len(derived) == len(DERIVED)
    for _ in range(2000):
        await offer(int(rng.integers(32)), bool(rng.random() < 0.5))
