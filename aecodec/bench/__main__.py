"""`python -m aecodec.bench codec DIR` `... denoise DIR` (tables of figures) and `... crops PICTURE`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from aecodec import imageio
from aecodec.bench import codec as codec_bench
from aecodec.bench import denoise as denoise_bench
from aecodec.bench.crops import compression_strip, denoising_strip
from aecodec.bench.metrics import bd_rate
from aecodec.codec import Codec
from aecodec.denoise import Denoiser

_FOLDER = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def bench() -> None:
    """Measure the shipped weights."""


@bench.command()
@_FOLDER
@click.option("--quality", type=float, multiple=True, default=codec_bench.QUALITIES, help="Of aecodec; repeatable.")
def codec(folder: Path, quality: tuple[float, ...]) -> None:
    """Print rate and distortion of real files as tab-separated values, and BD-rates against JPEG."""
    rows = codec_bench.measure(folder, quality)
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
@click.option("--sigma", type=float, multiple=True, default=denoise_bench.SIGMAS, help="Of the noise; repeatable.")
def denoise(folder: Path, sigma: tuple[float, ...]) -> None:
    """Print PSNR after denoising white Gaussian noise as tab-separated values."""
    _write(denoise_bench.measure(folder, sigma))


@bench.command()
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--box", nargs=4, type=int, required=True, help="Left, top, right, bottom in pixels.")
@click.option("--jpeg", type=click.IntRange(1, 95), help="Compare with a JPEG of this quality; denoise without it.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A PNG.")
def crops(picture: Path, box: tuple[int, int, int, int], jpeg: int | None, output: Path) -> None:
    """Write crops of a picture at 100 %, side by side."""
    source = imageio.read(picture.read_bytes(), str(picture))
    if jpeg is None:
        strip = denoising_strip(Denoiser.load(), source, box)
    else:
        strip = compression_strip(Codec.load(), source, box, jpeg)
    strip.save(output, optimize=True)


def _write(rows: Sequence[codec_bench.Row] | Sequence[denoise_bench.Row]) -> None:
    writer = csv.DictWriter(sys.stdout, list(asdict(rows[0])), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()})


if __name__ == "__main__":
    bench()
