"""Crops for the report: what to look at, as lossless data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aecodec.bench.sources import Pixels

CROP_PX = 448  # a side: two fit beside each other on a laptop, and a report stays below some megabytes a picture


@dataclass(frozen=True)
class View:
    """One candidate of a scene: `source` is a data URI."""

    label: str
    note: str
    source: str


@dataclass(frozen=True)
class Scene:
    """One crop of one picture as several candidates show it; `left` and `right` are shown first."""

    title: str
    views: Sequence[View]
    left: str
    right: str


def crop_uri(pixels: Pixels, reference: Pixels) -> str:
    """Cut the most detailed CROP_PX x CROP_PX of `reference` out of `pixels`; return it as a WebP data URI."""
    top, left = _most_detailed(reference)
    file = io.BytesIO()
    crop = np.ascontiguousarray(pixels[top : top + CROP_PX, left : left + CROP_PX])
    Image.fromarray(crop).save(file, "WEBP", lossless=True, method=2)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _most_detailed(pixels: Pixels) -> tuple[int, int]:
    """Return top and left of the crop with the largest sum of absolute differences between neighbours."""
    gray = pixels.astype(np.float32).mean(2)
    detail = np.zeros(gray.shape, np.float64)
    detail[1:, :] += np.abs(np.diff(gray, axis=0))
    detail[:, 1:] += np.abs(np.diff(gray, axis=1))
    # The bound keeps a few hard edges from outweighing texture.
    sums = np.pad(np.minimum(detail, 40).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops, lefts = (np.arange(0, max(1, side - CROP_PX + 1), 16) for side in gray.shape)
    bottoms, rights = (np.minimum(s + CROP_PX, side) for s, side in zip((tops, lefts), gray.shape, strict=True))
    inside = (
        sums[np.ix_(bottoms, rights)] - sums[np.ix_(tops, rights)]
        - sums[np.ix_(bottoms, lefts)] + sums[np.ix_(tops, lefts)]
    )  # fmt: skip
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return int(tops[row]), int(lefts[column])
