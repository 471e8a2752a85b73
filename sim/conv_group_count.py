# SPDX-License-Identifier: Apache-2.0
"""conv_group_count against two divisions."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded, start
from lineconv.packing import ceil_div

CONFIGURATIONS = [
    {"OutputLanes": 8, "VectorLanes": 16},
    {"OutputLanes": 16, "VectorLanes": 48},
    {"OutputLanes": 24, "VectorLanes": 8},
]
_PARAMETERS = parameters(CONFIGURATIONS)


@cocotb.test()
@cocotb.parametrize(is_vector=[0, 1])
async def counts(dut: Any, is_vector: int) -> None:
    rng = seeded(f"counts {is_vector}")
    lanes = _PARAMETERS["VectorLanes" if is_vector else "OutputLanes"]
    await start(dut, start_i=0, is_vector_i=is_vector, channels_i=0, groups_per_pass_i=1)
    corners = [(channels, 1) for channels in (1, lanes - 1, lanes, lanes + 1, 0xFFFF)]
    corners += [(0xFFFF, per_pass) for per_pass in (2, 0xFFFF, ceil_div(0xFFFF, lanes))]
    random = [
        (int(65536 ** rng.random()), int(ceil_div(65536, lanes) ** rng.random()))
        for _ in range(200)
    ]
    for channels, groups_per_pass in corners + random:
        dut.channels_i.value = channels
        dut.groups_per_pass_i.value = groups_per_pass
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        groups = ceil_div(channels, lanes)
        cycles = 0
        while True:
            await ReadOnly()
            if dut.done_o.value:
                break
            cycles += 1
            await RisingEdge(dut.clk_i)
        assert cycles == groups
        assert int(dut.groups_o.value) == groups
        assert int(dut.passes_o.value) == ceil_div(groups, groups_per_pass)
        await RisingEdge(dut.clk_i)
