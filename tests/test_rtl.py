# SPDX-License-Identifier: Apache-2.0
"""Runs every cocotb bench: sim/<module>.py on rtl/<module>.sv, for each of its CONFIGURATIONS.

`pytest tests/test_rtl.py -k conv_fifo` runs one module; WAVES=1 leaves a waveform (dump.vcd).
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("cocotb_tools", reason="cocotb is missing: pip install -e '.[sim]'")
from cocotb_tools.runner import get_runner

from lineconv.virtual_board import toolchain
from lineconv.virtual_board.build import rtl_files

ROOT = Path(__file__).resolve().parents[1]
Parameters = dict[str, int]


def configurations(bench: Path) -> list[Parameters]:
    """The CONFIGURATIONS literal of a bench, read without importing simulator code."""
    for node in ast.parse(bench.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONFIGURATIONS":
            value: list[Parameters] = ast.literal_eval(node.value)
            return value
    raise ValueError(f"{bench}: no CONFIGURATIONS")


def label(module: str, parameters: Parameters) -> str:
    return "-".join([module, *(f"{k}{v}" for k, v in parameters.items())])


CASES = [
    pytest.param(bench.stem, parameters, id=label(bench.stem, parameters))
    for bench in sorted((ROOT / "sim").glob("conv_*.py"))
    for parameters in configurations(bench)
]


@pytest.mark.parametrize(("module", "parameters"), CASES)
def test_module(module: str, parameters: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in toolchain.environment().items():
        monkeypatch.setenv(name, value)
    path = [str(ROOT / "sim"), str(ROOT / "host"), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    waves = bool(os.environ.get("WAVES"))
    build = ROOT / "build" / "sim" / (label(module, parameters) + ("-waves" if waves else ""))
    rtl = ROOT / "rtl"
    # The width of a beat is no parameter: it is in a package.
    sizes = dict(parameters)
    files = rtl_files(rtl, sizes.pop("BeatBytes", 8))
    packages = [file for file in files if file.stem.endswith("_pkg")]
    runner: Any = get_runner("verilator")
    runner.build(
        sources=[*packages, rtl / f"{module}.sv"],
        hdl_toplevel=module,
        parameters=sizes,
        build_dir=build,
        # Submodules are found by name: one module a file. Lint is a job of its own.
        build_args=["-y", str(rtl), "--assert", "--output-split", "0", "-Wno-fatal"],
        waves=waves,
    )
    results = runner.test(
        hdl_toplevel=module,
        test_module=module,
        build_dir=build,
        test_dir=build,
        parameters=sizes,
        extra_env={"PARAMETERS": repr(parameters)},
        waves=waves,
    )
    total, failed = count_results(results)
    assert total > 0, f"{module}: no test ran"
    assert failed == 0, f"{module}: {failed} of {total} tests failed"


def count_results(results: Path) -> tuple[int, int]:
    """(tests, failures) of a JUnit file that cocotb wrote."""
    cases = list(ElementTree.parse(results).iter("testcase"))
    bad = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    return len(cases), len(bad)
