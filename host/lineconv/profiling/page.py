# SPDX-License-Identifier: Apache-2.0
"""`lineconv report`: one page about a compiled network, complete in itself."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import log10
from pathlib import Path

from lineconv.compiler.network import Network
from lineconv.cycle_model import Bound
from lineconv.presets import preset
from lineconv.profiling.drawing import draw_network
from lineconv.profiling.figures import LayerFigures, network_figures
from lineconv.profiling.svg import box, circle, group, label, line, svg

__all__ = ["network_page"]

_STYLE = Path(__file__).with_name("page.css")

_LEGEND = (
    ("array", "MAC array"),
    ("vector", "vector unit"),
    ("host", "host"),
    ("nothing", "no work: read where it lies"),
)
_MARGIN_LEFT, _MARGIN_TOP, _WIDTH, _HEIGHT = 60, 12, 620, 300  # of the roofline


def network_page(network: Network) -> str:
    """HTML with its style and pictures inside; no scripts, nothing from elsewhere."""
    target, layers = preset(network.target), network_figures(network)
    name = escape(network.name)
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{name} on {escape(network.target)}</title>",
            f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head>",
            f"<body><h1>{name}</h1><p>Compiled for {escape(target.description)}, at "
            f"{target.clock_hz / 1e6:g} MHz with {target.memory.bytes_per_cycle:g} bytes of memory "
            "traffic per cycle. Cycles, bytes and bounds are <b>predicted</b> by lineconv's cycle "
            "model for the engine alone; nothing on this page was measured.</p>",
            *_tiles(network),
            "<h2>What limits the engine</h2>",
            *_bounds(layers),
            "<h2>Layer by layer</h2><p>",
            *(
                f'<svg width="14" height="12" role="img" aria-label="{kind}">'
                f'<rect width="12" height="12" class="node {kind}"/></svg> {text} &nbsp; '
                for kind, text in _LEGEND
            ),
            f'</p><div class="scroll">{draw_network(network)}</div>',
            "<h2>Under the roofs</h2>",
            _roofline(network, layers),
            *_numbers(layers),
            "</body></html>\n",
        ]
    )


def _tiles(network: Network) -> Iterator[str]:
    clock_hz = preset(network.target).clock_hz
    cycles = sum(segment.cycles for segment in network.segments)
    macs = sum(plan.macs for plan in network.layers)
    traffic = sum(plan.read_bytes + plan.written_bytes for plan in network.layers)
    peak = network.array.macs_per_cycle
    rate = macs / cycles if cycles else 0
    tiles = (
        (f"{cycles / clock_hz * 1e3:,.3f} ms", f"engine, one run: {cycles:,} cycles"),
        (f"{clock_hz / cycles:,.1f} / s" if cycles else "-", "runs, if the host takes no time"),
        (f"{macs / 1e6:,.1f} M", "multiply-accumulates"),
        (f"{rate:,.1f}", f"MAC/cycle, {rate / peak:.1%} of the array's {peak}"),
        (f"{traffic / 1e6:,.2f} MB", "memory traffic"),
        (f"{network.image.size / 1e6:,.2f} MB", "programs, weights, constants"),
        (f"{network.activation_bytes / 1e6:,.2f} MB", "activations on the device"),
        (
            f"{len(network.layers)} + {len(network.host_steps)}",
            f"engine + host layers, {len(network.segments)} program(s)",
        ),
    )
    yield '<div class="tiles">'
    for value, text in tiles:
        yield f'<div class="tile"><b>{value}</b><span>{text}</span></div>'
    yield "</div>"


def _bounds(layers: tuple[LayerFigures, ...]) -> Iterator[str]:
    """One bar, a share for each bound."""
    cycles = dict.fromkeys(Bound, 0)
    for layer in layers:
        if layer.plan is not None:
            cycles[layer.plan.bound] += layer.plan.cycles
    total, x, width = sum(cycles.values()) or 1, 0.0, 1100
    elements = []
    for index, (bound, count) in enumerate(cycles.items()):
        share = count / total
        text = f"{bound.value} {share:.0%}"
        part = [box(x, 0, width * share, 26, f"bound{index}")]
        if width * share > 7 * len(text):
            part.append(label(x + 8, 17, text, "on"))
        elements.append(group(part, f"{bound.value}: {count:,} cycles"))
        x += width * share
    yield f'<div class="scroll">{svg(width, 26, "Cycles by what limits them", elements)}</div><p>'
    yield " &middot; ".join(
        f"{bound.value} {count / total:.1%}" for bound, count in cycles.items() if count
    )
    yield " of the cycles are in layers with that bound.</p>"


def _roofline(network: Network, layers: tuple[LayerFigures, ...]) -> str:
    """MAC per byte against MAC per cycle, both logarithmic."""
    peak = network.array.macs_per_cycle
    bandwidth = preset(network.target).memory.bytes_per_cycle
    points = [
        (plan.macs / (plan.read_bytes + plan.written_bytes), plan.macs / plan.cycles, layer)
        for layer in layers
        if (plan := layer.plan) and plan.macs and plan.cycles and plan.read_bytes
    ]
    xs, ys = [peak / bandwidth, *(p[0] for p in points)], [peak, *(p[1] for p in points)]
    low, high = log10(min(xs)) - 0.2, log10(max(xs)) + 0.2
    bottom, top = log10(min(ys)) - 0.2, log10(peak) + 0.2

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _MARGIN_LEFT + (log10(x) - low) / (high - low) * _WIDTH,
            _MARGIN_TOP + (top - log10(y)) / (top - bottom) * _HEIGHT,
        )

    floor = 10**bottom
    elements = []
    for x in _ticks(low, high):
        elements.append(line([place(x, floor), place(x, 10**top)], "grid"))
        elements.append(label(place(x, floor)[0], _HEIGHT + 30, f"{x:g}", "small", "middle"))
    for y in _ticks(bottom, top):
        elements.append(line([place(10**low, y), place(10**high, y)], "grid"))
        elements.append(label(_MARGIN_LEFT - 6, place(1, y)[1] + 4, f"{y:g}", "small", "end"))
    start = max(10**low, floor / bandwidth)
    roof = [(start, start * bandwidth), (peak / bandwidth, peak), (10**high, peak)]
    elements.append(line([place(*corner) for corner in roof], "roof"))
    for x, y, layer in points:
        kind = "array" if layer.where.startswith("array") else "vector"
        title = f"{layer.name}: {x:.1f} MAC/byte, {y:.1f} MAC/cycle"
        elements.append(group([circle(*place(x, y), 4, f"dot {kind}")], title))
    middle = _MARGIN_LEFT + _WIDTH / 2
    elements.append(label(middle, _HEIGHT + 48, "MAC per byte of traffic", "small", "middle"))
    text = f"MAC per cycle; roofs: {peak} MAC/cycle, {bandwidth:g} B/cycle"
    elements.append(label(_MARGIN_LEFT + 8, _MARGIN_TOP + 12, text, "small"))
    return svg(_MARGIN_LEFT + _WIDTH + 20, _HEIGHT + 56, "Roofline", elements)


def _ticks(low: float, high: float) -> list[float]:
    """1, 10, 100 between powers of ten; 2 and 5 besides where these are few."""
    factors = (1, 2, 5) if high - low < 2 else (1,)
    every = [factor * 10.0**power for power in range(-6, 9) for factor in factors]
    return [tick for tick in every if low < log10(tick) < high]


def _numbers(layers: tuple[LayerFigures, ...]) -> Iterator[str]:
    yield "<details><summary>All numbers</summary><div class=scroll><table><tr>"
    for head in ("layer", "kind", "where", "bound / why"):
        yield f"<th>{head}</th>"
    for head in ("descriptors", "cycles", "MACs", "MAC/cycle", "read bytes", "written bytes"):
        yield f'<th class="n">{head}</th>'
    yield "</tr>"
    for layer in layers:
        plan = layer.plan
        bound = plan.bound.value if plan and plan.descriptors else ""
        words = (
            layer.name,
            " + ".join(layer.kinds),
            layer.where,
            "; ".join(filter(None, (bound, layer.note))),
        )
        yield "<tr>" + "".join(f"<td>{escape(word)}</td>" for word in words)
        if plan:
            rate = f"{plan.macs / plan.cycles:,.1f}" if plan.cycles else "-"
            before = (f"{value:,}" for value in (plan.descriptors, plan.cycles, plan.macs))
            after = (f"{value:,}" for value in (plan.read_bytes, plan.written_bytes))
            cells = (*before, rate, *after)
        else:
            cells = ("-",) * 6
        yield "".join(f'<td class="n">{cell}</td>' for cell in cells) + "</tr>"
    yield "</table></div></details>"
