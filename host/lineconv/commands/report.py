# SPDX-License-Identifier: Apache-2.0
"""`lineconv report`: a page about a compiled network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lineconv.compiler.container import load_network
from lineconv.files import require_writable, write_whole
from lineconv.profiling.page import network_page

__all__ = ["add_parser"]


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="draw a compiled network",
        description="Write one HTML page, complete in itself: where each layer runs, predicted "
        "cycles and bytes, what limits it. See docs/run.md.",
    )
    parser.add_argument("model", type=Path, help=".lconv of `lineconv compile`")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".html to write")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> dict[str, Any]:
    require_writable(options.output)
    network = load_network(options.model)
    write_whole(options.output, network_page(network).encode())
    if not options.json:
        print(f"{options.output}: {network.name} for {network.target}")
    return {"output": str(options.output), "network": network.name, "target": network.target}
