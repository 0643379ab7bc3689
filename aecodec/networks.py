"""The networks: a variable-rate hyperprior autoencoder and a blind denoising U-Net, both sized for CPUs.

Codec, in the field's names: y = g_a(x), z = h_a(y), and from z_hat the entropy parameters h_s(z_hat), refined in four
passes by a context model; x_hat = g_s(y_hat). After Balle et al. 2018 ("Variational image compression with a scale
hyperprior") and Minnen et al. 2018 ("Joint autoregressive and hierarchical priors"), with the parallel
spatial-channel context of Li et al. 2023 ("Neural video compression with diverse contexts") in place of a raster
scan, and the gain vectors of Cui et al. 2021 ("Asymmetric gained deep image compression") for one model at all rates.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecodec.layers import Block, Bottleneck, Down, Magnitude, Up

LATENT_STRIDE = 16  # pixels per latent position
HYPER_STRIDE = 64  # pixels per hyper-latent position
DENOISER_STRIDE = 16  # pixels per position at the deepest level of the U-Net
GROUPS = 4  # channel groups, positions of a 2x2 cell and passes of the context model
PASS_ORDER = (0, 3, 1, 2)  # pass p codes group g at position g ^ PASS_ORDER[p]: diagonal neighbours first


@dataclass(frozen=True)
class CodecConfig:
    """Widths and depths of the codec; stored with the weights."""

    stem: int = 96  # channels at 1/4
    middle: int = 192  # channels at 1/8
    deep: int = 320  # channels at 1/16
    latent: int = 320  # M: of the 768 components of a 16x16 block; 192 capped the high rates at 36.5 dB
    hyper: int = 96  # channels of z
    context: int = 192  # width of h_a, h_s and the context model
    context_blocks: int = 2
    anchors: int = 9  # qualities at which the gains are learned
    analysis: tuple[int, ...] = (2, 4, 4)  # blocks of g_a at 1/4, 1/8 and 1/16
    synthesis: tuple[int, ...] = (2, 3, 1)  # blocks of g_s at 1/16, 1/8 and 1/4
    dense: bool = True  # whether these are Bottlenecks, else Blocks

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for the metadata of a weights file."""
        return asdict(self)


class AnalysisTransform(nn.Sequential):
    """g_a: picture [B, 3, H, W] in [0, 1] minus 0.5 -> latent y [B, M, H/16, W/16]. About 19 kMAC per pixel."""

    def __init__(self, c: CodecConfig) -> None:
        super().__init__(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, c.stem, 1),
            *_transform_blocks(c, c.stem, c.analysis[0]),
            Down(c.stem, c.middle),
            *_transform_blocks(c, c.middle, c.analysis[1]),
            Down(c.middle, c.deep),
            *_transform_blocks(c, c.deep, c.analysis[2]),
            nn.Conv2d(c.deep, c.latent, 1),
        )


class SynthesisTransform(nn.Sequential):
    """g_s: y_hat [B, M, H/16, W/16] -> picture minus 0.5 [B, 3, H, W]. About 15 kMAC per pixel."""

    def __init__(self, c: CodecConfig) -> None:
        super().__init__(
            nn.Conv2d(c.latent, c.deep, 1),
            *_transform_blocks(c, c.deep, c.synthesis[0]),
            Up(c.deep, c.middle),
            *_transform_blocks(c, c.middle, c.synthesis[1]),
            Up(c.middle, c.stem),
            *_transform_blocks(c, c.stem, c.synthesis[2]),
            nn.Conv2d(c.stem, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )


class HyperAnalysis(nn.Sequential):
    """h_a: y [B, M, H/16, W/16] -> z [B, N, H/64, W/64]."""

    def __init__(self, c: CodecConfig) -> None:
        super().__init__(
            nn.Conv2d(c.latent, c.context, 1),
            Block(c.context),
            Down(c.context, c.context),
            Block(c.context),
            Down(c.context, c.hyper),
        )


class HyperSynthesis(nn.Sequential):
    """h_s: z_hat [B, N, H/64, W/64] -> entropy parameters [B, C, H/16, W/16]."""

    def __init__(self, c: CodecConfig) -> None:
        super().__init__(Up(c.hyper, c.context), Block(c.context), Up(c.context, c.context), Block(c.context))


class ContextPass(nn.Module):
    """One pass of the context model: entropy parameters and what is known of y_hat -> features.

    The head has its own weights for each of the four positions of a 2x2 cell, because in one pass each position
    codes another group of channels: it yields just those means and scales that the pass needs.
    """

    def __init__(self, c: CodecConfig, first: bool) -> None:
        super().__init__()
        self.embed = None if first else nn.Conv2d(c.latent, c.context, 1)
        self.blocks = nn.Sequential(*(Block(c.context) for _ in range(0 if first else c.context_blocks)))
        self.head = nn.Conv2d(GROUPS * c.context, GROUPS * 2 * (c.latent // GROUPS), 1, groups=GROUPS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(cast(Tensor, self.head.bias))

    def forward(self, params: Tensor, y_hat: Tensor | None) -> tuple[Tensor, Tensor]:
        """Predict what this pass codes.

        Args:
            params: [B, C, h, w] entropy parameters from h_s.
            y_hat: [B, M, h, w] with zeros where nothing is known yet; None in the first pass.

        Returns:
            Means and log2 scales of y, each [B, 4 positions, M / 4, h / 2, w / 2].
        """
        if self.embed is not None and y_hat is not None:
            params = params + self.embed(y_hat)
        features = to_cells(self.blocks(params)).flatten(1, 3)
        mean, log2_scale = self.head(features).unflatten(1, (GROUPS, 2, -1)).unbind(2)
        return mean, log2_scale


class ContextModel(nn.ModuleList):
    """The four passes; pass p codes channel group g at position g ^ PASS_ORDER[p] of every 2x2 cell."""

    def __init__(self, c: CodecConfig) -> None:
        super().__init__(ContextPass(c, first=p == 0) for p in range(GROUPS))


class GainVectors(nn.Module):
    """Per-channel log2 gains at K qualities, interpolated linearly between them.

    Args:
        channels: Channels to scale.
        anchors: K, spread evenly over t = quality / 100 in [0, 1].
        start: log2 gain at t = 0 and at t = 1 before training.
    """

    def __init__(self, channels: int, anchors: int, start: tuple[float, float]) -> None:
        super().__init__()
        ramp = torch.linspace(start[0], start[1], anchors)
        self.log2_gain = nn.Parameter(ramp[:, None].repeat(1, channels))

    def forward(self, t: Tensor) -> Tensor:
        """Map t [B] in [0, 1] to log2 gains [B, channels, 1, 1]."""
        return interpolate(self.log2_gain, t)[:, :, None, None]


class CodecNetwork(nn.Module):
    """All trained parts of the codec; how they work together is told in entropy.py and codec.py."""

    def __init__(self, config: CodecConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or CodecConfig()
        self.g_a = AnalysisTransform(c)
        self.g_s = SynthesisTransform(c)
        self.h_a = HyperAnalysis(c)
        self.h_s = HyperSynthesis(c)
        self.context = ContextModel(c)
        # Where the gains came to rest at the two ends of the range of lambda that train/losses.py draws from; about
        # an octave below the optimum for uncorrelated coefficients, step^2 = 18 / (lambda ln 2) in 8-bit levels.
        self.gain = GainVectors(c.latent, c.anchors, start=(-1.0, 3.0))
        self.hyper_gain = GainVectors(c.hyper, c.anchors, start=(-2.0, -1.0))
        self.quality_bias = nn.Parameter(torch.zeros(c.anchors, c.context))
        self.z_log2_scale = nn.Parameter(torch.full((c.hyper,), math.log2(0.6)))


@dataclass(frozen=True)
class DenoiserConfig:
    """Widths of the denoiser at 1/2, 1/4, 1/8 and 1/16; stored with the weights."""

    widths: tuple[int, ...] = (48, 96, 160, 224)
    blocks: int = 4
    estimator: int = 24

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for the metadata of a weights file."""
        return asdict(self)


class NoiseEstimator(nn.Module):
    """Picture minus 0.5 [B, 3, H, W] -> noise level map [B, 1, H/2, W/2], in the picture's unit; H, W multiples of 16.

    Its features live at 1/4, 1/8 and 1/16: the wider the view, the better texture is told from noise. Magnitudes follow
    the first layer, because the mean magnitude of a high-pass is what tells noise, and end the last one, where a ReLU
    would have no gradient below zero. The rest has biases, unlike the U-Net: noise that was clipped at black and white
    is not proportional to its level.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width, 3, padding=1, bias=False),
            Magnitude(),
            Down(width, 2 * width),
            *(Block(2 * width) for _ in range(2)),
            Down(2 * width, 3 * width),
            *(Block(3 * width) for _ in range(2)),
        )
        self.coarse = nn.Sequential(
            Down(3 * width, 4 * width),
            *(Block(4 * width) for _ in range(2)),
            Up(4 * width, 3 * width),
        )
        self.head = nn.Sequential(
            Block(3 * width),
            nn.Conv2d(3 * width, 1, 1),
            Magnitude(),
            nn.Upsample(scale_factor=4, mode="bilinear", align_corners=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Estimate the standard deviation of the noise around each pixel."""
        fine = self.fine(x)
        out: Tensor = self.head(fine + self.coarse(fine))
        return out


class DenoisingUNet(nn.Module):
    """Bias-free U-Net with a noise-level map as an extra input channel and additive skips.

    After FFDNet (Zhang et al. 2018) for the map and half-resolution input and DRUNet (Zhang et al. 2021) for the form,
    with bottlenecks in place of two full convolutions. Without biases it is homogeneous (Mohan et al. 2020, "Robust and
    interpretable blind image denoising via bias-free convolutional neural networks"), so that it works at noise
    levels that it never saw.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        w, n = config.widths, config.blocks
        self.head = nn.Conv2d(13, w[0], 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(_blocks(c, n) for c in w)
        self.downs = nn.ModuleList(Down(a, b, bias=False) for a, b in pairwise(w))
        self.ups = nn.ModuleList(Up(b, a, bias=False) for a, b in pairwise(w))
        self.decoders = nn.ModuleList(_blocks(c, n) for c in w[:-1])
        self.tail = nn.Conv2d(w[0], 12, 3, padding=1, bias=False)
        nn.init.zeros_(self.tail.weight)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Remove noise.

        Args:
            x: [B, 3, H, W] noisy picture minus 0.5, H and W multiples of 16.
            sigma: [B, 1, H/2, W/2] standard deviation of the noise, in the unit of x.

        Returns:
            The clean picture minus 0.5, same shape as x.
        """
        features = self.head(torch.cat([F.pixel_unshuffle(x, 2), sigma], 1))
        skips = []
        for level, encoder in enumerate(self.encoders):
            features = encoder(features)
            if level < len(self.downs):
                skips.append(features)
                features = self.downs[level](features)
        for level in reversed(range(len(self.ups))):
            features = self.decoders[level](self.ups[level](features) + skips[level])
        return x - F.pixel_shuffle(self.tail(features), 2)


class DenoiserNetwork(nn.Module):
    """The U-Net and the estimator of its noise-level map."""

    def __init__(self, config: DenoiserConfig | None = None) -> None:
        super().__init__()
        self.config = config or DenoiserConfig()
        self.estimator = NoiseEstimator(self.config.estimator)
        self.unet = DenoisingUNet(self.config)


def interpolate(anchors: Tensor, t: Tensor) -> Tensor:
    """Interpolate linearly between rows: anchors [K, C], t [B] in [0, 1] -> [B, C]."""
    position = t.clamp(0, 1) * (len(anchors) - 1)
    low = position.long().clamp(max=len(anchors) - 2)
    weight = (position - low)[:, None]
    return anchors[low] * (1 - weight) + anchors[low + 1] * weight


def to_cells(y: Tensor) -> Tensor:
    """[B, C, h, w] -> [B, 4 positions, 4 groups, C / 4, h / 2, w / 2]; positions are row-major in each 2x2 cell."""
    b, c, h, w = y.shape
    cells = y.reshape(b, GROUPS, c // GROUPS, h // 2, 2, w // 2, 2).permute(0, 4, 6, 1, 2, 3, 5)
    return cells.reshape(b, 4, GROUPS, c // GROUPS, h // 2, w // 2)


def from_cells(cells: Tensor) -> Tensor:
    """Inverse of `to_cells`."""
    b, _, _, m, h, w = cells.shape
    y = cells.reshape(b, 2, 2, GROUPS, m, h, w).permute(0, 3, 4, 5, 1, 6, 2)
    return y.reshape(b, GROUPS * m, 2 * h, 2 * w)


def groups_of_pass(p: int) -> list[int]:
    """Channel group that pass p codes at each of the four positions of a cell."""
    return [position ^ PASS_ORDER[p] for position in range(4)]


def _transform_blocks(c: CodecConfig, channels: int, count: int) -> list[Block | Bottleneck]:
    return [Bottleneck(channels) if c.dense else Block(channels) for _ in range(count)]


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Bottleneck(channels, bias=False) for _ in range(count)))
