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

__all__ = ["FORMATS", "check_plot", "save_plot"]

FORMATS = (".png", ".svg", ".pdf")
_COLOURS = {"array": "#3b6fb6", "vector unit": "#4f9a57", "host": "#d1762c", "copy": "#999999"}
_ROWS = ("engine", "host")
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
            axes.text(
                bar.start_ms + bar.length_ms / 2, _ROWS.index(bar.row), bar.name, color="white",
                ha="center", va="center", fontsize=6, rotation=90, clip_on=True,
            )  # fmt: skip
    axes.set_yticks(range(len(_ROWS)), _ROWS)
    axes.invert_yaxis()
    axes.set_xlim(0, total)
    axes.set_xlabel("ms")
    axes.set_title(f"Time of one image: {total:.3f} ms", loc="left", fontsize=10)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _roofline(axes: Any, profile: NetworkProfile) -> None:
    """MAC per byte of traffic against MAC per cycle, both logarithmic."""
    from matplotlib.ticker import LogLocator, NullLocator

    array = profile.network.array
    peak = array.macs_per_cycle
    bandwidth = preset(profile.network.target).memory.bytes_per_cycle
    points = []
    for layer in network_figures(profile.network, profile):
        run = layer.run
        if run is not None and run.macs and run.cycles and run.read_beats + run.write_beats:
            nbytes = (run.read_beats + run.write_beats) * array.beat_bytes
            points.append((run.macs / nbytes, run.macs / run.cycles, layer.where, layer.name))
    ridge = peak / bandwidth
    low = min([ridge, *(point[0] for point in points)]) / 1.5
    high = max([ridge, *(point[0] for point in points)]) * 1.5
    axes.plot([low, ridge, high], [low * bandwidth, peak, peak], color="black", linewidth=1.2)
    for kind in ("array", "vector unit"):
        group = [point for point in points if point[2].startswith(kind)]
        if group:
            xs, ys, _, _ = zip(*group, strict=True)
            axes.scatter(xs, ys, s=20, color=_COLOURS[kind], label=kind, alpha=0.8)
    if len(points) <= 30:
        for x, y, _, name in points:
            axes.annotate(name, (x, y), (4, 2), textcoords="offset points", fontsize=6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min([peak, *(point[1] for point in points)]) / 1.5, peak * 1.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("MAC per byte of memory traffic")
    axes.set_ylabel("MAC per cycle")
    axes.set_title(
        f"Layers under the roofs: {peak} MAC/cycle, {bandwidth:g} B/cycle of "
        f"{profile.network.target}'s memory",
        loc="left", fontsize=10,
    )  # fmt: skip
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    if points:
        axes.legend(loc="lower right", framealpha=1)
