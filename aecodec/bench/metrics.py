"""Figures of merit. All but the plain ones come from the libraries that publications use."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = Sequence[tuple[float, float]]  # (bpp, dB)

MS_SSIM_SIDE_PX = 161  # five scales of a window of 11
SSIM_SIDE_PX = 11
SSIMULACRA2_SIDE_PX = 8


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """Multi-scale structural similarity, 0 to 1, of pictures [H, W, 3]; None below MS_SSIM_SIDE_PX a side."""
    from pytorch_msssim import ms_ssim

    return _similarity(ms_ssim, a, b) if min(a.shape[:2]) >= MS_SSIM_SIDE_PX else None


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """Structural similarity, -1 to 1, of pictures [H, W, 3]; None below SSIM_SIDE_PX a side."""
    from pytorch_msssim import ssim

    return _similarity(ssim, a, b) if min(a.shape[:2]) >= SSIM_SIDE_PX else None


def _similarity(measure: Any, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    import torch

    with torch.inference_mode():
        x, y = (torch.tensor(pixels).permute(2, 0, 1)[None].float() for pixels in (a, b))
        return float(measure(x, y, data_range=255))


def ssimulacra2(reference: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """SSIMULACRA 2 of pictures [H, W, 3] in sRGB, 100 for equal ones; None below SSIMULACRA2_SIDE_PX a side."""
    from PIL import Image
    from ssimulacra2.ssimulacra2 import compute_ssimulacra2

    if min(reference.shape[:2]) < SSIMULACRA2_SIDE_PX:
        return None
    files = [io.BytesIO(), io.BytesIO()]  # the library reads files
    for file, pixels in zip(files, (reference, b), strict=True):
        Image.fromarray(pixels).save(file, "BMP")
    return float(compute_ssimulacra2(*files))


def decibels(similarity: float) -> float:
    """Return a structural similarity as -10 log10(1 - similarity), on which equal steps look alike."""
    return -10 * float(np.log10(max(1 - similarity, 1e-10)))


def bd_rate(anchor: Curve, curve: Curve, low_db: float, high_db: float) -> float:
    """Mean difference in rate at equal quality, in percent; below zero, `curve` is the smaller one.

    After Bjontegaard 2001 ("Calculation of average PSNR differences between RD-curves"), with monotone cubic
    interpolation of log rate instead of a polynomial, between low_db and high_db or as far as both curves reach.

    Raises:
        ValueError: The curves have no range of quality in common.
    """
    from scipy.interpolate import PchipInterpolator

    # Of two points of one quality the cheaper counts.
    curves = [sorted({db: float(np.log(bpp)) for bpp, db in sorted(c, reverse=True)}.items()) for c in (anchor, curve)]
    if min(map(len, curves)) < 2:
        raise ValueError("the curves have no range of quality in common")
    low = max(low_db, *(c[0][0] for c in curves))
    high = min(high_db, *(c[-1][0] for c in curves))
    if high <= low:
        raise ValueError("the curves have no range of quality in common")
    means = [float(PchipInterpolator(*zip(*c, strict=True)).integrate(low, high)) / (high - low) for c in curves]
    return 100 * float(np.exp(means[1] - means[0]) - 1)
