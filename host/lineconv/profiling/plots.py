# SPDX-License-Identifier: Apache-2.0
"""A picture of a run: when each layer ran, and how near it came to the roofs of its engine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineconv.compiler.network import HostStep, Pack, Segment
from lineconv.errors import DeviceError, InvalidFileError
from lineconv.extras import require
from lineconv.files import require_writable, write_whole
from lineconv.presets import preset
from lineconv.profiling.figures import network_figures
from lineconv.profiling.profile import NetworkProfile
from lineconv.profiling.table import cut
from lineconv.roofline import draw_roofline

__all__ = ["FORMATS", "check_plot", "save_plot"]

FORMATS = (".png", ".svg", ".pdf")
_COLOURS = {"array": "#3b6fb6", "vector unit": "#4f9a57", "host": "#d1762c", "copy": "#999999"}
_ROWS = ("engine", "host")
_MOST_NAMES = 30
_NAMED = 0.04  # share of the time from which on a bar has room for its name


@dataclass(frozen=True)
class _Bar:
    name: str
    kind: str  # of the colours
    row: str
    start_ms: float
    length_ms: float


def check_plot(path: Path) -> None:
    """Refuse a picture that could not be written before anything runs.

    Raises:
        InvalidInputError: Matplotlib is missing.
        InvalidFileError: its format is unknown, or its folder is missing.
    """
    require("matplotlib", "plot")
    if path.suffix.lower() not in FORMATS:
        raise InvalidFileError(f"{path}: pictures are written as {', '.join(FORMATS)}")
    require_writable(path)


def save_plot(profile: NetworkProfile, path: Path) -> None:
    """Write both diagrams, of the first image, as one picture.

    Raises:
        DeviceError: the device does not count cycles.
        InvalidFileError: the file cannot be written.
    """
    if not profile.counts_cycles:
        raise DeviceError(f"{profile.device} does not count cycles, there is nothing to plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The same figures give the same file, and letters stay letters.
    with rc_context({"svg.hashsalt": "lineconv", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 7.5), layout="constrained")
        figure.suptitle(_title(profile), fontsize=9)
        timeline, roofline = figure.subplots(2, height_ratios=(1, 2.6))
        _timeline(timeline, profile)
        _roofline(roofline, profile)
        buffer = io.BytesIO()
        kind = path.suffix[1:].lower()
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(buffer, format=kind, dpi=130, metadata=dates.get(kind))
    write_whole(path, buffer.getvalue())


def _title(profile: NetworkProfile) -> str:
    how = "simulated" if profile.simulated else "measured"
    array = profile.network.array
    return (
        f"{profile.network.name} on {profile.device}, {how}, {profile.clock_hz / 1e6:g} MHz, "
        f"array {array.input_lanes} x {array.output_lanes}; host times are those of the host "
        "that ran this"
    )


def _bars(profile: NetworkProfile) -> Iterator[_Bar]:
    """Steps one after the other, as they run; a segment layer by layer."""
    now = 0.0
    units = (layer.where for layer in network_figures(profile.network) if layer.plan)
    durations = profile.durations(0)
    runs = profile.images[0]
    for step, run, seconds in zip(profile.network.steps, runs, durations, strict=True):
        if isinstance(step, Segment):
            begin = now
            for layer in run.layers:
                length = sum(part.cycles for part in layer.runs) / profile.clock_hz * 1e3
                kind = "array" if next(units).startswith("array") else "vector unit"
                yield _Bar(layer.name, kind, "engine", begin, length)
                begin += length
        elif isinstance(step, HostStep):
            yield _Bar(step.layer.name, "host", "host", now, seconds * 1e3)
        else:
            tensor = step.target.tensor if isinstance(step, Pack) else step.source.tensor
            yield _Bar(tensor.name, "copy", "host", now, seconds * 1e3)
        now += seconds * 1e3


def _timeline(axes: Any, profile: NetworkProfile) -> None:
    bars = list(_bars(profile))
    total = sum(profile.durations(0)) * 1e3
    shown: set[str] = set()
    for bar in bars:
        label = None if bar.kind in shown else bar.kind
        shown.add(bar.kind)
        axes.barh(
            _ROWS.index(bar.row), bar.length_ms, left=bar.start_ms, height=0.6,
            color=_COLOURS[bar.kind], edgecolor="white", linewidth=0.4, label=label,
        )  # fmt: skip
        if bar.length_ms >= _NAMED * total:
            place = (bar.start_ms + bar.length_ms / 2, _ROWS.index(bar.row))
            axes.text(
                *place, cut(bar.name, 12), color="white", ha="center", va="center", fontsize=6,
                rotation=90, clip_on=True,
            )  # fmt: skip
    axes.set_yticks(range(len(_ROWS)), _ROWS)
    axes.invert_yaxis()
    axes.set_xlim(0, total)
    axes.set_xlabel("ms")
    axes.set_title(f"Time of one image: {total:.3f} ms", loc="left", fontsize=10)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _roofline(axes: Any, profile: NetworkProfile) -> None:
    """Layers with products; their names, as far as there is room."""
    array, memory = profile.network.array, preset(profile.network.target).memory
    groups: dict[str, list[tuple[float, float]]] = {"array": [], "vector unit": []}
    names = []
    for layer in network_figures(profile.network, profile):
        run = layer.run
        if run is not None and run.macs and run.cycles:
            nbytes = (run.read_beats + run.write_beats) * array.beat_bytes
            group = groups["array" if layer.where.startswith("array") else "vector unit"]
            group.append((run.macs / nbytes, run.macs / run.cycles))
            names.append((layer.name, group[-1]))
    styles = {name: {"s": 20, "color": _COLOURS[name]} for name in groups}
    draw_roofline(axes, groups, styles, array.macs_per_cycle, memory.bytes_per_cycle)
    if len(names) <= _MOST_NAMES:
        for name, point in names:
            axes.annotate(name, point, (4, 2), textcoords="offset points", fontsize=6)
    axes.set_title("Layers under the roofs", loc="left", fontsize=10)
