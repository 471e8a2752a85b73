# SPDX-License-Identifier: Apache-2.0
"""SVG elements as text. Colours are classes, so that one style sheet serves light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["box", "circle", "group", "label", "line", "svg"]


def _element(tag: str, content: str | None = None, **attributes: str | float) -> str:
    pairs = " ".join(
        f'{name.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for name, value in attributes.items()
    )
    return f"<{tag} {pairs}/>" if content is None else f"<{tag} {pairs}>{content}</{tag}>"


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def svg(width: float, height: float, title: str, elements: Iterable[str]) -> str:
    """A picture; the title is what a screen reader says."""
    return _element(
        "svg", "".join(elements), viewBox=f"0 0 {_number(width)} {_number(height)}",
        width=width, height=height, role="img", aria_label=title,
    )  # fmt: skip


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> str:
    """A filled rectangle."""
    return _element("rect", x=x, y=y, width=width, height=height, rx=radius, class_=kind)


def line(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Straight lines from point to point."""
    places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return _element("polyline", points=places, class_=kind)


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A filled circle."""
    return _element("circle", cx=x, cy=y, r=radius, class_=kind)


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Text at a base line."""
    return _element("text", escape(text), x=x, y=y, class_=kind, text_anchor=anchor)


def group(elements: Iterable[str], title: str) -> str:
    """Elements that show a title while the mouse is on them."""
    return f"<g><title>{escape(title)}</title>{''.join(elements)}</g>"
