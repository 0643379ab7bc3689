"""Noise for training the denoiser: white Gaussian, low-pass, and that of cameras."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

# Shares of the pictures with each kind of noise; the rest has white noise.
CLEAN_SHARE, LOW_PASS_SHARE, CAMERA_SHARE = 0.05, 0.05, 0.22
# Of the pictures with camera noise: softened, because cameras resolve less at full size than pictures that were scaled
# down; and with coarse noise, as cameras leave it that have smoothed it, colours more than brightness.
SOFT_SHARE, COARSE_SHARE = 0.5, 0.5
WIDTH_PX = (0.4, 3.0)  # of low-pass noise: standard deviation of the Gaussian window; the narrower half below 1.1
MAX_SIGMA = 75.0  # of white and low-pass noise, on the 0-255 scale
GRAY_SHARE = 1 / 7  # in a gray picture all three channels have the same noise
JPEG_SHARE = 2 / 3  # of the pictures with low-pass and camera noise
FILE_SHARE = 3 / 4  # of the others: clipped and rounded to 8 bits
GAMMA = 2.2
LEVEL_WINDOW = 9  # px, over which the level of camera noise is measured, twice in a row
# Interpolation of red or blue, and of green, from the neighbours in a Bayer mosaic.
_SPARSE = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
_QUINCUNX = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
_INTERPOLATION = torch.stack([_SPARSE, _QUINCUNX, _SPARSE])[:, None]
_MOSAIC = torch.tensor([[[1.0, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]]])  # RGGB


def add_noise(clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Make pairs of noisy and clean pictures, each with a kind and a level of noise of its own.

    Args:
        clean: [B, 3, H, W] in [0, 1], H and W even.

    Returns:
        The noisy pictures, most of them clipped and rounded to 8 bits; the clean ones, some of them now gray; and the
        standard deviation of the noise before it was clipped, [B, 1, H, W].
    """
    noisy, target, sigma = zip(*map(_add_noise, clean), strict=True)
    return torch.stack(noisy), torch.stack(target), torch.stack(sigma)


def _add_noise(clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gray = _chance(GRAY_SHARE)
    if gray:
        clean = clean.mean(0, keepdim=True).expand_as(clean)
    kind = _uniform(0, 1)
    is_camera = CLEAN_SHARE + LOW_PASS_SHARE <= kind < CLEAN_SHARE + LOW_PASS_SHARE + CAMERA_SHARE
    if is_camera and _chance(SOFT_SHARE):
        clean = soften(clean)
    level = 0.0 if kind < CLEAN_SHARE else _uniform(0, 1) ** 1.5 * MAX_SIGMA / 255  # half of them below 27
    noise = camera_noise(clean) if is_camera else level * torch.randn_like(clean)
    if CLEAN_SHARE <= kind < CLEAN_SHARE + LOW_PASS_SHARE:
        noise = low_pass(noise, _width())
    elif is_camera and _chance(COARSE_SHARE):
        noise = coarsen(noise)
    if gray:
        noise = noise[:1].expand_as(noise)
    sigma = local_level(noise) if is_camera else torch.full_like(clean[:1], level)
    noisy = clean + noise
    if CLEAN_SHARE <= kind < CLEAN_SHARE + LOW_PASS_SHARE + CAMERA_SHARE and _chance(JPEG_SHARE):
        noisy = through_jpeg(noisy)
    elif _chance(FILE_SHARE):
        noisy = (noisy.clamp(0, 1) * 255).round() / 255
    return noisy, clean, sigma


def camera_noise(clean: Tensor) -> Tensor:
    """Noise of a sensor as it looks in a finished picture, [3, H, W].

    After Brooks et al. 2019 ("Unprocessing images for learned raw denoising"): the picture is taken back to raw
    values; shot and read noise are added on the mosaic; interpolation, white balance, colour matrix and gamma follow.
    Only the noise passes through the interpolation, so that the clean picture keeps its detail.
    """
    to_rgb = _colour_matrix()
    # The gains of the white balance, and a digital gain that they share.
    gains = torch.tensor([_uniform(1.9, 2.4), 1.0, _uniform(1.5, 1.9)]) * _uniform(1.0, 1.6)
    raw = torch.einsum("ij,jhw->ihw", torch.linalg.inv(to_rgb), clean**GAMMA) / gains[:, None, None]
    shot = math.exp(_uniform(math.log(1e-4), math.log(0.012)))
    read = math.exp(2.18 * math.log(shot) + 1.2 + 0.26 * torch.randn(()).item())  # variances are linear in the signal
    noise = (shot * raw.clamp(min=0) + read).sqrt() * torch.randn_like(raw)
    _, height, width = clean.shape
    noise = noise * _MOSAIC.repeat(1, height // 2, width // 2)
    noise = F.conv2d(F.pad(noise[None], (1, 1, 1, 1), "reflect"), _INTERPOLATION, groups=3)[0]
    linear = torch.einsum("ij,jhw->ihw", to_rgb, (raw + noise) * gains[:, None, None])
    return linear.clamp(1e-6, 1) ** (1 / GAMMA) - clean


def _colour_matrix() -> Tensor:
    """Camera colours -> linear sRGB, [3, 3]: rows sum to one, neighbours are subtracted, as for real sensors."""
    matrix = torch.tensor([[_uniform(-0.6, 0.05) for _ in range(3)] for _ in range(3)])
    matrix.fill_diagonal_(0)
    return matrix + torch.diag(1 - matrix.sum(1))


def soften(clean: Tensor) -> Tensor:
    """Enlarge the middle of [3, H, W] by a factor of 1 to 2 to the same size, bicubically."""
    height, width = clean.shape[1:]
    factor = _uniform(1, 2)
    inner = round(height / factor), round(width / factor)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    middle = clean[None, :, top : top + inner[0], left : left + inner[1]]
    return F.interpolate(middle, (height, width), mode="bicubic", align_corners=False)[0].clamp(0, 1)


def coarsen(noise: Tensor) -> Tensor:
    """Make blotches of the noise of a sensor [3, H, W], in brightness and in colour, as noise filters of cameras do."""
    brightness = noise.mean(0, keepdim=True)
    width = _width()
    colour = low_pass(noise - brightness, _uniform(width, WIDTH_PX[1])) * _uniform(0.2, 1)
    return (low_pass(brightness, width) + colour) * _uniform(0.3, 1)


def low_pass(noise: Tensor, width: float) -> Tensor:
    """Correlate white noise [C, H, W] over a Gaussian window of `width` px, as filters do; its level stays."""
    taps = torch.exp(-0.5 * (torch.arange(-9.0, 10) / width) ** 2)
    taps = taps / taps.square().sum().sqrt()
    padded = F.pad(noise[:, None], (9, 9, 9, 9), "reflect")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))[:, 0]


def local_level(noise: Tensor) -> Tensor:
    """Root mean square of noise [3, H, W] around each pixel, [1, H, W]."""
    power = noise.square().mean(0, keepdim=True)
    for _ in range(2):
        power = F.avg_pool2d(power, LEVEL_WINDOW, 1, LEVEL_WINDOW // 2, count_include_pad=False)
    return power.sqrt()


def through_jpeg(x: Tensor) -> Tensor:
    """Save [3, H, W] as a JPEG of quality 60 to 100, with or without chroma subsampling, and read it back."""
    pixels = (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    subsampling = "4:2:0" if _chance(0.5) else "4:4:4"
    Image.fromarray(pixels).save(file, "JPEG", quality=round(_uniform(60, 100)), subsampling=subsampling)
    read = np.array(Image.open(file))
    return torch.from_numpy(read).permute(2, 0, 1).float() / 255


def _width() -> float:
    return math.exp(_uniform(*map(math.log, WIDTH_PX)))


def _chance(share: float) -> bool:
    return _uniform(0, 1) < share


def _uniform(low: float, high: float) -> float:
    """Draw from torch's generator, whose state the checkpoints keep."""
    return low + (high - low) * torch.rand(()).item()
