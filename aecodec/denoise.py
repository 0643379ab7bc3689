"""Picture -> picture without noise, blind or with a given level."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from aecodec import pretrained, tiling
from aecodec.imageio import Picture
from aecodec.networks import DENOISER_STRIDE, DenoiserNetwork
from aecodec.pixels import to_pixels, to_tensor

TILE_PX = 1024
# Receptive field of the U-Net behind that of the estimator: below 92 + 36 px. A multiple of 16, as the tiles.
HALO_PX = 128
MAX_STRENGTH = 10


class Denoiser:
    """Remove noise from pictures.

    Example:
        clean = Denoiser.load().denoise(imageio.read(Path("a.jpg").read_bytes(), "a.jpg"))

    Args:
        network: Trained networks.
        device: To run them on.
    """

    def __init__(self, network: DenoiserNetwork, device: str = "cpu") -> None:
        self._network, self._device = network.to(device), device

    @classmethod
    def load(cls, device: str = "cpu", weights: Path | None = None) -> Denoiser:
        """Load the shipped weights, or those of a file.

        Raises:
            WeightsError: They are missing or damaged.
        """
        return cls(cast(DenoiserNetwork, pretrained.load("denoiser", weights).network), device)

    @torch.inference_mode()
    def denoise(self, picture: Picture, sigma: float | None = None, strength: float = 1.0) -> Picture:
        """Remove the noise of a picture; depth, alpha and metadata stay as they are.

        Args:
            picture: Any size; gray stays gray.
            sigma: Standard deviation of the noise on the 0-255 scale, whatever the depth; estimated where None.
            strength: 0 returns the picture unchanged, 1 is the full effect; above 1 the noise is taken to be that
                much stronger than it is. At most 10.

        Raises:
            ValueError: Sigma or strength is outside its range.
        """
        if not (0 <= strength <= MAX_STRENGTH and (sigma is None or 0 <= sigma <= 255)):
            raise ValueError(f"strength {strength} or sigma {sigma} is outside 0..{MAX_STRENGTH} or 0..255")
        if strength == 0:
            return picture
        x = tiling.pad_to_multiple(to_tensor(picture.pixels), DENOISER_STRIDE)
        pixels = np.empty_like(picture.pixels)
        for tile in tiling.tiles(x.shape[1], x.shape[2], TILE_PX, HALO_PX):
            noisy = tiling.with_halo(x, tile)
            clean = self._denoise_tile(noisy, sigma, max(strength, 1.0))
            mixed = noisy + min(strength, 1.0) * (clean - noisy)
            area = pixels[tile.top : tile.bottom, tile.left : tile.right]
            own = tiling.without_halo(mixed, tile)[:, : area.shape[0], : area.shape[1]]
            area[:] = to_pixels(own, picture.channels, pixels.dtype)
        return dataclasses.replace(picture, pixels=pixels)

    @torch.inference_mode()
    def estimate(self, picture: Picture) -> float:
        """Estimate the standard deviation of the noise, root mean square over the picture, on the 0-255 scale."""
        x = tiling.pad_to_multiple(to_tensor(picture.pixels), DENOISER_STRIDE)
        total = 0.0
        for tile in tiling.tiles(x.shape[1], x.shape[2], TILE_PX, HALO_PX):
            sigma = self._estimate_tile(tiling.with_halo(x, tile))
            total += tiling.without_halo(sigma[0], tile, 1, 2).double().square().sum().item()
        return float((total / (x.shape[1] * x.shape[2] / 4)) ** 0.5 * 255)

    def _estimate_tile(self, x: Tensor) -> Tensor:
        """[3, H, W] -> [1, 1, H / 2, W / 2]."""
        return cast(Tensor, self._network.estimator(tiling.channels_last(x[None].to(self._device) - 0.5)))

    def _denoise_tile(self, x: Tensor, sigma: float | None, factor: float) -> Tensor:
        """[3, H, W] in [0, 1] -> the same, clean."""
        if sigma is None:
            noise_map = self._estimate_tile(x)
        else:
            noise_map = torch.full((1, 1, x.shape[1] // 2, x.shape[2] // 2), sigma / 255, device=self._device)
        centred = tiling.channels_last(x[None].to(self._device) - 0.5)
        clean = self._network.unet(centred, noise_map * factor)[0] + 0.5
        return cast(Tensor, clean.cpu())
