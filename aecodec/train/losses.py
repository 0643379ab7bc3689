"""What is minimised: rate and distortion of the codec, the error of the denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from aecodec.layers import round_straight_through
from aecodec.networks import CodecNetwork, DenoiserNetwork, interpolate
from aecodec.rate import gaussian_bits, lmbda_of, run_passes
from aecodec.train.noise import add_noise

LMBDA_BALANCE = 0.35  # each sample's loss is divided by lmbda ** this, so that no rate starves
# Added to the noise level where errors of the map are taken relative to it. Lower values let the few clean pictures
# outweigh all others: with 2 / 255 the error stood still for 350 steps.
MAP_FLOOR = 15 / 255
MSE_FLOOR = 1e-7  # 70 dB: keeps the slope of the root finite on pictures that are clean


@dataclass(frozen=True)
class CodecOutput:
    """Result of one pass through the float model: x_hat [B, 3, H, W], bits of y and of z [B]."""

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor

    def bpp_est(self) -> Tensor:
        """Estimated bits per pixel, [B]."""
        return (self.y_bits + self.z_bits) / (self.x_hat.shape[-1] * self.x_hat.shape[-2])


def run_codec(model: CodecNetwork, x: Tensor, t: Tensor, noise: bool) -> CodecOutput:
    """Run the float model as it is trained: uniform noise for the rate, straight-through rounding for the rest.

    Args:
        model: The codec.
        x: [B, 3, H, W] in [0, 1], H and W multiples of 64.
        t: [B] quality / 100.
        noise: False measures the rate on rounded values instead: an estimate of the real file.
    """
    y = model.g_a(x - 0.5)
    log2_gain, log2_hyper_gain = model.gain(t), model.hyper_gain(t)
    z = model.h_a(y) * torch.exp2(log2_hyper_gain)
    z_rounded = round_straight_through(z)
    z_log2_scale = model.z_log2_scale[:, None, None] + log2_hyper_gain
    z_bits = gaussian_bits(_noisy(z) if noise else z_rounded, z_log2_scale)
    params = model.h_s(z_rounded * torch.exp2(-log2_hyper_gain))
    params = params + interpolate(model.quality_bias, t)[:, :, None, None]

    def quantise(residual: Tensor) -> tuple[Tensor, Tensor]:
        rounded = round_straight_through(residual)
        return _noisy(residual) if noise else rounded, rounded

    y_hat, y_bits = run_passes(model, y, params, log2_gain, quantise)
    return CodecOutput(model.g_s(y_hat) + 0.5, y_bits.sum((1, 2, 3)), z_bits.sum((1, 2, 3)))


def _noisy(value: Tensor) -> Tensor:
    return value + torch.empty_like(value).uniform_(-0.5, 0.5)


def codec_loss(model: CodecNetwork, x: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Rate + lmbda x distortion, each sample with its own quality; returns the loss and figures for the log."""
    # Stratified over the batch: every step sees low and high rates.
    t = (torch.randperm(len(x)) + torch.rand(len(x))) / len(x)
    out = run_codec(model, x, t, noise=True)
    lmbda = lmbda_of(t)
    mse = (out.x_hat - x).square().mean((1, 2, 3))
    bpp = out.bpp_est()
    loss = ((lmbda * 255**2 * mse + bpp) / lmbda**LMBDA_BALANCE).mean()
    z_bpp = (out.z_bits / (x.shape[-1] * x.shape[-2])).mean()
    return loss, {"bpp": bpp.mean().item(), "z_bpp": z_bpp.item(), "psnr_db": psnr(mse).mean().item()}


@torch.no_grad()
def evaluate_codec(model: CodecNetwork, pictures: Tensor) -> dict[str, float]:
    """Estimated rate and PSNR of [N, 3, H, W] at four qualities."""
    figures = {}
    for quality in (10, 35, 60, 85):
        bpp, psnr_db = [], []
        for x in pictures.split(4):
            out = run_codec(model, x, torch.full((len(x),), quality / 100), noise=False)
            bpp.append(out.bpp_est())
            psnr_db.append(psnr((out.x_hat.clamp(0, 1) - x).square().mean((1, 2, 3))))
        figures[f"q{quality}_bpp"] = torch.cat(bpp).mean().item()
        figures[f"q{quality}_psnr_db"] = torch.cat(psnr_db).mean().item()
    return figures


def denoiser_loss(model: DenoiserNetwork, clean: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Root mean square error of each picture, with the true or the estimated noise map, plus the error of the map.

    The root gives all noise levels about the same weight, as L1 does; the square is what PSNR is made of.
    """
    noisy, clean, sigma = add_noise(clean)
    sigma_map = F.avg_pool2d(sigma, 2)
    estimate = model.estimator(noisy - 0.5)
    # Half of the batch is denoised with the map that a user will have, half with the true one. The estimator learns
    # from the true level alone: led by the picture as well, it read 10 % too little.
    blind = (torch.arange(len(clean)) % 2 == 0)[:, None, None, None]
    x_hat = model.unet(noisy - 0.5, torch.where(blind, estimate.detach(), sigma_map)) + 0.5
    map_error = ((estimate - sigma_map).abs() / (sigma_map + MAP_FLOOR)).mean()
    mse = (x_hat - clean).square().mean((1, 2, 3))
    loss = (mse + MSE_FLOOR).sqrt().mean() + 0.02 * map_error
    return loss, {"map_error": map_error.item(), "psnr_db": psnr(mse).mean().item()}


@torch.no_grad()
def evaluate_denoiser(model: DenoiserNetwork, pictures: Tensor) -> dict[str, float]:
    """PSNR of [N, 3, H, W] after blind denoising of 8-bit white Gaussian noise (seed 0), and of clean input."""
    figures = {}
    for sigma in (0, 15, 25, 50):
        noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
        psnr_db = []
        for x, n in zip(pictures.split(4), noise.split(4), strict=True):
            noisy = ((x + n * sigma / 255).clamp(0, 1) * 255).round() / 255 - 0.5
            x_hat = (model.unet(noisy, model.estimator(noisy)) + 0.5).clamp(0, 1)
            psnr_db.append(psnr((x_hat - x).square().mean((1, 2, 3))))
        figures[f"sigma{sigma}_psnr_db"] = torch.cat(psnr_db).mean().item()
    return figures


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, peak 1."""
    return -10 * torch.log10(mse.clamp(min=1e-8))
