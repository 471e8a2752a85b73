# SPDX-License-Identifier: Apache-2.0
"""Layers under the roofs that array and memory are, as a diagram of Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["Points", "draw_roofline"]

Points: TypeAlias = Sequence[tuple[float, float]]  # (MAC per byte of traffic, MAC per cycle)


def draw_roofline(
    axes: Any,
    groups: Mapping[str, Points],
    styles: Mapping[str, dict[str, Any]],
    peak: int,
    bytes_per_cycle: float,
) -> None:
    """Draw groups of layers, both axes logarithmic.

    Args:
        styles: of the groups, for `scatter`.
        peak: of the array, MAC per cycle.
        bytes_per_cycle: of the memory.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    every = [point for group in groups.values() for point in group]
    ridge = peak / bytes_per_cycle
    low = min([ridge, *(x for x, _ in every)]) / 1.5
    high = max([ridge, *(x for x, _ in every)]) * 1.5
    axes.plot([low, ridge, high], [low * bytes_per_cycle, peak, peak], color="black", linewidth=1.2)
    for name, group in groups.items():
        if group:
            xs, ys = zip(*group, strict=True)
            axes.scatter(xs, ys, label=name, alpha=0.8, **styles[name])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min([peak, *(y for _, y in every)]) / 1.5, peak * 1.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("MAC per byte of memory traffic")
    axes.set_ylabel("MAC per cycle")
    axes.annotate(
        f"array: {peak} MAC/cycle", (high, peak), (-4, 4), textcoords="offset points", ha="right"
    )
    axes.annotate(
        f"memory: {bytes_per_cycle:g} B/cycle",
        (ridge / 2, peak / 2),
        (-6, 2),
        textcoords="offset points",
        ha="right",
    )
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    if every:
        axes.legend(loc="lower right", framealpha=1)
