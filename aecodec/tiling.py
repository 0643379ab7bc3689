"""Tiles with a halo: bounded memory for pictures of any size, and no seams.

A network's output at a pixel depends on its input within the receptive field only. Each tile is computed with at
least that much of its surroundings, which are then cropped away, so tiled and untiled results are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Tile:
    """One tile of a plane: its own area and the area that is to be looked at, [start, stop) on both axes."""

    top: int
    bottom: int
    left: int
    right: int
    halo_top: int
    halo_bottom: int
    halo_left: int
    halo_right: int


def tiles(height: int, width: int, side: int, halo: int) -> Iterator[Tile]:
    """Cover [height, width] with tiles of at most `side`, row by row; halos end at the plane's border."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            yield Tile(
                top,
                bottom,
                left,
                right,
                max(0, top - halo),
                min(height, bottom + halo),
                max(0, left - halo),
                min(width, right + halo),
            )


def with_halo(x: Tensor, tile: Tile, den: int = 1) -> Tensor:
    """Cut a tile and its halo out of [..., H, W], a plane of 1 / den of the size that the tile was made for."""
    rows = slice(tile.halo_top // den, tile.halo_bottom // den)
    return x[..., rows, tile.halo_left // den : tile.halo_right // den]


def without_halo(x: Tensor, tile: Tile, num: int = 1, den: int = 1) -> Tensor:
    """Crop a network's output to the tile's own area; the output is num / den times as large as the input."""
    top, left = (tile.top - tile.halo_top) * num // den, (tile.left - tile.halo_left) * num // den
    height, width = (tile.bottom - tile.top) * num // den, (tile.right - tile.left) * num // den
    return x[..., top : top + height, left : left + width]


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of [C, H, W] until both sides are multiples."""
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return F.pad(x[None], (0, right, 0, bottom), mode="replicate")[0] if bottom or right else x


def mirror_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Mirror [C, H, W] at its last row and column until both sides are multiples: what is added has the same noise."""
    for axis in (1, 2):
        size = x.shape[axis]
        if size % multiple:
            period = max(2 * (size - 1), 1)
            place = torch.arange(size + -size % multiple) % period
            x = x.index_select(axis, torch.minimum(place, period - place))
    return x


def channels_last(x: Tensor) -> Tensor:
    """Lay [B, C, H, W] out as the CPU kernels like it best."""
    return x.contiguous(memory_format=torch.channels_last)
