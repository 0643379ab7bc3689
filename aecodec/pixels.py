"""Integer pixels <-> the networks' tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(pixels: NDArray[Any]) -> Tensor:
    """Pixels [H, W, 1 or 3] uint8 or uint16 -> [3, H, W] float32 in [0, 1], gray repeated."""
    scaled = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    return scaled.permute(2, 0, 1).expand(3, -1, -1)


def to_pixels(x: Tensor, channels: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """[3, H, W] float in [0, 1], clipped -> pixels [H, W, channels]; gray is the mean of the three."""
    if channels == 1:
        x = x.mean(0, keepdim=True)
    scaled = x.clamp(0, 1) * np.iinfo(dtype).max
    return scaled.round().permute(1, 2, 0).numpy().astype(dtype)


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB of two pictures of one shape and depth, over all channels; at most 99."""
    mse = float(((a.astype(np.float64) - b) ** 2).mean())
    peak = float(np.iinfo(a.dtype).max)
    return min(99.0, 10 * float(np.log10(peak**2 / mse))) if mse else 99.0
