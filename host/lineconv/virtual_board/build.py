# SPDX-License-Identifier: Apache-2.0
"""Turns RTL and memory model into one shared library, once for each set of sources and parameters.

Verilator writes C++, the compiler makes objects of it in parallel, and the library is moved into
the cache under a name that holds a hash of everything that went into it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from lineconv.errors import DeviceError
from lineconv.presets import Array
from lineconv.progress import Progress
from lineconv.virtual_board import toolchain
from lineconv.virtual_board.toolchain import Toolchain

__all__ = [
    "BuildError",
    "cache_directory",
    "library",
    "rtl_directory",
    "rtl_files",
    "source_directory",
]

TOP = "conv_axi"
SOURCES = ("board.cpp", "axi_memory.cpp")
HEADERS = ("axi_memory.hpp",)
LIBRARY = "board.so"

# Optimisation levels, -march=native and the splitting change the speed by less than 3 %, so the
# fastest build was chosen; assertions of the RTL cost nothing measurable and stay on.
VERILATOR_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--output-split", "4000")
LINT_FLAGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")  # tests/lint.sh is where warnings count
COMPILER_FLAGS = (
    *("-std=c++17", "-fPIC", "-pthread", "-fvisibility=hidden"),
    *("-DVM_SC=0", "-DVM_COVERAGE=0", "-DVM_TIMING=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0"),
    *("-DVL_USER_FATAL", "-DVL_USER_FINISH", "-DVL_USER_STOP"),  # board.cpp defines them
)
FAST_FLAGS = ("-O2",)  # code that runs every cycle
SLOW_FLAGS = ("-O1",)  # constructors and the like
LINK_FLAGS = ("-shared", "-pthread", "-Wl,-Bsymbolic")


class BuildError(DeviceError):
    """Verilator or the compiler failed; the message holds the end of their output."""


def source_directory(name: str, file: str) -> Path:
    """The folder of that name which holds `file`: in an installed package, or in a checkout.

    Raises:
        BuildError: there is none.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / name, package.parents[1] / name)
    for candidate in candidates:
        if (candidate / file).is_file():
            return candidate
    raise BuildError(
        f"no {name.upper()}: neither " + " nor ".join(f"{c}/{file}" for c in candidates)
    )


def rtl_directory() -> Path:
    """Folder of the RTL.

    Raises:
        BuildError: there is none.
    """
    return source_directory("rtl", "conv.f")


def rtl_files(rtl: Path, beat_bytes: int) -> list[Path]:
    """All files of the RTL in dependency order, with the package for that width of a beat."""
    names = (rtl / "conv.f").read_text().split()
    return [rtl / re.sub(r"^beat\d+/", f"beat{8 * beat_bytes}/", name) for name in names]


def cache_directory() -> Path:
    """Where libraries are kept: LINECONV_CACHE, or lineconv in XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("LINECONV_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lineconv"


def library(array: Array, *, trace: bool = False, progress: Progress | None = None) -> Path:
    """Path of the library for `array`, built unless the cache has it.

    Args:
        array: sizes of the engine.
        trace: with VCD tracing compiled in, which costs build time and speed.
        progress: told about the stages of a build; None shows them on stderr.

    Raises:
        MissingToolError: a tool is not installed.
        BuildError: a tool failed.
    """
    tools = toolchain.find()
    rtl = rtl_directory()
    key = _key(array, trace, tools, rtl)
    shape = f"{array.input_lanes}x{array.output_lanes}{'-trace' if trace else ''}"
    final = cache_directory() / f"{TOP}-{shape}-{key}"
    result = final / LIBRARY
    if result.is_file():
        return result
    progress = progress or Progress()
    progress.start(f"Building the virtual board ({shape}, once for these sources)")
    with _locked(final.with_suffix(".lock"), progress):
        if not result.is_file():
            # Only the holder of the lock writes here, so a leftover is of a build that was killed.
            scratch = final.with_suffix(".tmp")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            try:
                Build(array, trace, tools, rtl, scratch, progress).run()
                final.mkdir(exist_ok=True)
                os.replace(scratch / LIBRARY, result)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    progress.finish()
    return result


def _key(array: Array, trace: bool, tools: Toolchain, rtl: Path) -> str:
    digest = hashlib.sha256()
    options = [
        array.rtl_parameters,
        array.beat_bytes,
        trace,
        VERILATOR_FLAGS,
        COMPILER_FLAGS,
        FAST_FLAGS,
    ]
    options += [SLOW_FLAGS, LINK_FLAGS, platform.machine(), tools.compiler]
    options += [tools.verilator_version, tools.compiler_version]
    digest.update(json.dumps(options).encode())
    here = Path(__file__).parent
    files = [
        rtl / "conv.f",
        *rtl_files(rtl, array.beat_bytes),
        *(here / name for name in SOURCES + HEADERS),
    ]
    for file in files:
        content = file.read_bytes()
        digest.update(f"\n{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock that ends with the process, so that two processes build once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise BuildError(f"no place for the library, LINECONV_CACHE names one: {error}") from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress.update("waiting for another process that builds it")
                time.sleep(0.2)
        yield


class Build:
    """One build, which leaves the library in the folder `scratch`."""

    def __init__(
        self,
        array: Array,
        trace: bool,
        tools: Toolchain,
        rtl: Path,
        scratch: Path,
        progress: Progress,
    ) -> None:
        self._array = array
        self._trace = trace
        self._tools = tools
        self._rtl = rtl
        self.scratch = scratch
        self._progress = progress
        self._log = scratch.with_suffix(".log")

    def run(self) -> None:
        self._log.write_text("")
        generated = self._verilate()
        objects = self._compile(generated)
        command = [*self._tools.compiler, *LINK_FLAGS, *map(str, objects)]
        self._call([*command, "-o", str(self.scratch / LIBRARY)], "linking")
        self._log.unlink()

    def _verilate(self) -> dict[str, list[str]]:
        """C++ files that Verilator wrote or wants, by kind (classes_fast, classes_slow...)."""
        command = [str(self._tools.verilator), "--cc", "--make", "json", "--top-module", TOP]
        command += ["--prefix", f"V{TOP}", "--Mdir", str(self.scratch)]
        command += [*VERILATOR_FLAGS, *LINT_FLAGS, *(["--trace-vcd"] if self._trace else [])]
        command += [f"-G{name}={value}" for name, value in self._array.rtl_parameters.items()]
        command += map(str, rtl_files(self._rtl, self._array.beat_bytes))
        self._call(command, "Verilator")
        sources: dict[str, list[str]]
        sources = json.loads((self.scratch / f"V{TOP}.json").read_text())["sources"]
        del sources["deps"]
        return sources

    def _compile(self, generated: dict[str, list[str]]) -> list[Path]:
        here = Path(__file__).parent
        jobs = [(here / name, FAST_FLAGS) for name in SOURCES]
        for kind, sources in generated.items():
            optimisation = FAST_FLAGS if kind == "classes_fast" else SLOW_FLAGS
            jobs += [(Path(source), optimisation) for source in sources]
        jobs.sort(key=lambda job: job[0].stat().st_size, reverse=True)  # longest first
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pending = [pool.submit(self._object, *job) for job in jobs]
            while True:
                done, waiting = wait(pending, timeout=0.2)
                self._progress.update(f"compiling, {len(done)} of {len(jobs)} files")
                if not waiting or any(future.exception() for future in done):
                    pool.shutdown(cancel_futures=True)
                    break
            return [future.result() for future in pending if not future.cancelled()]

    def _object(self, source: Path, optimisation: tuple[str, ...]) -> Path:
        target = self.scratch / f"{source.stem}.o"
        include = self._tools.verilator_root / "include"
        command = [*self._tools.compiler, *COMPILER_FLAGS, *optimisation]
        command += [f"-DLINECONV_BEAT_BYTES={self._array.beat_bytes}"]
        command += [f"-DVM_TRACE={int(self._trace)}", f"-DVM_TRACE_VCD={int(self._trace)}"]
        command += ["-I", str(self.scratch), "-I", str(Path(__file__).parent)]
        # As system headers: their warnings are not ours.
        command += ["-isystem", str(include), "-isystem", str(include / "vltstd")]
        self._call([*command, "-c", str(source), "-o", str(target)])
        return target

    def _call(self, command: list[str], stage: str | None = None) -> None:
        if stage:
            self._progress.update(stage)
        result = subprocess.run(
            command,
            env={**os.environ, "VERILATOR_ROOT": str(self._tools.verilator_root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with self._log.open("a") as log:
            log.write(f"{shlex.join(command)}\n{result.stdout}\n")
        if result.returncode != 0:
            last_lines = "\n".join(result.stdout.splitlines()[-15:])
            raise BuildError(
                f"{Path(command[0]).name} failed ({result.returncode}) while the virtual board was "
                f"built; full log: {self._log}\n{last_lines}"
            )
