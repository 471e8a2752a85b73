# SPDX-License-Identifier: Apache-2.0
"""Around the HLS core: build, pragmas, Vitis script, test bench, stand-in for a Vitis header."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hls_case import case

from lineconv import hls_model, regs
from lineconv.driver import Accelerator
from lineconv.hls_model import HlsBoard, HlsError
from lineconv.presets import PRESETS, Array
from lineconv.virtual_board import BuildError, MissingToolError, toolchain

HLS = Path(__file__).resolve().parents[1] / "hls"
TINY = PRESETS["tiny"].array

try:
    INCLUDES = ["-I", str(HLS), "-isystem", str(HLS / "sim"), "-isystem", str(hls_model.headers())]
    COMPILER = [*toolchain.compiler(), "-std=c++17", "-O1", *INCLUDES]
except MissingToolError as error:
    pytest.skip(str(error), allow_module_level=True)

WARNINGS = [flag for flag in hls_model.COMPILER_FLAGS if flag.startswith("-W")]


def compile_and_run(
    source: Path, tmp_path: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    program = tmp_path / source.stem
    others = [str(HLS / "conv_top.cpp")] if source.parent == HLS else []
    command = [*COMPILER, *WARNINGS, str(source), *others, "-o", str(program)]
    subprocess.run(command, check=True)
    return subprocess.run([str(program), *arguments], capture_output=True, text=True)


# Interface ----------------------------------------------------------------------------------------


def test_offsets_are_those_of_the_register_map() -> None:
    pragma = re.compile(r"mode = s_axilite port = (\w+) bundle = control offset = (0x\w+)")
    offsets = {name: int(text, 16) for name, text in pragma.findall(source("conv_top.cpp"))}
    assert offsets == {
        "program": regs.PROGRAM_1,
        "descriptor_count": regs.DESCRIPTOR_COUNT,
        "window_base": regs.WINDOW_BASE_1,
        "window_last": regs.WINDOW_LAST_1,
        "watchdog_cycles": regs.WATCHDOG_CYCLES,
        "outcome": regs.STATUS,
        "cycles": regs.CYCLES_1,
        "identity": regs.MAGIC,
    }


def test_tool_has_room_for_its_own_registers() -> None:
    """Vitis HLS puts a 32-bit control register behind each argument."""
    words = {
        regs.PROGRAM_1: 2,
        regs.DESCRIPTOR_COUNT: 1,
        regs.WINDOW_BASE_1: 2,
        regs.WINDOW_LAST_1: 2,
        regs.WATCHDOG_CYCLES: 1,
        regs.STATUS: 3,
        regs.CYCLES_1: 2,
        regs.MAGIC: 7,
    }
    taken = {register.offset for register in regs.REGISTERS}
    for offset, count in words.items():
        assert {offset + 4 * word for word in range(count)} <= taken
        assert offset + 4 * count not in taken


def test_configuration_names_what_there_is() -> None:
    config = dict(re.findall(r"^([\w.]+)=(.*)$", source("hls_config.cfg"), re.MULTILINE))
    assert f"void {config['syn.top']}(" in source(config["syn.file"])
    vlnv = [config[f"package.ip.{part}"] for part in ("vendor", "library", "name", "version")]
    assert ":".join(vlnv) == regs.VLNV
    assert config["clock"] == f"{PRESETS['pynq-z2'].clock_hz // 10**6}MHz"


def test_vitis_script_says_what_is_missing(tmp_path: Path) -> None:
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    result = subprocess.run(
        ["/bin/sh", str(HLS / "vitis.sh")],
        env={"PATH": str(tmp_path), "PYTHON": "python3"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert re.search(r"v\+\+ of Vitis .* is not on PATH", result.stderr)
    assert "pytest -q tests/test_hls.py" in result.stderr


def test_default_array_is_the_preset() -> None:
    defines = dict(re.findall(r"#define CONV_(\w+) (\d+)", source("conv_config.hpp")))
    array = Array(**{name.lower(): int(value) for name, value in defines.items()})
    assert array == PRESETS["pynq-z2"].array


def source(name: str) -> str:
    return (HLS / name).read_text()


# Test bench ---------------------------------------------------------------------------------------


def test_bench_passes_and_can_fail(tmp_path: Path) -> None:
    good, bad, short = (tmp_path / name for name in ("good.bin", "bad.bin", "short.bin"))
    content = case()
    good.write_bytes(content)
    bad.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    short.write_bytes(content[:-1])
    result = compile_and_run(HLS / "conv_tb.cpp", tmp_path, str(good))
    assert result.returncode == 0, result.stdout
    assert result.stdout == "status 0, 8 of 8 descriptors, 0 beats differ\n"
    for path, code, message in ((bad, 1, "1 beats differ"), (short, 2, "no test case")):
        result = subprocess.run(
            [str(tmp_path / "conv_tb"), str(path)], capture_output=True, text=True
        )
        assert result.returncode == code
        assert message in result.stdout


# Stand-in for hls_burst_maxi.h --------------------------------------------------------------------

BURST_BENCH = """
#include <hls_burst_maxi.h>
#include <cstdio>
#include <cstdlib>
int main(int, char** arguments) {
    static uint64_t data[1024];
    for (uint64_t i = 0; i < 1024; ++i) data[i] = i;
    hls::burst_maxi<uint64_t> memory(data, 512, 1024);
    try {
        switch (std::atoi(arguments[1])) {
            case 0:  // a strobed write, seen by a copy of the port
                memory.write_request(520, 2);
                memory.write(~uint64_t(0), 0x81);
                memory.write(5);
                memory.write_response();
                memory.read_request(520, 3);
                for (int i = 0; i < 3; ++i) {
                    hls::burst_maxi<uint64_t> copy = memory;
                    std::printf("%llx ", static_cast<unsigned long long>(copy.read()));
                }
                std::printf("%s", memory.idle() ? "idle" : "busy");
                break;
            case 1: memory.read_request(512, 17); break;
            case 2: memory.read_request(512, 0); break;
            case 3: memory.write_request(1023, 2); break;
            case 4: memory.read_request(511, 1); break;
            case 5: memory.write_request(1535, 2); break;
            case 6: memory.read(); break;
            case 7: memory.write(0); break;
            case 8:
                memory.write_request(512, 2);
                memory.write(0);
                memory.write_response();
                break;
            case 9:
                memory.read_request(512, 1);
                std::printf("%s", memory.idle() ? "idle" : "busy");
        }
    } catch (const std::logic_error& error) {
        std::printf("%s", error.what());
    }
}
"""


def test_burst_rules(tmp_path: Path) -> None:
    bench = tmp_path / "bursts.cpp"
    bench.write_text(BURST_BENCH)
    first = compile_and_run(bench, tmp_path, "0")
    assert first.stdout == "ff000000000000ff 5 a idle"
    for number, expected in (
        (1, "burst of 17 beats at beat 512 breaks the rules of AXI"),
        (2, "burst of 0 beats at beat 512 breaks the rules of AXI"),
        (3, "burst of 2 beats at beat 1023 breaks the rules of AXI"),  # across 4 KB
        (4, "burst of 1 beats at beat 511 is outside the memory"),
        (5, "burst of 2 beats at beat 1535 breaks the rules of AXI"),
        (6, "read without a request"),
        (7, "write without a request"),
        (8, "write response of no burst"),
        (9, "busy"),
    ):
        result = subprocess.run(
            [str(tmp_path / "bursts"), str(number)], capture_output=True, text=True
        )
        assert result.stdout == expected


# Library ------------------------------------------------------------------------------------------


def test_library_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINECONV_CACHE", str(tmp_path))
    first = hls_model.library(TINY)
    built = first.stat().st_mtime_ns
    assert hls_model.library(TINY) == first
    assert first.stat().st_mtime_ns == built
    assert list(tmp_path.iterdir()) == [first]
    assert hls_model.library(PRESETS["pynq-z2"].array) != first


def test_array_that_the_core_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINECONV_CACHE", str(tmp_path))
    with pytest.raises(BuildError, match=r"LineBufferBeats must be 1\.\.131072"):
        hls_model.library(Array(4, 8, 16, 128, 131073))
    assert not list(tmp_path.iterdir())


def test_missing_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"hls_stream\.h is missing: pip install hls4ml"):
        HlsBoard(TINY)


def test_broken_core_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core whose bursts are too long."""
    for file in [*HLS.glob("*.[ch]pp"), *HLS.glob("sim/*.h")]:
        copy = tmp_path / "hls" / file.relative_to(HLS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text().replace("kBurstBeats = 16;", "kBurstBeats = 32;")
        copy.write_text(text)
    monkeypatch.setattr(hls_model, "sources", lambda: tmp_path / "hls")
    monkeypatch.setenv("LINECONV_CACHE", str(tmp_path / "cache"))
    board = HlsBoard(TINY, 1 << 20)
    with pytest.raises(HlsError, match=r"burst of 32 beats at beat .* breaks the rules of AXI"):
        Accelerator(board, board, clock_hz=1).conv2d(
            np.zeros((1, 8, 2, 100), np.int8), np.zeros((8, 8, 1, 1), np.int8)
        )
