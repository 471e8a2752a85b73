# SPDX-License-Identifier: Apache-2.0
"""`lineconv bench --networks`: a Markdown table that grows by a row when a network is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lineconv.bench.command import engine_of
from lineconv.bench.whole import Comparison, WholeFigures, run_whole
from lineconv.device import target_of
from lineconv.driver import Accelerator
from lineconv.errors import DifferenceError
from lineconv.files import write_whole
from lineconv.networks import check_names
from lineconv.zoo import NAMES

__all__ = ["bench_networks", "chosen_networks", "network_row"]

LEGEND = """\
GMAC, of array: products of convolutions and matrix products alone. cycles: of the engine, one
image; model: predicted. fps: of the engine alone. Host layers: all but the conversions of inputs
and outputs from and to float32."""

_CONVERSIONS = ("Quantize", "Dequantize")
_HEADINGS = (
    *("network", "GMAC", "cycles", "model", "of array", "fps"),
    *("engine layers", "host layers", "images", "values equal to ONNX Runtime"),
)


def chosen_networks(names: Sequence[str]) -> Sequence[str]:
    """What to run; everything if nothing is named.

    Raises:
        InvalidInputError: one of the names is unknown.
    """
    check_names(names, NAMES)
    return names or NAMES


def bench_networks(
    accelerator: Accelerator,
    names: Sequence[str],
    *,
    count: int = 1,
    json_file: Path | None = None,
) -> None:
    """Run networks, print a row for each as it is done, and what is on the host.

    Raises:
        DeviceError: the device failed; DifferenceError: it computed something wrong.
        InvalidFileError: the file cannot be written.
    """
    engine = engine_of(accelerator)
    print(f"{engine}\n{LEGEND}\n")
    print(_row(_HEADINGS))
    print("|" + "---|" * len(_HEADINGS), flush=True)
    networks: list[WholeFigures] = []
    for name in names:
        networks.append(run_whole(accelerator, name, target_of(engine.device), count=count))
        print(network_row(networks[-1]), flush=True)
    for network in networks:
        print("".join(_notes(network)), end="")
    if json_file is not None:
        results = engine.to_json() | {"networks": [network.to_json() for network in networks]}
        write_whole(json_file, json.dumps(results, indent=2).encode() + b"\n")
    wrong = [network.name for network in networks if not network.comparison.right]
    if wrong:
        raise DifferenceError(f"{', '.join(wrong)}: outputs are not what they should be")


def network_row(network: WholeFigures) -> str:
    """One network as a row of the table."""
    return _row(
        (
            network.name,
            f"{network.gmac:.4f}" if network.gmac < 0.1 else f"{network.gmac:.2f}",
            "-" if network.cycles is None else f"{network.cycles:,.0f}",
            f"{network.predicted:,}",
            "-" if network.utilisation is None else f"{network.utilisation:.1%}",
            "-" if network.fps is None else f"{network.fps:,.1f}",
            str(network.engine_layers),
            str(sum(layer.kind not in _CONVERSIONS for layer in network.host_layers)),
            str(network.images),
            _verdict(network.comparison),
        )
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _verdict(comparison: Comparison) -> str:
    if not comparison.right:
        return "WRONG"
    if not comparison.onnx:
        return f"all {comparison.values:,}"
    right = comparison.values - comparison.onnx
    return f"{right:,} of {comparison.values:,}; all equal to NumPy"


def _notes(network: WholeFigures) -> list[str]:
    """What does not fit into the row."""
    notes = [
        f"{network.name}: {layer.kind} {layer.name} on the host: {layer.reason}"
        for layer in network.host_layers
        if layer.kind not in _CONVERSIONS
    ]
    if network.comparison.remarks:
        layers = ", ".join(network.comparison.remarks)
        notes.append(f"{network.name}: ONNX Runtime adds in float32 in {layers}")
    if network.accuracy is not None:
        found = network.accuracy
        notes.append(
            f"{network.name}: accuracy {found.float32:.2%} in float32, {found.onnx_int8:.2%} in "
            f"int8 in ONNX Runtime, {found.device:.2%} on the device"
        )
    return [f"{note}\n" for note in notes]
