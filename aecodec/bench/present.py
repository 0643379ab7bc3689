"""Rows -> what a run leaves behind: report, tables, plots, and a few lines for the terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aecodec import __version__
from aecodec.bench import codec, denoise, peers, plots, summary, table
from aecodec.bench.denoisers import BLIND, Method
from aecodec.bench.peers import Peer
from aecodec.bench.report import Report, render
from aecodec.bench.table import Row
from aecodec.files import write_atomic

_AXES = {
    "psnr": ("psnr_db", "PSNR, dB (RGB)"),
    "ms-ssim": ("ms_ssim", "MS-SSIM, dB: -10 log10(1 - MS-SSIM)"),
    "ssimulacra2": ("ssimulacra2", "SSIMULACRA 2"),
}


@dataclass(frozen=True)
class Results:
    """All that a run leaves behind.

    Attributes:
        name: Of the kind of run, and of its files.
        report: The page.
        figures: Plots, by the name of their files.
        rows: For CSV and JSON.
        extra: More for JSON.
    """

    name: str
    report: Report
    figures: Mapping[str, Figure]
    rows: Sequence[Row]
    extra: Mapping[str, Any]

    def write(self, folder: Path) -> list[Path]:
        """Write all files to a folder; return them, the report first.

        Raises:
            OutputError: The system refuses.
        """
        table.write(folder, self.name, self.rows, self.extra)
        files = {f"{self.name}.html": render(self.report)}
        for name, figure in self.figures.items():
            files |= {f"{name}.png": plots.png(figure), f"{name}.svg": plots.svg_file(figure)}
        for name, data in files.items():
            write_atomic(folder / name, data)
        return [folder / name for name in (*files, f"{self.name}.csv", f"{self.name}.json")]

    def text(self) -> str:
        """Return the headline and the first table for a terminal."""
        return f"{summary.text(self.report.grids[0])}\n\n{self.report.headline}."


def codec_results(found: codec.Outcome, contestants: Sequence[Peer], metrics: Sequence[str]) -> Results:
    """Put the results of a run of codecs together."""
    rows = found.rows
    means = summary.large_enough(rows)
    drawn = [name for name in metrics if any(row[_AXES[name][0]] is not None for row in means)]
    figures = {f"codec-{name}": _curves(means, contestants, name) for name in drawn}
    scenes = codec.scenes(found.matched, contestants, peers.ANCHOR, peers.OURS) if found.matched else []
    settings = [f"{p.label}: {p.settings}, version {p.version}." for p in contestants if p.settings]
    report = Report(
        title="aecodec bench codec",
        headline=summary.headline_codec(means, peers.OURS),
        facts=[
            _machine(),
            "Bits per pixel count whole files. Figures of merit are means over the pictures, on 8-bit RGB; pictures "
            f"below {summary.MIN_SIDE_PX} pixels a side are in the rows, not in the means.",
            "BD-rate: mean difference in bytes at equal quality, over all that two curves share and over 29-36 dB.",
            "Peak memory: a new process that reads, encodes and decodes the largest picture, Python included.",
            "Crops: each codec is searched for the largest file within the size, to 2 % where its scale allows.",
            *settings,
        ],
        plots=[(_AXES[name][1], plots.svg(figures[f"codec-{name}"])) for name in drawn],
        grids=summary.codec_grids(means, found.memory, contestants),
        scenes=scenes,
    )
    extra = {
        "version": __version__,
        "against_jpeg": {peer.name: summary.against_anchor(means, peer.name) for peer in contestants},
        "memory": found.memory,
        "equal_bytes": [_without_crop(row) for row in found.matched],
    }
    return Results("codec", report, figures, rows, extra)


def denoise_results(rows: Sequence[Row], methods: Sequence[Method]) -> Results:
    """Put the results of a run of denoisers together."""
    measured = [_without_crop(row) for row in rows if row["peer"] != "original"]
    levels = sorted({row["sigma"] for row in measured}, key=lambda sigma: sigma or 0)
    groups = []
    for level in levels:
        own = [row for row in measured if row["sigma"] == level]
        means = {m.name: (m.label, summary.mean(r["psnr_db"] for r in own if r["peer"] == m.name)) for m in methods}
        title = "pairs" if level is None else f"sigma {level:g}"
        groups.append((title, {name: (label, value or 0.0) for name, (label, value) in means.items()}))
    figure = plots.dots(groups, "PSNR, dB")
    middle = levels[len(levels) // 2]
    noise = (
        "Pairs of pictures with and without noise; peers that need sigma get scikit-image's estimate."
        if middle is None
        else "White Gaussian noise of seed 0, clipped and rounded to 8 bits; peers are told its sigma."
    )
    report = Report(
        title="aecodec bench denoise",
        headline=summary.headline_denoise(measured, BLIND, middle),
        facts=[_machine(), noise, *(f"{m.label}: {m.settings}, version {m.version}." for m in methods if m.settings)],
        plots=[("PSNR after denoising, mean over the pictures", plots.svg(figure))],
        grids=[summary.denoise_grid(measured, methods)],
        scenes=denoise.scenes(rows, methods),
    )
    return Results("denoise", report, {"denoise-psnr": figure}, measured, {"version": __version__})


def _curves(rows: Sequence[Row], contestants: Sequence[Peer], metric: str) -> Figure:
    column, axis = _AXES[metric]
    curves = {}
    for peer in contestants:
        of_peer = summary.curve(rows, peer.name, column)
        curves[peer.name] = peer.label, summary.in_decibels(of_peer) if metric == "ms-ssim" else of_peer
    return plots.rate_distortion(curves, axis)


def _without_crop(row: Row) -> Row:
    return {column: value for column, value in row.items() if column != "crop"}


def _machine() -> str:
    import torch

    threads = f"{torch.get_num_threads()} thread{'s' * (torch.get_num_threads() != 1)}"
    return (
        f"aecodec {__version__} with {threads} of {os.cpu_count()} processors ({platform.machine()}, "
        f"{platform.system()}); other programs as they come. Times depend on what else the machine does."
    )
