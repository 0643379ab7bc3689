"""The float model of what latents cost: for training, and for refining those of one picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from aecodec.layers import lower_bound
from aecodec.networks import GROUPS, CodecNetwork, from_cells, groups_of_pass, to_cells
from aecodec.tables import SCALE_BOUND

LMBDA_RANGE = (0.0004, 0.15)  # x 255^2 x MSE in [0, 1]; quality 0 and 100: about 0.06 and 1.6 bpp
LIKELIHOOD_BOUND = 2.0**-20


def lmbda_of(t: Tensor) -> Tensor:
    """Trade-off of rate against distortion at t = quality / 100."""
    low, high = LMBDA_RANGE
    return low * (high / low) ** t


def gaussian_bits(value: Tensor, log2_scale: Tensor) -> Tensor:
    """Bits of integers around a zero-mean Gaussian that is integrated over steps of one, elementwise."""
    scale = torch.exp2(lower_bound(log2_scale, math.log2(SCALE_BOUND)))
    magnitude = value.abs()
    likelihood = torch.special.ndtr((0.5 - magnitude) / scale) - torch.special.ndtr((-0.5 - magnitude) / scale)
    return -torch.log2(lower_bound(likelihood, LIKELIHOOD_BOUND))


def run_passes(
    model: CodecNetwork,
    y: Tensor,
    params: Tensor,
    log2_gain: Tensor,
    quantise: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Code y in the four passes of the context model, in floats.

    Args:
        model: The codec.
        y: [B, M, h, w], h and w even.
        params: [B, C, h, w], what z tells of y.
        log2_gain: [B, M, 1, 1].
        quantise: From residuals, in steps of the quantiser, to those that are counted and those that are decoded.

    Returns:
        y_hat [B, M, h, w], and what each of its elements takes in bits, likewise.
    """
    cells = to_cells(y)
    gains = to_cells(log2_gain.expand(-1, -1, 2, 2))  # [B, 4, 4, M / 4, 1, 1]
    known, bits = torch.zeros_like(cells), torch.zeros_like(cells)
    for p in range(GROUPS):
        mean, log2_scale = model.context[p](params, None if p == 0 else from_cells(known))
        mine = (slice(None), list(range(4)), groups_of_pass(p))
        gain = gains[mine]
        counted, decoded = quantise((cells[mine] - mean) * torch.exp2(gain))
        known = _filled_in(known, mine, mean + decoded * torch.exp2(-gain))
        bits = _filled_in(bits, mine, gaussian_bits(counted, log2_scale + gain))
    return from_cells(known), from_cells(bits)


def _filled_in(cells: Tensor, mine: tuple[slice, list[int], list[int]], values: Tensor) -> Tensor:
    """Return cells with the zeros of one pass replaced; gradients pass to both."""
    fresh = torch.zeros_like(cells)
    fresh[mine] = values
    return cells + fresh
