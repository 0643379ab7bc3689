"""Start of the codec: the optimum of the linear autoencoder.

A linear autoencoder under squared error spans the principal subspace of its input (Baldi and Hornik 1989). The down and
up layers of g_a and g_s begin as a hierarchical principal component analysis of training patches, and since all blocks
begin as the identity, training starts at block-transform coding instead of at noise.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecodec.layers import Down, Up
from aecodec.networks import GROUPS, CodecNetwork, ContextPass, groups_of_pass, to_cells

EXTRA_STD = 0.05  # of the weights into channels that the linear transform leaves free
HYPER_STD = 0.6  # of z: wider costs rate for a long time, narrower collapses to zeros


@torch.no_grad()
def start_from_pca(model: CodecNetwork, x: Tensor) -> None:
    """Set g_a, g_s and the entropy model's constants from patches x [B, 3, H, W] in [0, 1]."""
    c = model.config
    stem, middle, deep, last = _projections(model.g_a)
    up_last, up_deep, up_middle, tail = _projections(model.g_s)

    pixels = F.pixel_unshuffle(x - 0.5, 4)
    at_4, basis_4 = _principal(pixels, min(48, c.stem))
    _project(stem, basis_4)
    at_8, basis_8 = _principal(F.pixel_unshuffle(at_4, 2), c.middle)
    _project(middle, basis_8)
    at_16, basis_16 = _principal(F.pixel_unshuffle(at_8, 2), min(c.deep, c.latent))
    _project(deep, basis_16)
    # Component 4 i + g becomes channel i of group g: every group holds its share of the energy.
    order = torch.arange(c.latent).reshape(-1, GROUPS).T.flatten()
    mix = torch.eye(c.latent, c.deep)[order]
    _project(last, mix)

    for layer, basis in ((up_last, mix), (up_deep, basis_16), (up_middle, basis_8)):
        _project(layer, basis.T)
    nn.init.zeros_(tail.weight)
    tail.weight[:, : len(basis_4), 1, 1] = basis_4.T
    _bias(tail).zero_()

    _start_entropy_model(model, F.conv2d(at_16, mix[:, : at_16.shape[1], None, None]))


def _start_entropy_model(model: CodecNetwork, y: Tensor) -> None:
    cells = to_cells(y)
    mean = cells.mean((0, 1, 4, 5))  # [4 groups, M / 4]
    log2_scale = torch.log2(cells.std((0, 1, 4, 5)) + 1e-3)
    for p, context_pass in enumerate(model.context):
        groups = groups_of_pass(p)
        bias = torch.stack([mean[groups], log2_scale[groups]], 1)  # [4 positions, 2, M / 4]
        _bias(cast(ContextPass, context_pass).head).copy_(bias.flatten())
    last = _projections(model.h_a)[-1]
    z = model.h_a(y)
    factor = HYPER_STD / z.std((0, 2, 3))
    last.weight.mul_(factor[:, None, None, None])
    _bias(last).copy_((_bias(last) - z.mean((0, 2, 3))) * factor)


def _principal(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Project x [B, C, H, W] on its strongest components; return them [B, count, H, W] and the basis [count, C]."""
    rows = x.transpose(0, 1).flatten(1).double()
    covariance = rows @ rows.T / rows.shape[1]
    _, vectors = torch.linalg.eigh(covariance)
    basis = vectors.flip(1).T[:count].float().contiguous()
    return F.conv2d(x, basis[:, :, None, None]), basis


def _projections(network: nn.Sequential) -> list[nn.Conv2d]:
    """Return the layers between the blocks: what changes the width."""
    layers = [layer.project if isinstance(layer, (Down, Up)) else layer for layer in network]
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def _bias(layer: nn.Conv2d) -> Tensor:
    return cast(Tensor, layer.bias)


def _project(layer: nn.Conv2d, basis: Tensor) -> None:
    """Put a basis into the first rows and columns; columns beyond it are zero, rows beyond it small and random."""
    rows, columns = basis.shape
    nn.init.zeros_(layer.weight)
    layer.weight[rows:].normal_(std=EXTRA_STD)
    layer.weight[:rows, :columns] = basis[:, :, None, None]
    _bias(layer).zero_()
