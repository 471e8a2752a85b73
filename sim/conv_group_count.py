# SPDX-License-Identifier: Apache-2.0
"""conv_group_count against two divisions."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from bench import parameters, seeded, start
from lineconv.packing import ceil_div

CONFIGURATIONS = [{"OutputLanes": 8}, {"OutputLanes": 16}, {"OutputLanes": 24}]
_PARAMETERS = parameters(CONFIGURATIONS)
LANES = _PARAMETERS["OutputLanes"]


@cocotb.test()
async def counts(dut: Any) -> None:
    rng = seeded("counts")
    await start(dut, start_i=0, channels_i=0, groups_per_pass_i=1)
    corners = [(channels, 1) for channels in (1, LANES - 1, LANES, LANES + 1, 0xFFFF)]
    corners += [(0xFFFF, per_pass) for per_pass in (2, 0xFFFF, ceil_div(0xFFFF, LANES))]
    random = [
        (int(65536 ** rng.random()), int(ceil_div(65536, LANES) ** rng.random()))
        for _ in range(300)
    ]
    for channels, groups_per_pass in corners + random:
        dut.channels_i.value = channels
        dut.groups_per_pass_i.value = groups_per_pass
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        groups = ceil_div(channels, LANES)
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
