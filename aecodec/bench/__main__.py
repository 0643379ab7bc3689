"""`python -m aecodec.bench codec DIR` and `python -m aecodec.bench denoise DIR`: tables of figures."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from aecodec.bench import codec as codec_bench
from aecodec.bench import denoise as denoise_bench
from aecodec.bench.metrics import bd_rate

_FOLDER = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def bench() -> None:
    """Measure the shipped weights."""


@bench.command()
@_FOLDER
def codec(folder: Path) -> None:
    """Print rate and distortion of real files as tab-separated values, and BD-rates against JPEG."""
    rows = codec_bench.measure(folder)
    _write(rows)
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        curves.setdefault(row.codec, []).append((row.bpp, row.psnr_db))
    for name in ("aecodec", "webp"):
        whole = bd_rate(curves["jpeg"], curves[name], 0, 100)
        middle = bd_rate(curves["jpeg"], curves[name], 29, 36)
        click.echo(f"{name} against jpeg: {whole:+.1f} % (all they share), {middle:+.1f} % (29-36 dB)", err=True)


@bench.command()
@_FOLDER
def denoise(folder: Path) -> None:
    """Print PSNR after denoising white Gaussian noise as tab-separated values."""
    _write(denoise_bench.measure(folder))


def _write(rows: Sequence[codec_bench.Row] | Sequence[denoise_bench.Row]) -> None:
    writer = csv.DictWriter(sys.stdout, list(asdict(rows[0])), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()})


if __name__ == "__main__":
    bench()
