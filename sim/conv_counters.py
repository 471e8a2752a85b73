# SPDX-License-Identifier: Apache-2.0
"""conv_counters against integers: every event alone and together, restarts that lose no cycle."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from bench import seeded
from lineconv.regs import Error

CONFIGURATIONS = [{}]  # type: list[dict[str, int]]

# result_t, from the lowest word on; each counter with the input that feeds it.
COUNTERS = {
    "mac_cycles": "issue_i",
    "stall_input": "stall_input_i",
    "stall_weights": "stall_weights_i",
    "stall_output": "stall_output_i",
    "read_beats": "read_beat_i",  # two bits, each of which counts
    "write_beats": "write_beat_i",
}
WORDS = ["status", "cycles", *COUNTERS]


@cocotb.test()
async def counts(dut: Any) -> None:
    rng = seeded("counts")
    Clock(dut.clk_i, 10, "ns").start()
    dut.restart_i.value = 1
    await RisingEdge(dut.clk_i)
    expected = dict.fromkeys(WORDS, 0)
    for cycle in range(5000):
        # Long enough between restarts that a counter of 8 bits would be seen.
        restart = cycle == 0 or rng.random() < 0.001
        expected["status"] = status = Error(rng.integers(len(Error)))
        dut.restart_i.value, dut.status_i.value = int(restart), status
        events = {}
        for name, port in COUNTERS.items():
            value = int(rng.integers(1 << len(getattr(dut, port))))
            getattr(dut, port).value = value
            events[name] = value.bit_count()
        await ReadOnly()
        if cycle > 0:
            result = int(dut.result_o.value)
            got = {name: result >> 32 * i & 0xFFFFFFFF for i, name in enumerate(WORDS)}
            assert got == expected, f"cycle {cycle}: {got} instead of {expected}"
        for name, count in {"cycles": 1, **events}.items():
            expected[name] = count if restart else expected[name] + count
        await RisingEdge(dut.clk_i)
