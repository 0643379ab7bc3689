"""Random patches from a folder of pictures, made by background threads."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aecodec import imageio
from aecodec.errors import AecodecError, PictureError
from aecodec.files import printable

CACHE_BYTES = 6 * 2**30  # decoded pictures kept in memory; the rest is decoded again at each use
MAX_DOWNSCALE = 2.0  # random downscales hide JPEG traces and give more scales of the same scene


class Pictures:
    """All pictures below a folder, sampled by source.

    A source is the pictures of one folder whose names differ only in their number (`harbour_0001.jpg`). Each is
    drawn with a weight of the square root of its size, so that a large series does not crowd out the others.

    Args:
        folder: Searched recursively; files that are no pictures are ignored.
        exclude: File names never to be drawn (held out for choosing between variants).

    Raises:
        PictureError: There is no picture in the folder.
    """

    def __init__(self, folder: Path, exclude: frozenset[str] = frozenset()) -> None:
        self.files = [p for p in sorted(folder.rglob("*")) if imageio.accepts(p) and p.name not in exclude]
        if not self.files:
            raise PictureError(
                f"{folder}: holds no pictures besides those held out; name a folder with more photographs"
            )
        sources: dict[str, list[Path]] = {}
        for path in self.files:
            sources.setdefault(source_of(path), []).append(path)
        self._sources = list(sources.values())
        weights = np.sqrt([len(s) for s in self._sources])
        self._weights = weights / weights.sum()
        self._cache: dict[Path, NDArray[np.uint8]] = {}
        self._cache_bytes = 0
        self._bad: set[Path] = set()
        self._lock = threading.Lock()

    def patch(self, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
        """Draw a patch [size, size, 3] uint8: random picture, place, downscale and flip.

        Raises:
            PictureError: None of the pictures can be read.
        """
        pixels = self._draw(rng)
        height, width, _ = pixels.shape
        largest = min(height, width)
        scale = rng.uniform(1, MAX_DOWNSCALE) if rng.random() < 0.5 else 1.0
        side = min(round(size * scale), largest)
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = pixels[top : top + side, left : left + side]
        if side != size:
            resample = Image.Resampling.LANCZOS if rng.random() < 0.5 else Image.Resampling.BOX
            crop = np.asarray(Image.fromarray(crop).resize((size, size), resample))
        return crop[:, ::-1] if rng.random() < 0.5 else crop

    def _draw(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        while len(self._bad) < len(self.files):
            source = self._sources[rng.choice(len(self._sources), p=self._weights)]
            path = source[rng.integers(len(source))]
            if path not in self._bad and (pixels := self._load(path)) is not None:
                return pixels
        raise PictureError("none of the pictures can be read; name a folder with photographs")

    def _load(self, path: Path) -> NDArray[np.uint8] | None:
        with self._lock:
            if path in self._cache:
                return self._cache[path]
        try:
            pixels = read_rgb(path)
        except (AecodecError, OSError) as error:
            with self._lock:
                if path not in self._bad:
                    print(printable(f"{error}; skipped"), file=sys.stderr)
                self._bad.add(path)
            return None
        with self._lock:
            if path not in self._cache and self._cache_bytes + pixels.nbytes <= CACHE_BYTES:
                self._cache[path] = pixels
                self._cache_bytes += pixels.nbytes
        return pixels


class Batches:
    """Endless batches [B, 3, size, size] float32 in [0, 1], prepared ahead by threads.

    Args:
        pictures: Where the patches come from.
        batch: B.
        size: Side of a patch in pixels; may be changed while the threads run.
        seed: Of the random numbers.
        threads: How many to prepare batches with.
    """

    def __init__(self, pictures: Pictures, batch: int, size: int, seed: int, threads: int = 2) -> None:
        self.size = size
        self._pictures, self._batch = pictures, batch
        self._queue: queue.Queue[Tensor | Exception] = queue.Queue(maxsize=4)
        for n in range(threads):
            rng = np.random.default_rng([seed, n])
            threading.Thread(target=self._work, args=(rng,), daemon=True).start()

    def __iter__(self) -> Iterator[Tensor]:
        while True:
            batch = self._queue.get()
            if isinstance(batch, Exception):
                raise batch
            if batch.shape[-1] == self.size:  # else made before the size changed
                yield batch

    def _work(self, rng: np.random.Generator) -> None:
        while True:
            try:
                size = self.size
                patches = np.stack([self._pictures.patch(rng, size) for _ in range(self._batch)])
                self._queue.put(to_float(patches))
            except Exception as error:  # handed to the training thread, which raises it
                self._queue.put(error)
                return


def to_float(patches: NDArray[np.uint8]) -> Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in [0, 1], channels_last."""
    return torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2).float().div_(255)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as [H, W, 3] uint8, gray repeated, transparency dropped."""
    pixels = imageio.read(path.read_bytes(), str(path)).pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def source_of(path: Path) -> str:
    """Folder and name without its number: what one series of pictures has in common."""
    return f"{path.parent}/{re.sub(r'[-_ ]*[0-9]+$', '', path.stem)}"


def choose_held_out(folder: Path) -> list[str]:
    """Choose names of pictures to hold out, the same at every call and spread over the sources.

    They are 32, but no more than a tenth, and at least two.
    """
    by_source: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if imageio.accepts(path):
            by_source.setdefault(source_of(path), []).append(path)
    ranked = [sorted(paths, key=_hash) for paths in by_source.values()]
    ranked.sort(key=lambda paths: _hash(paths[0]))
    rounds = max(map(len, ranked), default=0)
    names = [paths[n].name for n in range(rounds) for paths in ranked if n < len(paths)]
    return sorted(names[: min(32, max(2, len(names) // 10))])


def held_out_patches(folder: Path, names: list[str], size: int) -> Tensor:
    """Centre crops [N, 3, size, size] of the named pictures; damaged and smaller ones are left out.

    Raises:
        PictureError: None is left.
    """
    wanted, crops = set(names), []
    for path in sorted(folder.rglob("*")):
        if path.name in wanted:
            try:
                pixels = read_rgb(path)
            except (AecodecError, OSError) as error:
                print(printable(f"{error}; skipped"), file=sys.stderr)
                continue
            top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
            if top >= 0 and left >= 0:
                crops.append(pixels[top : top + size, left : left + size])
    if not crops:
        raise PictureError(f"{folder}: no held-out picture is readable and has {size} pixels a side; name others")
    return to_float(np.stack(crops))


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()
