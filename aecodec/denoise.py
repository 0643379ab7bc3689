"""Picture -> picture without noise, blind or with a given level."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from aecodec import pretrained, tiling
from aecodec.imageio import Picture
from aecodec.networks import DENOISER_STRIDE, DenoiserNetwork
from aecodec.pixels import to_pixels, to_tensor

TILE_PX = 1024  # side of the tiles: 12 megapixels take 1.8 GB in all
# A multiple of 16, as the tiles are, and no less than the receptive fields: 182 px of the U-Net, 74 px of the
# estimator.
HALO_PX = 192
MAX_STRENGTH = 10
FIT_RIDGE = 1e-4  # of the number of points: keeps the fit of the noise level defined where brightness does not vary


class Denoiser:
    """Remove noise from pictures.

    Example:
        clean = Denoiser.load().denoise(imageio.read(Path("a.jpg").read_bytes(), "a.jpg"))

    Args:
        network: Trained networks.
        device: To run them on.
        tile: Side of the tiles that a picture is processed in, a multiple of 16 px. It bounds the memory and leaves
            no seams.

    Raises:
        ValueError: The side of the tiles is no positive multiple of 16.
    """

    def __init__(self, network: DenoiserNetwork, device: str = "cpu", tile: int = TILE_PX) -> None:
        if tile <= 0 or tile % DENOISER_STRIDE:
            raise ValueError(f"tile {tile} is no positive multiple of {DENOISER_STRIDE}")
        self._network, self._device, self._tile = network.to(device), device, tile

    @classmethod
    def load(cls, device: str = "cpu", weights: Path | None = None, tile: int = TILE_PX) -> Denoiser:
        """Load the shipped weights, or those of a file.

        Raises:
            WeightsError: They are missing or damaged.
        """
        return cls(cast(DenoiserNetwork, pretrained.load("denoiser", weights).network), device, tile)

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
        x = tiling.mirror_to_multiple(to_tensor(picture.pixels), DENOISER_STRIDE)
        noise_map = self._noise_map(x) if sigma is None else _flat_map(x, sigma / 255)
        noise_map = noise_map * max(strength, 1.0)
        pixels = np.empty_like(picture.pixels)
        for tile in tiling.tiles(x.shape[1], x.shape[2], self._tile, HALO_PX):
            noisy = tiling.with_halo(x, tile)
            centred = tiling.channels_last(noisy[None].to(self._device) - 0.5)
            local_map = tiling.with_halo(noise_map, tile, 2)[None].to(self._device)
            clean = self._network.unet(centred, local_map)[0].cpu() + 0.5
            mixed = noisy + min(strength, 1.0) * (clean - noisy)
            area = pixels[tile.top : tile.bottom, tile.left : tile.right]
            own = tiling.without_halo(mixed, tile)[:, : area.shape[0], : area.shape[1]]
            area[:] = to_pixels(own, picture.channels, pixels.dtype)
        return dataclasses.replace(picture, pixels=pixels)

    @torch.inference_mode()
    def estimate(self, picture: Picture) -> float:
        """Estimate the standard deviation of the noise, root mean square over the picture, on the 0-255 scale."""
        x = to_tensor(picture.pixels)
        noise_map = self._noise_map(tiling.mirror_to_multiple(x, DENOISER_STRIDE))
        noise_map = noise_map[:, : (x.shape[1] + 1) // 2, : (x.shape[2] + 1) // 2]  # without what was mirrored
        return noise_map.double().square().mean().sqrt().item() * 255

    def _noise_map(self, x: Tensor) -> Tensor:
        """Estimate the noise of [3, H, W] in [0, 1], H and W multiples of 16: [1, H / 2, W / 2], in its unit.

        Half of the result is what the estimator reads around each pixel, half its fit over the whole picture.
        """
        noise_map = _flat_map(x, 0.0)
        for tile in tiling.tiles(x.shape[1], x.shape[2], self._tile, HALO_PX):
            centred = tiling.channels_last(tiling.with_halo(x, tile)[None].to(self._device) - 0.5)
            local_map = self._network.estimator(centred)[0].cpu()
            area = noise_map[:, tile.top // 2 : tile.bottom // 2, tile.left // 2 : tile.right // 2]
            area[:] = tiling.without_halo(local_map, tile, 1, 2)
        return (noise_map + _fit_level(noise_map, x)) / 2


def _fit_level(noise_map: Tensor, x: Tensor) -> Tensor:
    """Fit a noise map [1, H / 2, W / 2] by what the noise of cameras depends on: brightness, and place in the picture.

    The local map mistakes some texture for noise and some noise for texture; over a whole picture, that evens out. On
    pictures held out of training the mean of map and fit brought 0.005 to 0.05 dB with white noise and with that of
    cameras, and 0.7 dB where one half was noisier than the other. The fit alone brought 0.04 dB more with the noise of
    cameras, but cost 0.6 dB in that last case.

    Args:
        noise_map: To be fitted, by least squares.
        x: The noisy picture [3, H, W] in [0, 1].
    """
    brightness = F.avg_pool2d(x.mean(0, keepdim=True), 8)[0] - 0.5
    vertical = torch.linspace(-1, 1, brightness.shape[0])[:, None].expand_as(brightness)
    horizontal = torch.linspace(-1, 1, brightness.shape[1])[None].expand_as(brightness)
    terms = (torch.ones_like(brightness), brightness, brightness**2, vertical, horizontal, vertical**2 + horizontal**2)
    basis = torch.stack(terms, -1).flatten(0, 1).double()
    level = F.avg_pool2d(noise_map, 4).flatten().double()
    gram = basis.T @ basis + FIT_RIDGE * len(basis) * torch.eye(len(terms), dtype=torch.float64)
    fitted = (basis @ torch.linalg.solve(gram, basis.T @ level)).clamp(min=0).float().view(1, 1, *brightness.shape)
    return F.interpolate(fitted, noise_map.shape[1:], mode="bilinear", align_corners=False)[0]


def _flat_map(x: Tensor, level: float) -> Tensor:
    return torch.full((1, x.shape[1] // 2, x.shape[2] // 2), level)
