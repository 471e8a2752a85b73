# SPDX-License-Identifier: Apache-2.0
"""Pictures of the figures: utilisation of each layer, and where the layers lie under the roofs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lineconv.bench.figures import Engine, LayerFigures, NetworkFigures
from lineconv.errors import InvalidFileError
from lineconv.extras import require
from lineconv.roofline import draw_roofline

__all__ = ["require_plots", "save_plots"]

_COLOURS = ("#3b6fb6", "#d1762c", "#4f9a57", "#a2457a", "#777777")
_MARKERS = "osD^x"
_NO_DATE = {"Date": None}


def require_plots(folder: Path) -> None:
    """Refuse plots that could not be made before anything is measured.

    Raises:
        InvalidInputError: Matplotlib is missing.
        InvalidFileError: the folder does not exist and cannot be made.
    """
    require("matplotlib", "plot")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFileError(f"{folder}: no folder, and none can be made ({error})") from None


def save_plots(
    folder: Path,
    engine: Engine,
    networks: Sequence[NetworkFigures],
    singles: Sequence[LayerFigures],
) -> None:
    """Write utilisation.svg, if there are networks, and roofline.svg, if the memory is known."""
    from matplotlib import rc_context

    # The same figures give the same file, and letters stay letters.
    with rc_context({"svg.hashsalt": "lineconv", "svg.fonttype": "none", "font.size": 9}):
        if networks:
            _utilisation(engine, networks).savefig(folder / "utilisation.svg", metadata=_NO_DATE)
        if engine.memory is not None:
            groups = {network.name: network.layers for network in networks}
            if singles:
                groups["single layers"] = tuple(singles)
            figure = _roofline(engine, engine.memory.bytes_per_cycle, groups)
            figure.savefig(folder / "roofline.svg", metadata=_NO_DATE)


def _utilisation(engine: Engine, networks: Sequence[NetworkFigures]) -> Any:
    """One row of bars per network; the line is the bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.6 + 2.3 * len(networks)), layout="constrained")
    figure.suptitle(f"Share of the MAC array that works, layer by layer\n{engine}", fontsize=9)
    rows = figure.subplots(len(networks), squeeze=False)[:, 0]
    for axes, network, colour in zip(rows, networks, _COLOURS, strict=False):
        positions = range(len(network.layers))
        axes.bar(
            positions,
            [100 * layer.utilisation for layer in network.layers],
            color=colour,
            width=0.75,
        )
        axes.hlines(
            [100 * layer.bound_utilisation for layer in network.layers],
            [position - 0.45 for position in positions],
            [position + 0.45 for position in positions],
            color="black",
            linewidth=1,
            label="bound: lanes, way out, ports, memory",
        )
        axes.set_title(
            f"{network.description}: {network.utilisation:.1%}, {network.fps:.1f} fps",
            loc="left",
            fontsize=10,
        )
        axes.set_xticks(positions, [layer.name for layer in network.layers], rotation=90)
        axes.tick_params(axis="x", labelsize=6 if len(network.layers) > 30 else 7, length=0)
        axes.set_xlim(-0.7, len(network.layers) - 0.3)
        axes.set_ylim(0, 104)
        axes.set_ylabel("%")
        axes.grid(axis="y", linewidth=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    rows[0].legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    return figure


def _roofline(
    engine: Engine, bytes_per_cycle: float, groups: dict[str, tuple[LayerFigures, ...]]
) -> Any:
    """All layers of all groups."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    points = {
        name: [
            (
                layer.macs / (layer.roofs.read_bytes + layer.roofs.written_bytes),
                layer.macs / layer.cycles,
            )
            for layer in layers
        ]
        for name, layers in groups.items()
    }
    styles = {
        name: {"s": 18, "color": colour, "marker": marker}
        for name, colour, marker in zip(points, _COLOURS, _MARKERS, strict=False)
    }
    draw_roofline(axes, points, styles, engine.array.macs_per_cycle, bytes_per_cycle)
    axes.set_title(f"Convolution layers under the roofs\n{engine}", fontsize=9)
    return figure
