# SPDX-License-Identifier: Apache-2.0
"""A network drawn as rows: what each layer is, what it reads, where it runs, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lineconv.compiler.network import LayerPlan, Network
from lineconv.graph.layers import Tensor
from lineconv.profiling.edges import lanes, neighbours
from lineconv.profiling.figures import LayerFigures, network_figures
from lineconv.profiling.svg import box, group, label, line, svg

__all__ = ["draw_network"]

_ROW, _BOX = 34, 26  # heights
_TOP = 30
_TRACK = 12  # from one lane to the next
_NAME_WIDTH, _SHAPE_WIDTH, _CYCLES_WIDTH, _BYTES_WIDTH = 330, 165, 240, 180
_CYCLES_BAR, _BYTES_BAR = 140, 90  # the longest
_NAME_LETTER, _LETTER = 7.6, 6.7  # about as wide as they are
_KINDS = {"array": "array", "vector unit": "vector", "host": "host", "no work": "nothing"}


@dataclass(frozen=True)
class _Row:
    name: str
    what: str
    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    plan: LayerPlan | None = None
    note: str = ""


def draw_network(network: Network) -> str:
    """An SVG of the whole network, its inputs and outputs included."""
    rows = [
        *(_Row(tensor.name, "input", "end", (), (tensor,)) for tensor in network.inputs),
        *map(_row, network_figures(network)),
        *(_Row(tensor.name, "output", "end", (tensor,), ()) for tensor in network.outputs),
    ]
    sources = _sources(rows)
    found = lanes(sources)
    left = _TRACK * (1 + max((lane.track + 1 for lane in found), default=0))
    plans = [row.plan for row in rows if row.plan is not None]
    slowest = max((plan.cycles for plan in plans), default=1) or 1
    busiest = max((plan.read_bytes + plan.written_bytes for plan in plans), default=1) or 1
    elements = [
        *_heads(left),
        *(_vertical(left, row) for row in neighbours(sources)),
        *(_lane(left, lane.track, lane.source, lane.targets) for lane in found),
        *(_draw(left, index, row, slowest, busiest) for index, row in enumerate(rows)),
    ]
    width = left + _NAME_WIDTH + _SHAPE_WIDTH + _CYCLES_WIDTH + _BYTES_WIDTH + 130
    return svg(width, _TOP + _ROW * len(rows), f"Layers of {network.name}", elements)


def _row(layer: LayerFigures) -> _Row:
    kind = _KINDS[layer.where.split(" + ")[0]]
    what = " + ".join(layer.kinds)
    return _Row(layer.name, what, kind, layer.inputs, layer.outputs, layer.plan, layer.note)


def _sources(rows: Sequence[_Row]) -> list[list[int]]:
    """For each row the rows that make what it reads; constants come from nowhere."""
    makers: dict[str, int] = {}
    sources = []
    for index, row in enumerate(rows):
        sources.append(sorted({makers[t.name] for t in row.inputs if t.name in makers}))
        makers |= {tensor.name: index for tensor in row.outputs}
    return sources


def _middle(row: int) -> float:
    return _TOP + row * _ROW + _BOX / 2


def _heads(left: float) -> Iterator[str]:
    x = left + _NAME_WIDTH
    places = (
        (left, "layer"),
        (x + 12, "result"),
        (x + _SHAPE_WIDTH, "cycles, predicted"),
        (x + _SHAPE_WIDTH + _CYCLES_WIDTH, "bytes read | written"),
        (x + _SHAPE_WIDTH + _CYCLES_WIDTH + _BYTES_WIDTH + 20, "bound"),
    )
    return (label(place, 16, text, "head") for place, text in places)


def _vertical(left: float, row: int) -> str:
    x = left + 24
    return line([(x, _middle(row - 1)), (x, _middle(row))], "edge")


def _lane(left: float, track: int, source: int, targets: Sequence[int]) -> str:
    x = left - _TRACK * (track + 1) + _TRACK / 2
    corners = [(left, _middle(source) + 5), (x, _middle(source) + 5), (x, _middle(targets[-1]) - 5)]
    stubs = [line([(x, _middle(row) - 5), (left, _middle(row) - 5)], "edge") for row in targets]
    return line(corners, "edge") + "".join(stubs)


def _draw(left: float, index: int, row: _Row, slowest: int, busiest: int) -> str:
    top = _TOP + index * _ROW
    base = top + _BOX / 2 + 4
    room = _NAME_WIDTH - 30 - _LETTER * len(row.what)
    elements = [
        box(left, top, _NAME_WIDTH, _BOX, f"node {row.kind}", 4),
        label(left + 10, base, _short(row.name, room, _NAME_LETTER), "name"),
        label(left + _NAME_WIDTH - 10, base, row.what, "what", "end"),
    ]
    x = left + _NAME_WIDTH
    for tensor in (row.outputs or row.inputs)[:1]:
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        elements.append(label(x + 12, base, f"{shape} {tensor.dtype}", "small"))
    x += _SHAPE_WIDTH
    title = f"{row.name}: {row.what}"
    if row.plan is not None and row.plan.descriptors:
        elements += _costs(x, top, base, row.plan, row.kind, slowest, busiest)
        title += f"\n{row.plan.macs:,} MACs in {row.plan.descriptors} descriptors"
    elif row.note or row.plan is not None:
        text = row.note or "no work: the bytes are right as they lie"
        elements.append(
            label(x, base, _short(text, _CYCLES_WIDTH + _BYTES_WIDTH + 140, _LETTER), "reason")
        )
    if row.note:
        title += f"\n{row.note}"
    return group(elements, title)


def _costs(
    x: float, top: float, base: float, plan: LayerPlan, kind: str, slowest: int, busiest: int
) -> list[str]:
    cycles = max(1.0, _CYCLES_BAR * plan.cycles / slowest)
    read, written = (_BYTES_BAR * size / busiest for size in (plan.read_bytes, plan.written_bytes))
    kilobytes = f"{plan.read_bytes / 1e3:,.0f} | {plan.written_bytes / 1e3:,.0f} KB"
    bytes_x = x + _CYCLES_WIDTH
    return [
        box(x, top + 5, cycles, _BOX - 10, f"bar {kind}"),
        label(x + cycles + 6, base, f"{plan.cycles:,}", "small"),
        box(bytes_x, top + 5, max(read, 1), 7, "bar read"),
        box(bytes_x, top + 14, max(written, 1), 7, "bar written"),
        label(bytes_x + max(read, written, 1) + 6, base, kilobytes, "small"),
        label(bytes_x + _BYTES_WIDTH + 20, base, plan.bound.value, "small"),
    ]


def _short(text: str, room: float, letter: float) -> str:
    letters = int(room / letter)
    return text if len(text) <= letters else f"{text[: letters - 1]}\u2026"
