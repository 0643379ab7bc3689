"""What noise costs a codec: bytes and fidelity of noisy pictures, as they are and denoised before coding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aecodec.bench.denoise import add_noise
from aecodec.bench.peers import Peer
from aecodec.bench.session import Session
from aecodec.bench.sources import Pixels, Source, read
from aecodec.bench.summary import Grid, mean
from aecodec.bench.table import Row, Task
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture
from aecodec.pixels import psnr

WAYS = {"clean": "clean picture", "plain": "noisy", "denoised": "noisy, denoised first"}


def measure(
    session: Session,
    sources: Sequence[Source],
    codec: Peer,
    denoiser: Denoiser,
    sigmas: Sequence[float],
    quality: float,
) -> list[Row]:
    """Code each picture clean, with noise, and with noise and denoising.

    Args:
        session: Where rows are kept.
        sources: Clean pictures.
        codec: Ours.
        denoiser: Blind.
        sigmas: Levels of the white Gaussian noise (seed 0, clipped and rounded to 8 bits), 0 to 255.
        quality: Of the codec, 0 to 100.

    Returns:
        One row per picture, level and way of WAYS; PSNR is against the clean picture, the level of a clean one 0.
    """
    ways = [("clean", 0.0), *((way, sigma) for sigma in sigmas for way in ("plain", "denoised"))]
    session.expect(len(sources) * len(ways))

    def tasks(source: Source) -> list[Task]:
        return [_task(source, codec, denoiser, way, sigma, quality) for way, sigma in ways]

    return session.measure(sources, tasks)


def _task(source: Source, codec: Peer, denoiser: Denoiser, way: str, sigma: float, quality: float) -> Task:
    def figures() -> Mapping[str, Any]:
        clean = read(source.path)
        pixels: Pixels = add_noise(clean, sigma) if sigma else clean
        if way == "denoised":
            pixels = np.asarray(denoiser.denoise(Picture(pixels)).pixels, np.uint8)
        file = codec.encode(pixels, quality)
        bpp = 8 * len(file) / (clean.shape[0] * clean.shape[1])
        return {"bytes": len(file), "bpp": bpp, "psnr_db": psnr(codec.decode(file), clean)}

    return Task({"peer": codec.name, "version": codec.version, "way": way, "sigma": sigma, "quality": quality}, figures)


def grid(rows: Sequence[Row]) -> Grid:
    """Return the table of means over the pictures."""
    lines: list[tuple[str, ...]] = []
    for way, sigma in dict.fromkeys((row["way"], row["sigma"]) for row in rows):
        own = [row for row in rows if (row["way"], row["sigma"]) == (way, sigma)]
        count, bpp, db = (mean(row[column] for row in own) or 0.0 for column in ("bytes", "bpp", "psnr_db"))
        lines.append((f"{sigma:g}", WAYS[way], f"{count:.0f}", f"{bpp:.3f}", f"{db:.2f}"))
    caption = f"Quality {rows[0]['quality']:g}, PSNR against the clean picture, means over the pictures"
    return Grid(caption, ("sigma", "coded", "bytes", "bpp", "dB"), lines)
