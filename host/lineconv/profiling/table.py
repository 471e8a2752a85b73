# SPDX-License-Identifier: Apache-2.0
"""The figures of a network as text: what is predicted, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from lineconv.compiler.network import Network
from lineconv.presets import preset
from lineconv.profiling.figures import LayerFigures, network_figures
from lineconv.profiling.profile import NetworkProfile

__all__ = ["cut", "plan_text", "profile_text"]

_LEFT = 3  # columns of words in front
_LONGEST = 40  # letters of a name


def plan_text(network: Network) -> str:
    """Where each layer runs and what it is predicted to cost; the sum of it below."""
    head = ("layer", "kind", "where", "cycles", "MACs", "read KB", "written KB", "bound / why")
    layers = network_figures(network)
    return "\n".join([*_table(head, [_planned(layer) for layer in layers]), *_plan_total(network)])


def profile_text(profile: NetworkProfile) -> str:
    """What each layer took, over all images."""
    head = (
        *("layer", "kind", "where", "cycles", "predicted", "MAC/cycle", "fed"),
        *("wait: input", "weights", "output", "read KB", "written KB", "host ms"),
    )
    rows = [
        _measured(layer, len(profile.images), profile.network.array.beat_bytes)
        for layer in network_figures(profile.network, profile)
    ]
    return "\n".join(_table(head, rows))


def cut(name: str, letters: int) -> str:
    """The name, or its beginning and its end, which say more than the middle."""
    if len(name) <= letters:
        return name
    half = (letters - 3) // 2
    return f"{name[:half]}...{name[-half:]}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines, with columns as wide as they need to be; a last column of words is left as it is."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.ljust(width)
            if index < _LEFT or head[index] == "bound / why"
            else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _words(layer: LayerFigures) -> tuple[str, str, str]:
    return cut(layer.name, _LONGEST), " + ".join(layer.kinds), layer.where


def _planned(layer: LayerFigures) -> tuple[str, ...]:
    plan = layer.plan
    if plan is None:
        return (*_words(layer), *["-"] * 4, layer.note)
    bound = plan.bound.value if plan.descriptors else ""
    return (
        *_words(layer),
        f"{plan.cycles:,}",
        f"{plan.macs:,}",
        f"{plan.read_bytes / 1e3:,.1f}",
        f"{plan.written_bytes / 1e3:,.1f}",
        "; ".join(filter(None, (bound, layer.note))),
    )


def _plan_total(network: Network) -> list[str]:
    target = preset(network.target)
    cycles = sum(segment.cycles for segment in network.segments)
    macs = sum(layer.macs for layer in network.layers)
    lines = [
        f"{network.name} for {network.target}: {len(network.layers)} layers on the engine in "
        f"{len(network.segments)} program(s), {len(network.host_steps)} on the host; "
        f"{network.image.size / 1e6:.2f} MB of programs and weights, "
        f"{network.activation_bytes / 1e6:.2f} MB of activations"
    ]
    if cycles:
        lines.append(
            f"predicted for the engine alone: {cycles:,} cycles = "
            f"{cycles / target.clock_hz * 1e3:.3f} ms at {target.clock_hz / 1e6:g} MHz, "
            f"{macs / cycles:.1f} MAC/cycle of {network.array.macs_per_cycle}"
        )
    return lines


def _measured(layer: LayerFigures, images: int, beat_bytes: int) -> tuple[str, ...]:
    run, plan = layer.run, layer.plan
    if run is None or plan is None:
        return (*_words(layer), *["-"] * 9, f"{(layer.host_s or 0) * 1e3:.3f}")
    counted = (
        f"{run.macs / run.cycles:.1f}",
        f"{run.mac_cycles / run.cycles:.1%}",
        f"{run.stall_input:,}",
        f"{run.stall_weights:,}",
        f"{run.stall_output:,}",
    ) if run.cycles else ("-",) * 5  # fmt: skip
    return (
        *_words(layer),
        f"{run.cycles:,}" if run.cycles else "-",
        f"{images * plan.cycles:,}",
        *counted,
        f"{run.read_beats * beat_bytes / 1e3:,.1f}",
        f"{run.write_beats * beat_bytes / 1e3:,.1f}",
        "-",
    )
