# SPDX-License-Identifier: Apache-2.0
"""The figures as text."""

from __future__ import annotations

from lineconv.bench.figures import Engine, LayerFigures, NetworkFigures

__all__ = ["LEGEND", "heading", "layer_row", "network_total"]

LEGEND = """\
of array: MACs / (cycles x MAC/cycle). fed: cycles in which the array got a word, maybe with unused
lanes. wait: cycles in which it got none for want of input, weights or room for results. bound: what
'of array' would be if only unused lanes, the way out of the array, or full memory ports or memory
held the layer up; reached: how near it came, beyond it where weights were read ahead. model:
predicted cycles; limit: what limits the layer in the prediction."""

_COLUMNS = (
    ("cycles", 12),
    ("model", 12),
    ("ideal", 12),
    ("of array", 10),
    ("fed", 8),
    ("wait: input", 13),
    ("weights", 10),
    ("output", 10),
    ("read KB", 10),
    ("written KB", 12),
    ("bound", 8),
    ("reached", 9),
    ("limit", 16),
)
_NAME_WIDTH = 27


def heading(title: str) -> str:
    """The line above the rows."""
    return f"{title:<{_NAME_WIDTH}}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS)


def layer_row(layer: LayerFigures) -> str:
    """One layer."""
    roofs = layer.roofs
    cells = (
        f"{layer.cycles:,}",
        _cycles(roofs.model),
        f"{layer.ideal_cycles:,.0f}",
        f"{layer.utilisation:.1%}",
        f"{layer.fed:.1%}",
        f"{layer.stall_input:,}",
        f"{layer.stall_weights:,}",
        f"{layer.stall_output:,}",
        f"{roofs.read_bytes / 1e3:,.0f}",
        f"{roofs.written_bytes / 1e3:,.0f}",
        f"{layer.bound_utilisation:.1%}",
        f"{roofs.cycles / layer.cycles:.1%}",
        roofs.limit or "-",
    )
    return f"{layer.name:<{_NAME_WIDTH}}" + "".join(
        f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
    )


def network_total(network: NetworkFigures, engine: Engine) -> str:
    """The line below the rows."""
    ideal = network.macs / engine.array.macs_per_cycle
    cells = (
        f"{network.cycles:,}",
        _cycles(network.model),
        f"{ideal:,.0f}",
        f"{network.utilisation:.1%}",
    )
    return (
        f"{'total':<{_NAME_WIDTH}}"
        + "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=False))
        + f"    {network.cycles / engine.clock_hz * 1e3:.1f} ms, {network.fps:.1f} fps "
        f"({'simulated' if engine.simulated else 'measured'}, convolutions only)"
    )


def _cycles(model: int | None) -> str:
    return "-" if model is None else f"{model:,}"
