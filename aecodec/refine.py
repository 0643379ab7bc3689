"""Refine the latents of one picture by gradient steps: smaller files of the same format, for the encoder's time.

g_a maps all pictures with the same weights. For one picture there are latents that cost fewer bits or decode to less
error; they are found by descending on rate + lmbda x distortion through g_s and the entropy model. Rounding is replaced
by a random choice between the two nearest integers, whose temperature falls (stochastic Gumbel annealing, Yang et al.
2020, "Improving inference for neural image compression"), with probabilities that are a power of the odds as in
Perugachi-Diaz et al. 2024, "Robustly overfitting latents for flexible neural image compression".
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from aecodec.layers import use_bfloat16
from aecodec.networks import LATENT_STRIDE, CodecNetwork, interpolate
from aecodec.rate import lmbda_of, run_passes
from aecodec.tiling import Tile, channels_last, without_halo

# Chosen on two pictures held out of training, at qualities 20, 50 and 80: 100 steps take 5.7 % off plain rounding, as
# rate at equal PSNR, 1000 steps 10.1 %. weights/TRAINING.md has what else was tried.
LEARNING_RATE = 0.02  # in steps of the quantiser
TEMPERATURES = (1.0, 0.3)  # first and last
ODDS_POWER = 5.0
# Refined latents pay off at a higher rate than the networks were trained for; a factor of 1 saves half a percent less.
LMBDA_FACTOR = 1.3
MARGIN = 1e-4  # probabilities stay this far from 0 and 1


class Refiner:
    """Refine latents of one weights file.

    Args:
        network: The codec; it is copied.
        device: Where to compute.
    """

    @torch.inference_mode(False)
    def __init__(self, network: CodecNetwork, device: str = "cpu") -> None:
        self._network = deepcopy(network).requires_grad_(False)
        self._network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        if device == "cpu" and _has_bfloat16():
            use_bfloat16(self._network)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        z: Tensor,
        tile: Tile,
        quality: float,
        steps: int,
        tick: Callable[[], object],
    ) -> Tensor:
        """Refine the latents of one tile.

        Args:
            x: [3, 16 h, 16 w] the tile and its halo in [0, 1]; rows and columns beyond the picture are cut off.
            y: [M, h, w] of the same area.
            z: [N, ceil(rows / 4), ceil(columns / 4)] of the tile alone.
            tile: In pixels.
            quality: 0 to 100.
            steps: Of gradient descent.
            tick: Called after each step.

        Returns:
            y of the tile, [M, rows, columns], to be rounded to the nearest.
        """
        model = self._network
        x, y, z = (part.to(self._device, copy=True)[None] for part in (x, y, z))
        t = torch.tensor([quality / 100], device=self._device)
        log2_gain, log2_hyper_gain = model.gain(t), model.hyper_gain(t)
        z_hat = torch.round(z * torch.exp2(log2_hyper_gain)) * torch.exp2(-log2_hyper_gain)
        params = model.h_s(z_hat) + interpolate(model.quality_bias, t)[:, :, None, None]
        start = without_halo(y, tile, 1, LATENT_STRIDE)
        height, width = start.shape[2:]
        start = F.pad(start, (0, -width % 4, 0, -height % 4))  # as the coding path pads it
        lmbda = LMBDA_FACTOR * float(lmbda_of(t))
        generator = torch.Generator(self._device).manual_seed(0)
        # Moved in steps of the quantiser, in which all elements matter about alike.
        moved = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([moved], betas=(0.8, 0.99))
        for step in range(steps):
            progress = step / steps
            temperature = TEMPERATURES[0] * (TEMPERATURES[1] / TEMPERATURES[0]) ** progress
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, 2 * (1 - progress))

            def quantise(residual: Tensor, temperature: float = temperature) -> tuple[Tensor, Tensor]:
                soft = _soft_round(residual, temperature, generator)
                return soft, soft

            y_hat, bits = run_passes(model, start + moved * torch.exp2(-log2_gain), params, log2_gain, quantise)
            around = y.clone()
            without_halo(around, tile, 1, LATENT_STRIDE)[:] = y_hat[:, :, :height, :width]
            x_hat = model.g_s(channels_last(around))[:, :, : x.shape[2], : x.shape[3]] + 0.5
            error = (x_hat - x).square().sum() / 3
            loss = bits[:, :, :height, :width].sum() + lmbda * 255**2 * error
            (moved.grad,) = torch.autograd.grad(loss, [moved])
            optimizer.step()
            tick()
        refined = start + moved.detach() * torch.exp2(-log2_gain)
        return refined[0, :, :height, :width].cpu()


def _soft_round(value: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Draw between the two nearest integers, the nearer one more likely; relaxed, so that gradients pass."""
    below = torch.floor(value).detach()
    chance = (value - below).clamp(MARGIN, 1 - MARGIN)
    drawn = torch.rand(value.shape, generator=generator, device=value.device).clamp(1e-6, 1 - 1e-6)
    return below + torch.sigmoid((ODDS_POWER * torch.logit(chance) + torch.logit(drawn)) / temperature)


def _has_bfloat16() -> bool:
    """Whether this CPU multiplies in bfloat16; older releases of torch do not tell."""
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
