"""Rows -> means, curves and the tables that people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aecodec.bench.denoisers import Method
from aecodec.bench.metrics import Curve, bd_rate, decibels
from aecodec.bench.peers import ANCHOR, Peer
from aecodec.bench.table import Row

MIDDLE_DB = (29.0, 36.0)
POINTS_BPP = (0.25, 0.5, 1.0)
MIN_SIDE_PX = 64
NOTHING = "-"


@dataclass(frozen=True)
class Grid:
    """A table: a caption, the heads of the columns, and rows of cells; the first column names the row."""

    caption: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def text(grid: Grid) -> str:
    """Return a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(grid.heads, *grid.rows, strict=True)]
    lines = []
    for row in (grid.heads, *grid.rows):
        cells = [
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([grid.caption, *lines])


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def large_enough(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of pictures of MIN_SIDE_PX a side or more, or all if there are none.

    A file of a smaller one is mostly header, so that a single icon would outweigh many photographs in bits per pixel.
    """
    return [row for row in rows if min(row["width"], row["height"]) >= MIN_SIDE_PX] or [*rows]


def curve(rows: Sequence[Row], peer: str, column: str) -> list[tuple[float, float]]:
    """Return (bpp, figure) for each quality of a codec, means over the pictures that have the figure."""
    of_quality: dict[float, list[Row]] = {}
    for row in rows:
        if row["peer"] == peer and row.get(column) is not None:
            of_quality.setdefault(row["quality"], []).append(row)
    means = [
        (float(np.mean([row["bpp"] for row in group])), float(np.mean([row[column] for row in group])))
        for group in of_quality.values()
    ]
    return sorted(means)


def in_decibels(similarities: Curve) -> list[tuple[float, float]]:
    """Return a curve of MS-SSIM on the scale of -10 log10(1 - MS-SSIM)."""
    return [(bpp, decibels(similarity)) for bpp, similarity in similarities]


def against_anchor(rows: Sequence[Row], peer: str) -> dict[str, float | None]:
    """Return the BD-rates of a codec against JPEG in percent: in PSNR, in its middle range, and in MS-SSIM."""
    anchor, mine = (curve(rows, name, "psnr_db") for name in (ANCHOR, peer))
    anchor_similarity, my_similarity = (in_decibels(curve(rows, name, "ms_ssim")) for name in (ANCHOR, peer))
    return {
        "bd_rate_psnr": _bd_rate(anchor, mine, 0, 100),
        "bd_rate_psnr_29_36_db": _bd_rate(anchor, mine, *MIDDLE_DB),
        "bd_rate_ms_ssim": _bd_rate(anchor_similarity, my_similarity, 0, 100),
    }


def _bd_rate(anchor: Curve, curve: Curve, low_db: float, high_db: float) -> float | None:
    try:
        return bd_rate(anchor, curve, low_db, high_db)
    except ValueError:
        return None


def codec_grids(rows: Sequence[Row], memory: Sequence[Row], peers: Sequence[Peer]) -> list[Grid]:
    """Return the tables of a run of codecs: the summary, and the means behind the curves."""
    peaks = {row["peer"]: row["peak_megabytes"] for row in memory}
    lines = []
    for peer in peers:
        bd_rates = against_anchor(rows, peer.name)
        own = [row for row in rows if row["peer"] == peer.name]
        points = curve(rows, peer.name, "psnr_db")
        lines.append(
            (
                peer.label,
                *(_percent(value) for value in bd_rates.values()),
                *(_number(_at(points, bpp), 2) for bpp in POINTS_BPP),
                *(_number(mean(row[f"{side}_seconds_per_mpx"] for row in own), 3) for side in ("encode", "decode")),
                _number(peaks.get(peer.name), 0),
            )
        )
    heads = (
        "codec",
        "BD PSNR",
        f"BD {MIDDLE_DB[0]:g}-{MIDDLE_DB[1]:g} dB",
        "BD MS-SSIM",
        *(f"dB at {bpp:g} bpp" for bpp in POINTS_BPP),
        *("enc s/Mpx", "dec s/Mpx", "peak MB"),
    )
    summary = Grid("File size against JPEG at equal quality (BD-rate), PSNR at equal size, time, memory", heads, lines)
    return [summary, _means(rows, peers)]


def _means(rows: Sequence[Row], peers: Sequence[Peer]) -> Grid:
    columns = {"psnr_db": ("PSNR dB", 2), "ms_ssim": ("MS-SSIM", 4), "ssimulacra2": ("SSIMULACRA2", 1)}
    present = [column for column in columns if rows and column in rows[0]]
    lines = []
    for peer in peers:
        own = [row for row in rows if row["peer"] == peer.name]
        for quality in sorted({row["quality"] for row in own}):
            group = [row for row in own if row["quality"] == quality]
            times = [mean(row[f"{side}_seconds_per_mpx"] for row in group) for side in ("encode", "decode")]
            lines.append(
                (
                    peer.label,
                    f"{quality:g}",
                    _number(mean(row["bpp"] for row in group), 3),
                    *(_number(mean(row[column] for row in group), columns[column][1]) for column in present),
                    *(_number(seconds, 3) for seconds in times),
                )
            )
    heads = ("codec", "quality", "bpp", *(columns[column][0] for column in present), "enc s/Mpx", "dec s/Mpx")
    return Grid("Means over the pictures at each quality", heads, lines)


def denoise_grid(rows: Sequence[Row], methods: Sequence[Method]) -> Grid:
    """Return the table of a run of denoisers."""
    levels = sorted({row["sigma"] for row in rows}, key=lambda sigma: sigma or 0)
    lines = []
    for method in methods:
        own = [row for row in rows if row["peer"] == method.name]
        cells: list[str] = []
        for level in levels:
            group = [row for row in own if row["sigma"] == level]
            cells += [_number(mean(row["psnr_db"] for row in group), 2), _number(mean(row["ssim"] for row in group), 3)]
        seconds = None if method.name == "noisy" else mean(row["seconds_per_mpx"] for row in own)
        lines.append((method.label, *cells, _number(seconds, 2)))
    named = ["" if level is None else f" at {level:g}" for level in levels]
    heads = ("denoiser", *(head + name for name in named for head in ("dB", "SSIM")), "s/Mpx")
    return Grid("PSNR and SSIM after denoising, by sigma of the noise", heads, lines)


def headline_codec(rows: Sequence[Row], name: str) -> str:
    """Return the one figure of a run of codecs, as a sentence."""
    value = against_anchor(rows, name)["bd_rate_psnr"]
    count = _pictures(rows)
    if value is None:
        return f"aecodec and JPEG share no range of quality on {count}"
    return (
        f"aecodec needs {abs(value):.1f} % {'fewer' if value < 0 else 'more'} bytes than JPEG at equal PSNR, on {count}"
    )


def headline_denoise(rows: Sequence[Row], ours: str, sigma: float | None) -> str:
    """Return the one figure of a run of denoisers, as a sentence."""
    found = [mean(r["psnr_db"] for r in rows if r["peer"] == n and r["sigma"] == sigma) for n in ("noisy", ours)]
    before, after = (value if value is not None else float("nan") for value in found)
    noise = "the noise of these pairs" if sigma is None else f"noise of sigma {sigma:g}"
    return (
        f"aecodec takes {noise} from {before:.2f} to {after:.2f} dB without being told its level, on {_pictures(rows)}"
    )


def _pictures(rows: Sequence[Row]) -> str:
    count = len({row["picture"] for row in rows})
    return f"{count} picture{'s' * (count != 1)}"


def _at(points: Curve, bpp: float) -> float | None:
    """Interpolate a curve at a rate, linear over log rate; None outside of it."""
    if not points or not points[0][0] <= bpp <= points[-1][0]:
        return None
    rates, figures = zip(*points, strict=True)
    return float(np.interp(np.log(bpp), np.log(rates), figures))


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.1f} %"
