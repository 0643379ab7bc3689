"""Denoising of white Gaussian noise on a folder of pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec import imageio
from aecodec.bench.metrics import psnr
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture

SIGMAS = (0.0, 15.0, 25.0, 50.0)


@dataclass(frozen=True)
class Row:
    """Means over the pictures, colour PSNR; the input has 8 bits: noise is clipped and rounded."""

    sigma: float
    noisy_db: float
    blind_db: float
    known_db: float
    estimate: float
    seconds_per_mpx: float


def measure(folder: Path, sigmas: Sequence[float] = SIGMAS) -> list[Row]:
    """Measure the shipped denoiser on all pictures of a folder; the noise of each picture has seed 0."""
    names = sorted(path for path in folder.rglob("*") if imageio.accepts(path))
    pictures = [imageio.read(path.read_bytes(), str(path)) for path in names]
    denoiser = Denoiser.load()
    return [_row(denoiser, sigma, pictures) for sigma in tqdm(sigmas, disable=None)]


def _row(denoiser: Denoiser, sigma: float, pictures: Sequence[Picture]) -> Row:
    figures = []
    for picture in pictures:
        clean = picture.pixels
        noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
        noisy = Picture((clean + noise).round().clip(0, 255).astype(np.uint8))
        started = time.perf_counter()
        blind = denoiser.denoise(noisy)
        seconds = time.perf_counter() - started
        known = denoiser.denoise(noisy, sigma=sigma)
        decibels = [psnr(p.pixels, clean) for p in (noisy, blind, known)]
        figures.append((*decibels, denoiser.estimate(noisy), seconds / (clean.shape[0] * clean.shape[1] / 1e6)))
    return Row(sigma, *np.mean(figures, axis=0).tolist())
