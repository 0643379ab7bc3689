"""The exact coding path: from the networks of the entropy model to symbols and table rows, in integers.

A learned codec breaks when the decoder's probabilities differ from the encoder's in one last bit. Here nothing that
leads to a probability is ever rounded by a float unit: activations and weights are integers held in float64, their sums
stay below 2 ** 53, so every order of summation gives the same result, on any machine, thread count or memory layout.
One loop, `code_tile`, serves both directions.

Units: activations, means and log2 scales are multiples of 2 ** -10 (`FRACTION_BITS`), weights of 2 ** -14.
"""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from aecodec.errors import WeightsError
from aecodec.layers import LEAKY_SLOPE, Block, Up
from aecodec.networks import GROUPS, CodecNetwork, ContextPass, from_cells, groups_of_pass, to_cells
from aecodec.quantise import Quantiser
from aecodec.rangecoder import MAX_SYMBOL, Symbols
from aecodec.tables import EXP2_BITS, FRACTION_BITS, ROWS_PER_OCTAVE, SCALE_BOUND, Tables

QUALITY_STEPS = 10_000  # qualities are hundredths of 0..100
WEIGHT_BITS = 14
WEIGHT_LIMIT = 2.0**4  # largest weight, bias of a log2 scale or mean that the bound below allows for
ACTIVATION_LIMIT = 2.0**22  # of the integers; 2 ** 12 in real units
# Largest sum: 768 products of 18 and 22 bits and a bias, below 2 ** (9.6 + 18 + 22) + 2 ** 28 < 2 ** 53.


class Coder(Protocol):
    """What `rangecoder.Encoder` and `rangecoder.Decoder` have in common."""

    def code(self, rows: NDArray[np.int64], symbols: Symbols | None) -> Symbols:
        """Write the symbols, or read them."""
        ...


class ExactEntropyModel:
    """Entropy model of one weights file, in integers.

    Args:
        model: Float codec; its weights are rounded here, which is itself exact.
        tables: Of the same weights file.

    Raises:
        WeightsError: A weight is too large for the bound on the sums.
    """

    def __init__(self, model: CodecNetwork, tables: Tables) -> None:
        self.config = model.config
        self._exp2 = torch.from_numpy(tables.exp2).double()
        self._last_row = len(tables.half_widths) - 1
        self._quantise = Quantiser(tables)
        self._h_s = _Integers(model.h_s)
        self._passes = [_IntegerPass(cast(ContextPass, p)) for p in model.context]
        self._gain = _to_grid(model.gain.log2_gain)
        self._hyper_gain = _to_grid(model.hyper_gain.log2_gain)
        self._quality_bias = _to_grid(model.quality_bias)
        self._z_log2_scale = _to_grid(model.z_log2_scale)

    def gains(self, quality: int) -> tuple[Tensor, Tensor]:
        """Gains of y [M, 1, 1] and z [N, 1, 1], float64, at a quality in hundredths."""
        return tuple(  # type: ignore[return-value]
            self._power(_interpolate(g, quality))[:, None, None] for g in (self._gain, self._hyper_gain)
        )

    def code_tile(
        self,
        coder: Coder,
        quality: int,
        height: int,
        width: int,
        latents: tuple[Tensor, Tensor] | None,
        weigh_rate: bool = True,
    ) -> Tensor:
        """Code the latents of one tile, in either direction.

        Args:
            coder: Encoder or Decoder.
            quality: In hundredths, 0 to 10000.
            height: Of the tile, in latent positions.
            width: Likewise.
            latents: For encoding, y [M, height, width] and z [N, ceil(height / 4), ceil(width / 4)]; None to decode.
            weigh_rate: For encoding, whether y is quantised by rate and error, or rounded.

        Returns:
            y_hat [M, height, width] float32.
        """
        padded = (-(-height // 4) * 4, -(-width // 4) * 4)
        z = self._code_z(coder, quality, padded, None if latents is None else latents[1])
        params = _clamp(self._h_s(z) + _interpolate(self._quality_bias, quality)[:, None, None])
        y = None
        if latents is not None:
            right, bottom = padded[1] - width, padded[0] - height
            y = _cells(F.pad(latents[0].double(), (0, right, 0, bottom)))
        valid = torch.zeros(1, *padded)
        valid[:, :height, :width] = 1
        inside = _cells(valid.repeat(GROUPS, 1, 1))[:, 0, 0] > 0  # [4 positions, h / 2, w / 2]
        y_hat = self._code_y(coder, quality, params, inside, y, weigh_rate)
        return (y_hat * 2.0**-FRACTION_BITS).float()[:, :height, :width]

    def _code_z(self, coder: Coder, quality: int, padded: tuple[int, int], z: Tensor | None) -> Tensor:
        """Code z and return z_hat as integers on the grid, [N, h, w]."""
        log2_gain = _interpolate(self._hyper_gain, quality)
        shape = (self.config.hyper, padded[0] // 4, padded[1] // 4)
        rows = self._rows(self._z_log2_scale + log2_gain)[:, None, None].expand(shape)
        symbols = None if z is None else _symbols(z.double() * self._power(log2_gain)[:, None, None])
        decoded = coder.code(rows.flatten().numpy(), symbols)
        values = torch.from_numpy(decoded).double().reshape(shape) * 2.0**FRACTION_BITS
        return _clamp(_round(values * self._power(-log2_gain)[:, None, None]))

    def _code_y(
        self, coder: Coder, quality: int, params: Tensor, inside: Tensor, y: Tensor | None, weigh_rate: bool
    ) -> Tensor:
        """Code y in four passes and return y_hat as integers on the grid, [M, h, w]."""
        log2_gains = _interpolate(self._gain, quality).reshape(GROUPS, -1)
        height, width = 2 * inside.shape[1], 2 * inside.shape[2]
        known = torch.zeros(4, GROUPS, self.config.latent // GROUPS, height // 2, width // 2, dtype=torch.float64)
        inside = inside[:, None].expand(-1, self.config.latent // GROUPS, -1, -1)
        for p, context_pass in enumerate(self._passes):
            mean, log2_scale = context_pass(params, None if p == 0 else _uncells(known))
            groups = groups_of_pass(p)
            log2_gain = log2_gains[groups][:, :, None, None]  # [4 positions, M / 4, 1, 1]
            gained_mean = _round(mean * self._power(log2_gain))
            rows = self._rows(log2_scale + log2_gain)[inside]
            symbols = None
            if y is not None:
                residual = y[range(4), groups] * self._power(log2_gain) - gained_mean * 2.0**-FRACTION_BITS
                symbols = self._quantise(residual[inside], rows) if weigh_rate else _symbols(residual[inside])
            decoded = coder.code(rows.numpy(), symbols)
            gained = torch.zeros_like(mean)
            gained[inside] = torch.from_numpy(decoded).double() * 2.0**FRACTION_BITS + gained_mean[inside]
            known[range(4), groups] = _clamp(_round(gained * self._power(-log2_gain)))
        return _uncells(known)

    def _rows(self, log2_scale: Tensor) -> Tensor:
        """Integers on the grid -> nearest table row, int64."""
        above = log2_scale - _LOWEST
        rows = torch.floor((above * ROWS_PER_OCTAVE + 2.0 ** (FRACTION_BITS - 1)) * 2.0**-FRACTION_BITS)
        return rows.clamp(0, self._last_row).long()

    def _power(self, log2: Tensor) -> Tensor:
        """2 ** x for x on the grid, by table and shift: 21 significant bits."""
        whole = torch.floor(log2 * 2.0**-FRACTION_BITS)
        fraction = (log2 - whole * 2.0**FRACTION_BITS).long()
        return self._exp2[fraction] * _power_of_two(whole - EXP2_BITS)


class _Integers:
    """A sequence of 1x1 layers, Blocks, Downs and Ups on integer activations [C, h, w]."""

    def __init__(self, layers: nn.Sequential) -> None:
        self._steps = [self._step(layer) for layer in layers]

    @staticmethod
    def _step(layer: nn.Module) -> _IntegerBlock | _IntegerUp:
        if isinstance(layer, Block):
            return _IntegerBlock(layer)
        if isinstance(layer, Up):
            return _IntegerUp(layer)
        raise TypeError(f"no integer form of {type(layer).__name__}")

    def __call__(self, x: Tensor) -> Tensor:
        for step in self._steps:
            x = step(x)
        return x


class _IntegerUp:
    def __init__(self, up: Up) -> None:
        self._project = _Integer1x1(up.project)

    def __call__(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self._project(x), 2)


class _IntegerBlock:
    def __init__(self, block: Block) -> None:
        self._kernel = _to_weight_grid(block.spatial.weight)[:, 0, :, :, None, None]  # [C, 3, 3, 1, 1]
        self._kernel_bias = _to_product_grid(block.spatial.bias)[:, None, None]
        self._expand, self._reduce = _Integer1x1(block.expand), _Integer1x1(block.reduce)

    def __call__(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:]
        around = F.pad(x, (1, 1, 1, 1))
        total = self._kernel_bias.expand(-1, height, width).clone()
        for i in range(3):
            for j in range(3):
                total += around[:, i : i + height, j : j + width] * self._kernel[:, i, j]
        hidden = self._expand(_rescale(total))
        hidden = torch.where(hidden < 0, _round(hidden * LEAKY_SLOPE), hidden)
        return _clamp(x + self._reduce(hidden))


class _Integer1x1:
    """1x1 layer, optionally in groups."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._groups = layer.groups
        self._weight = _to_weight_grid(layer.weight)[:, :, 0, 0].unflatten(0, (layer.groups, -1))
        self._bias = _to_product_grid(layer.bias)[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        grouped = x.reshape(self._groups, x.shape[0] // self._groups, -1)
        total = torch.bmm(self._weight, grouped).flatten(0, 1) + self._bias
        return _rescale(total).reshape(-1, *x.shape[1:])


class _IntegerPass:
    """ContextPass in integers; see there for the shapes (without the batch)."""

    def __init__(self, context_pass: ContextPass) -> None:
        self._embed = None if context_pass.embed is None else _Integer1x1(context_pass.embed)
        self._blocks = _Integers(context_pass.blocks)
        self._head = _Integer1x1(context_pass.head)

    def __call__(self, params: Tensor, y_hat: Tensor | None) -> tuple[Tensor, Tensor]:
        if self._embed is not None and y_hat is not None:
            params = _clamp(params + self._embed(y_hat))
        features = _cells(self._blocks(params)).flatten(0, 2)
        mean, log2_scale = self._head(features).unflatten(0, (GROUPS, 2, -1)).unbind(1)
        return mean, log2_scale


def _to_grid(x: Tensor) -> Tensor:
    return _round(x.detach().double() * 2.0**FRACTION_BITS)


def _to_weight_grid(x: Tensor) -> Tensor:
    if x.abs().max() >= WEIGHT_LIMIT:
        raise WeightsError("a weight of the entropy model is too large for exact sums; train on from an earlier state")
    return _round(x.detach().double() * 2.0**WEIGHT_BITS)


def _to_product_grid(x: Tensor | None) -> Tensor:
    return _round(cast(Tensor, x).detach().double() * 2.0 ** (WEIGHT_BITS + FRACTION_BITS))


def _rescale(total: Tensor) -> Tensor:
    """Sums of products back to the grid of activations."""
    return _clamp(_round(total * 2.0**-WEIGHT_BITS))


def _round(x: Tensor) -> Tensor:
    """Nearest integer, halves up: one rule everywhere."""
    return torch.floor(x + 0.5)


def _clamp(x: Tensor) -> Tensor:
    return x.clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def _symbols(values: Tensor) -> Symbols:
    rounded: Symbols = torch.round(values).clamp(-MAX_SYMBOL, MAX_SYMBOL).flatten().numpy().astype(np.int32)
    return rounded


def _power_of_two(exponent: Tensor) -> Tensor:
    """2.0 ** exponent for whole exponents, built from its bit pattern."""
    return ((exponent.long() + 1023) << 52).view(torch.float64)


def _interpolate(anchors: Tensor, quality: int) -> Tensor:
    """Rows on the grid [K, C] at a quality in hundredths -> [C] on the grid, all in integers."""
    segments = len(anchors) - 1
    low = min(quality * segments // QUALITY_STEPS, segments - 1)
    share = quality * segments - low * QUALITY_STEPS
    weighted = anchors[low].long() * (QUALITY_STEPS - share) + anchors[low + 1].long() * share
    return torch.div(weighted + QUALITY_STEPS // 2, QUALITY_STEPS, rounding_mode="floor").double()


def _cells(y: Tensor) -> Tensor:
    return to_cells(y[None])[0]


def _uncells(cells: Tensor) -> Tensor:
    return from_cells(cells[None])[0]


_LOWEST = float(round(np.log2(SCALE_BOUND) * 2**FRACTION_BITS))  # -3260: no machine is near a tie
