"""Figures of merit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = Sequence[tuple[float, float]]  # (bpp, dB)


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB of two 8-bit pictures, over all channels at once."""
    mse = float(((a.astype(np.float64) - b.astype(np.float64)) ** 2).mean())
    return 99.0 if mse == 0 else 10 * float(np.log10(255**2 / mse))


def bd_rate(anchor: Curve, curve: Curve, low_db: float, high_db: float) -> float:
    """Mean difference in rate at equal quality, in percent; below zero, `curve` is the smaller one.

    After Bjontegaard 2001 ("Calculation of average PSNR differences between RD-curves"), with monotone cubic
    interpolation of log rate instead of a polynomial, between low_db and high_db or as far as both curves reach.

    Raises:
        ValueError: The curves have no range of quality in common.
    """
    from scipy.interpolate import PchipInterpolator

    curves = [sorted((db, float(np.log(bpp))) for bpp, db in points) for points in (anchor, curve)]
    low = max(low_db, *(c[0][0] for c in curves))
    high = min(high_db, *(c[-1][0] for c in curves))
    if high <= low:
        raise ValueError("the curves have no range of quality in common")
    means = [float(PchipInterpolator(*zip(*c, strict=True)).integrate(low, high)) / (high - low) for c in curves]
    return 100 * float(np.exp(means[1] - means[0]) - 1)
