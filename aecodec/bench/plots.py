"""Plots, as SVG for the report and as PNG files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from aecodec.bench.metrics import Curve
from aecodec.bench.peers import OURS

# Legible on white and on near-black; ours is the one warm colour.
COLOURS = {
    "aecodec": "#e4572e", "aecodec-sigma": "#f0a202", "jpeg": "#7d8597", "jpeg444": "#a5abb8", "webp": "#2f9e6e",
    "avif": "#3a86d9", "jxl": "#8e5fd0", "jpeg2000": "#17a2b8", "pca": "#b08968", "noisy": "#7d8597",
    "nlm": "#2f9e6e", "bm3d": "#3a86d9", "wavelet": "#8e5fd0", "tv": "#17a2b8",
}  # fmt: skip
_INK = "#2b2d31"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aecodec",
    "font.size": 10,
    "axes.linewidth": 0.8,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}


@rc_context(_STYLE)
def rate_distortion(curves: Mapping[str, tuple[str, Curve]], axis: str) -> Figure:
    """Draw figures of merit over bits per pixel.

    Args:
        curves: From the name of a codec to its label and its curve.
        axis: What the figure of merit is called.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    # Beyond what we can do there is nothing to compare.
    end = 1.25 * max((bpp for bpp, _ in curves[OURS][1]), default=1e9)
    for name, (label, whole) in curves.items():
        curve = [(bpp, value) for bpp, value in whole if bpp <= end]
        if curve:
            mine = name == OURS
            axes.plot(
                *zip(*curve, strict=True),
                color=COLOURS.get(name),
                label=label,
                linewidth=2.4 if mine else 1.4,
                linestyle="--" if name in ("jpeg444", "pca") else "-",
                marker="o",
                markersize=4 if mine else 2.5,
                zorder=3 if mine else 2,
            )
    axes.set_xlim(left=0)
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(axis)
    axes.legend(loc="lower right", frameon=False)
    return figure


@rc_context(_STYLE)
def dots(groups: Sequence[tuple[str, Mapping[str, tuple[str, float]]]], axis: str) -> Figure:
    """Draw one panel of dots per group, from the name of a method to its label and its figure."""
    methods = list(groups[0][1])
    figure = Figure(figsize=(1.6 + 2.2 * len(groups), 1.1 + 0.3 * len(methods)), layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (title, figures) in zip(panels, groups, strict=True):
        _plain(panel)
        labels = [label for label, _ in figures.values()]
        values = [value for _, value in figures.values()]
        base = min(values) - 0.05 * (max(values) - min(values))
        panel.hlines(labels, base, values, colors=[COLOURS.get(name, _INK) for name in figures], linewidth=1.2)
        panel.scatter(values, labels, c=[COLOURS.get(name, _INK) for name in figures], s=28, zorder=3)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel(axis)
    panels[0].invert_yaxis()
    return figure


def png(figure: Figure) -> bytes:
    """Return a plot as a PNG on white."""
    return _saved(figure, "png", dpi=130, facecolor="white")


def svg_file(figure: Figure) -> bytes:
    """Return a plot as an SVG file on white."""
    return _saved(figure, "svg", facecolor="white", metadata={"Date": None})


def svg(figure: Figure) -> str:
    """Return a plot as an SVG element that takes its ink from the page."""
    drawn = _saved(figure, "svg", transparent=True, metadata={"Date": None}).decode()
    return drawn[drawn.index("<svg") :].replace(_INK, "currentColor")


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.tick_params(length=3)


@rc_context(_STYLE)
def _saved(figure: Figure, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=format, **options)
    return file.getvalue()
