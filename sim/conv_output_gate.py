# SPDX-License-Identifier: Apache-2.0
"""conv_output_gate against counts: what it lets begin begins whenever it may, and only then."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded, stalls, start

CONFIGURATIONS = [
    {"MaxSlices": 1, "MaxUnits": 2, "ResultDepth": 1},
    {"MaxSlices": 6, "MaxUnits": 512, "ResultDepth": 64},
    {"MaxSlices": 4, "MaxUnits": 5, "ResultDepth": 9},
]
MAX_SLICES, MAX_UNITS, DEPTH = parameters(CONFIGURATIONS).values()
INPUTS = ["start_i", "slices_i", "take_weights_i", "take_output_i", "weights_loaded_i", "credit_i"]


@cocotb.test()
@cocotb.parametrize(stall=[(0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.3, 0.3, 0.5)])
async def opens_when_it_may(dut: Any, stall: tuple[float, float, float]) -> None:
    """Flags in every cycle, with weights, credit and outputs that come late, over many layers."""
    rng = seeded(f"opens_when_it_may {stall}")
    await start(dut, **dict.fromkeys(INPUTS, 0))
    stall_unit, stall_credit, stall_take = (stalls(rng, probability) for probability in stall)
    units = room = pace = outputs = slices = left = layers = 0
    results: deque[int] = deque()  # cycles in which a result is in the FIFO
    for cycle in range(6000):
        begins = left == 0 and not results and pace == 0
        if begins:  # the next layer
            slices, left = int(rng.integers(1, MAX_SLICES + 1)), int(rng.integers(1, 60))
            dut.slices_i.value, room = slices, DEPTH
            layers += 1
        dut.start_i.value = int(begins)
        loaded = units < MAX_UNITS and not next(stall_unit)
        credit = bool(results) and results[0] <= cycle and not next(stall_credit)
        may_output = room >= slices and pace == 0
        wants = left > 0 and not begins
        # A kernel row may take weights without an output that begins, and the other way round.
        output = wants and may_output and not next(stall_take)
        weights = wants and units > 0 and bool(rng.integers(2))
        dut.take_output_i.value, dut.take_weights_i.value = int(output), int(weights)
        dut.weights_loaded_i.value, dut.credit_i.value = int(loaded), int(credit)
        await ReadOnly()
        assert dut.weights_ready_o.value == (units > 0), cycle
        if wants:
            assert dut.output_ready_o.value == may_output, cycle
        units += loaded - weights
        pace = max(pace - 1, 0)
        if credit:
            results.popleft()
            room += 1
        if output:
            outputs, left = outputs + 1, left - 1
            room -= slices
            pace = slices - 1
            results.extend(cycle + 5 + index for index in range(slices))
        await RisingEdge(dut.clk_i)
    assert outputs > 50
    assert layers > 2
