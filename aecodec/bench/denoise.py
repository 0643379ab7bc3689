"""Denoising: known noise added to clean pictures, or pairs with the noise of a camera."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aecodec.bench import metrics
from aecodec.bench.denoisers import BLIND, Method, noise_level
from aecodec.bench.session import Session
from aecodec.bench.sources import Pixels, Source, read, spread
from aecodec.bench.table import Row, Task
from aecodec.bench.views import CROP_PX, Scene, View, crop_uri
from aecodec.errors import PictureError
from aecodec.pixels import psnr

_SEED = 0


def add_noise(clean: Pixels, sigma: float) -> Pixels:
    """Add white Gaussian noise of seed 0, clipped and rounded to 8 bits, as files have it."""
    noise = np.random.default_rng(_SEED).normal(0, sigma, clean.shape)
    return np.asarray((clean + noise).round().clip(0, 255), np.uint8)


def measure(
    session: Session, sources: Sequence[Source], methods: Sequence[Method], sigmas: Sequence[float], crops: int
) -> list[Row]:
    """Measure denoisers on pictures.

    Args:
        session: Where rows are kept.
        sources: Clean pictures, or pairs; of pairs the noise is what it is, and `sigmas` are not looked at.
        methods: The denoisers.
        sigmas: Levels of the noise to add, 0 to 255.
        crops: How many pictures give crops for the viewer, each at the middle one of `sigmas`.

    Returns:
        One row per picture, level and method; the level is None for pairs. Some have a crop.
    """
    pairs = bool(sources and sources[0].noisy)
    levels: list[float | None] = [None] if pairs else [*sigmas]
    shown = {source.name for source in spread(sources, crops)}
    middle = levels[len(levels) // 2]
    session.expect(len(sources) * len(levels) * len(methods) + len(shown))

    def tasks(source: Source) -> list[Task]:
        pictures = _Pictures(source)
        made = [
            _task(pictures, method, level, crop=source.name in shown and level == middle)
            for level in levels
            for method in methods
        ]
        if source.name in shown:
            identity = {"peer": "original", "version": "", "settings": "", "sigma": middle}
            made.append(Task(identity, lambda: {"crop": pictures.crop(pictures.clean())}, also=f"crop {CROP_PX}"))
        return made

    return session.measure(sources, tasks)


class _Pictures:
    """Clean and noisy pixels of a source, made when first asked for and kept for its other tasks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._clean: Pixels | None = None
        self._noisy: tuple[float | None, Pixels] | None = None

    def clean(self) -> Pixels:
        if self._clean is None:
            self._clean = read(self._source.path)
        return self._clean

    def noisy(self, sigma: float | None) -> Pixels:
        if self._noisy is None or self._noisy[0] != sigma:
            self._noisy = sigma, self._make(sigma)
        return self._noisy[1]

    def _make(self, sigma: float | None) -> Pixels:
        if sigma is not None:
            return add_noise(self.clean(), sigma)
        assert self._source.noisy is not None
        noisy = read(self._source.noisy)
        if noisy.shape != self.clean().shape:
            raise PictureError(f"{self._source.noisy}: is not of the size of its clean counterpart; pairs must match")
        return noisy

    def crop(self, pixels: Pixels) -> str:
        return crop_uri(pixels, self.clean())


def _task(pictures: _Pictures, method: Method, sigma: float | None, crop: bool) -> Task:
    identity = {"peer": method.name, "version": method.version, "settings": method.settings, "sigma": sigma}
    also = f"seed {_SEED}" + (f", crop {CROP_PX}" if crop else "")
    return Task(identity, lambda: _figures(pictures, method, sigma, crop), also)


def _figures(pictures: _Pictures, method: Method, sigma: float | None, crop: bool) -> Mapping[str, Any]:
    clean, noisy = pictures.clean(), pictures.noisy(sigma)
    # Of real noise nobody knows the level: those that have to be told it get an estimate.
    told = 0.0 if method.blind else noise_level(noisy) if sigma is None else sigma
    started = time.perf_counter()
    denoised = method.run(noisy, told)
    seconds = time.perf_counter() - started
    figures: dict[str, Any] = {
        "sigma_told": None if method.blind else told,
        "psnr_db": psnr(denoised, clean),
        "ssim": metrics.ssim(clean, denoised),
        "seconds_per_mpx": seconds / (clean.shape[0] * clean.shape[1] / 1e6),
    }
    return figures | ({"crop": pictures.crop(denoised)} if crop else {})


def scenes(rows: Sequence[Row], methods: Sequence[Method]) -> list[Scene]:
    """Return what the viewer shows: for each picture with crops the original, the noisy input and all results."""
    labels = {"original": "original", **{method.name: method.label for method in methods}}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if "crop" in row:
            groups.setdefault(row["picture"], []).append(row)
    made = []
    for picture, group in groups.items():
        group.sort(key=lambda row: row["peer"] != "original")
        level = group[0]["sigma"]
        made.append(
            Scene(
                title=picture if level is None else f"{picture}, sigma {level:g}",
                views=[View(labels[row["peer"]], _note(row), row["crop"]) for row in group],
                left=labels["noisy"],
                right=labels[BLIND],
            )
        )
    return made


def _note(row: Row) -> str:
    if row["peer"] == "original":
        return ""
    similarity = "" if row["ssim"] is None else f", SSIM {row['ssim']:.3f}"
    return f"{row['psnr_db']:.2f} dB{similarity}"
