# SPDX-License-Identifier: Apache-2.0
"""`lineconv explore`: the best arrays for a board and networks, as a table or JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from lineconv.boards import BOARDS, Board, board
from lineconv.explore.search import Arrays, Candidate, evaluate, explore
from lineconv.networks import NETWORKS, Network, check_names
from lineconv.presets import PRESETS

__all__ = ["add_parser"]

_COUNT = 8  # shapes that are shown
_ALL = "all"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="compare array shapes for a board",
        description="Compare array shapes within the DSP, RAM and memory bandwidth of a board over "
        "whole networks. Cycles are predicted by the cycle model, see docs/cycle-model.md.",
    )
    parser.add_argument("--board", required=True, metavar="NAME", help=", ".join(BOARDS))
    parser.add_argument(
        "--network",
        action="append",
        metavar="NAME",
        help=f"{', '.join(NETWORKS)}, {_ALL}; may be repeated; default: {_ALL}",
    )
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> dict[str, Any]:
    target = board(options.board)
    networks = _networks(options.network or [_ALL])
    found = explore(target, networks, _COUNT, _progress)
    preset = PRESETS.get(target.name)
    if preset is not None and all(entry.array != preset.array for entry in found):
        found.append(evaluate(preset.array, target, networks))
        found.sort(key=lambda entry: entry.mean_cycles)
    if not options.json:
        _print(found, target, networks)
    return {
        "board": asdict(target),
        "predicted": True,
        "arrays": [_to_json(entry, target, networks) for entry in found],
    }


def _networks(names: Sequence[str]) -> list[Network]:
    """The networks of these names, each once.

    Raises:
        InvalidInputError: one of the names is unknown.
    """
    check_names(names, (*NETWORKS, _ALL))
    return list(
        NETWORKS.values() if _ALL in names else map(NETWORKS.__getitem__, dict.fromkeys(names))
    )


def _progress(shapes: Iterable[Arrays]) -> Iterable[Arrays]:
    """The shapes, with a bar on stderr where there is a terminal and tqdm."""
    try:
        from tqdm import tqdm
    except ImportError:
        return shapes
    bar: Iterable[Arrays] = tqdm(
        shapes, desc="exploring", unit="shape", delay=1, leave=False, disable=None
    )
    return bar


def _to_json(entry: Candidate, target: Board, networks: Sequence[Network]) -> dict[str, Any]:
    return {
        "array": asdict(entry.array) | {"macs_per_cycle": entry.array.macs_per_cycle},
        **asdict(entry.footprint),
        "networks": {
            network.name: {
                "cycles": cycles,
                "fps": target.clock_hz / cycles,
                "utilisation": network.macs / (cycles * entry.array.macs_per_cycle),
            }
            for network, cycles in zip(networks, entry.cycles, strict=True)
        },
    }


def _print(found: Sequence[Candidate], target: Board, networks: Sequence[Network]) -> None:
    print(
        f"{target.name} ({target.chip}: {target.dsps} DSP, {target.bram36} BRAM36, "
        f"{target.urams} URAM), {target.clock_hz / 1e6:g} MHz, memory "
        f"{target.memory.bytes_per_cycle:g} B/cycle; predicted, * is the preset"
    )
    names = "".join(f"{network.name:>32}" for network in networks)
    print(f"{'':<57}{names}")
    print(
        f"{'lanes':<10}{'words':>6}{'lines KB':>10}{'MAC/cycle':>11}"
        f"{'DSP':>6}{'BRAM':>8}{'URAM':>6}"
        + f"{'cycles':>15}{'fps':>8}{'of array':>9}"
        * len(networks)
    )
    preset = PRESETS.get(target.name)
    for entry in found:
        array, cost = entry.array, entry.footprint
        mark = "*" if preset is not None and array == preset.array else ""
        line = f"{f'{array.input_lanes} x {array.output_lanes}{mark}':<10}{array.weight_words:>6}"
        line += f"{array.line_buffer_beats * array.beat_bytes // 1024:>10}"
        line += f"{array.macs_per_cycle:>11}{cost.dsps:>6}{cost.bram36:>8g}{cost.urams:>6}"
        for network, cycles in zip(networks, entry.cycles, strict=True):
            used = network.macs / (cycles * array.macs_per_cycle)
            line += f"{cycles:>15,}{target.clock_hz / cycles:>8.1f}{used:>9.1%}"
        print(line)
