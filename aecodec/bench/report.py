"""The report: one HTML file that needs nothing else, with plots, tables and a viewer for crops."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

from aecodec.bench.summary import Grid
from aecodec.bench.views import Scene


@dataclass(frozen=True)
class Report:
    """What a report holds.

    Attributes:
        title: Of the page.
        headline: The one figure, as a sentence.
        facts: Paragraphs on how it was measured.
        plots: (caption, SVG element).
        grids: Tables; the first is open, the others are folded.
        scenes: For the viewer.
    """

    title: str
    headline: str
    facts: Sequence[str] = field(default_factory=list)
    plots: Sequence[tuple[str, str]] = field(default_factory=list)
    grids: Sequence[Grid] = field(default_factory=list)
    scenes: Sequence[Scene] = field(default_factory=list)


def render(report: Report) -> bytes:
    """Return a report as an HTML file."""
    first, *rest = report.grids
    parts = {
        "title": html.escape(report.title),
        "headline": html.escape(report.headline),
        "style": _part("report.css"),
        "script": _part("report.js"),
        "plots": "\n".join(_plot(caption, svg) for caption, svg in report.plots),
        "summary": _grid(first),
        "details": "\n".join(_folded(grid) for grid in rest),
        "facts": "\n".join(f"<li>{html.escape(fact)}</li>" for fact in report.facts),
        "viewer": _part("viewer.html") if report.scenes else "",
        # No text of a picture may end the script element that it stands in.
        "scenes": json.dumps([dataclasses.asdict(scene) for scene in report.scenes]).replace("<", "\\u003c"),
    }
    pieces = _part("report.html").split("@@")
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces).encode()


def _part(name: str) -> str:
    return (resources.files("aecodec.bench") / "template" / name).read_text(encoding="utf-8")


def _plot(caption: str, svg: str) -> str:
    label = html.escape(caption, quote=True)
    return f'<figure role="img" aria-label="{label}">{svg}<figcaption>{label}</figcaption></figure>'


def _folded(grid: Grid) -> str:
    return f"<details><summary>{html.escape(grid.caption)}</summary>{_grid(grid)}</details>"


def _grid(grid: Grid) -> str:
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in grid.heads)
    lines = []
    for name, *cells in grid.rows:
        mine = ' class="ours"' if name.startswith("aecodec") else ""
        line = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr{mine}><th scope="row">{html.escape(name)}</th>{line}</tr>')
    body = "\n".join(lines)
    caption = html.escape(grid.caption)
    table = f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'
