# SPDX-License-Identifier: Apache-2.0
"""`lineconv compile`: a quantised ONNX model in, a network for one target out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lineconv.compiler.compile import compile as compile_network
from lineconv.compiler.container import save_network
from lineconv.files import require_writable
from lineconv.presets import PRESETS
from lineconv.profiling.results import plan_results
from lineconv.profiling.table import plan_text

__all__ = ["add_parser"]


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compile",
        help="compile a quantised ONNX model",
        description="Compile an int8 ONNX model for one target and print where each layer runs and "
        "what it is predicted to cost. See docs/run.md.",
    )
    parser.add_argument("model", type=Path, help="int8 .onnx, as of `lineconv quantize`")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".lconv to write")
    parser.add_argument(
        "--target", default=next(iter(PRESETS)), help=f"{', '.join(PRESETS)}; default: the first"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="fail if the host has to compute a layer, but for conversions from and to float32",
    )
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> dict[str, Any]:
    require_writable(options.output)
    network = compile_network(options.model, options.target, strict=options.strict)
    save_network(network, options.output)
    if not options.json:
        print(plan_text(network))
        print(f"{options.output}: written")
    return {"output": str(options.output)} | plan_results(network)
