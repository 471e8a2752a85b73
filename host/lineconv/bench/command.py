# SPDX-License-Identifier: Apache-2.0
"""`lineconv bench`: measures what was asked for, prints it as it comes, writes JSON and plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lineconv.bench.figures import Engine, LayerFigures, NetworkFigures
from lineconv.bench.measure import measure_layer, measure_network
from lineconv.bench.shapes import SINGLE_LAYERS
from lineconv.bench.table import LEGEND, heading, layer_row, network_total
from lineconv.driver import Accelerator
from lineconv.files import write_whole
from lineconv.networks import NETWORKS, check_names

__all__ = ["NAMES", "bench", "chosen", "engine_of"]

_SINGLE = "layers"
NAMES = (*NETWORKS, _SINGLE)


def chosen(names: Sequence[str]) -> Sequence[str]:
    """What to measure; everything if nothing is named.

    Raises:
        InvalidInputError: one of the names is unknown.
    """
    check_names(names, NAMES)
    return names or NAMES


def bench(
    accelerator: Accelerator,
    names: Sequence[str],
    *,
    json_file: Path | None = None,
    plot_folder: Path | None = None,
) -> None:
    """Measure networks, and `layers` one by one.

    Raises:
        DeviceError: the device failed, or does not count cycles.
        InvalidFileError: a file cannot be written.
    """
    engine = engine_of(accelerator)
    print(f"{engine}\n{LEGEND}")
    networks: list[NetworkFigures] = []
    singles: list[LayerFigures] = []
    for name in names:
        if name == _SINGLE:
            print(f"\n{heading('single layers')}")
            for layer in SINGLE_LAYERS:
                singles.append(measure_layer(accelerator, engine, layer))
                print(layer_row(singles[-1]), flush=True)
        else:
            network = measure_network(accelerator, engine, NETWORKS[name])
            networks.append(network)
            print(f"\n{network.description}\n{heading(name)}")
            print("\n".join(map(layer_row, network.layers)))
            print(network_total(network, engine), flush=True)
    if json_file is not None:
        results = engine.to_json() | {
            "networks": [network.to_json() for network in networks],
            "layers": [layer.to_json() for layer in singles],
        }
        write_whole(json_file, json.dumps(results, indent=2).encode() + b"\n")
    if plot_folder is not None:
        from lineconv.bench.plots import save_plots

        save_plots(plot_folder, engine, networks, singles)


def engine_of(accelerator: Accelerator) -> Engine:
    """What is measured on."""
    return Engine(
        accelerator.name,
        accelerator.simulated,
        accelerator.clock_hz,
        accelerator.array,
        accelerator.memory_model,
    )
