# SPDX-License-Identifier: Apache-2.0
"""conv_output_gate against counts: outputs begin whenever it lets them, and only then."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded, stalls, start

CONFIGURATIONS = [
    {"NumSlices": 1, "MaxGroups": 2, "ResultDepth": 1},
    {"NumSlices": 2, "MaxGroups": 256, "ResultDepth": 64},
    {"NumSlices": 4, "MaxGroups": 5, "ResultDepth": 9},
]
SLICES, MAX_GROUPS, DEPTH = parameters(CONFIGURATIONS).values()
INPUTS = ["take_i", "weights_needed_i", "group_loaded_i", "credit_i"]


@cocotb.test()
@cocotb.parametrize(stall=[(0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.3, 0.3, 0.5)])
async def opens_when_it_may(dut: Any, stall: tuple[float, float, float]) -> None:
    """Flags in every cycle, with groups, credit and outputs that come late."""
    rng = seeded(f"opens_when_it_may {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    stall_group, stall_credit, stall_take = (stalls(rng, probability) for probability in stall)
    groups = room = took = 0
    room, pace, needed = DEPTH, 0, True
    results: deque[int] = deque()  # cycles in which a result is in the FIFO
    for cycle in range(4000):
        loaded = groups < MAX_GROUPS and not next(stall_group)
        credit = bool(results) and results[0] <= cycle and not next(stall_credit)
        weights_ready = not needed or groups > 0
        output_ready = room >= SLICES and pace == 0
        take = weights_ready and output_ready and not next(stall_take)
        dut.take_i.value, dut.weights_needed_i.value = int(take), int(needed)
        dut.group_loaded_i.value, dut.credit_i.value = int(loaded), int(credit)
        await ReadOnly()
        assert dut.weights_ready_o.value == weights_ready, cycle
        assert dut.output_ready_o.value == output_ready, cycle
        groups += loaded - (take and needed)
        pace = max(pace - 1, 0)
        if credit:
            results.popleft()
            room += 1
        if take:
            took += 1
            room -= SLICES
            pace = SLICES - 1
            results.extend(cycle + 5 + index for index in range(SLICES))
            needed = bool(rng.integers(2))
        await RisingEdge(dut.clk_i)
    assert took > 50
