"""Building blocks shared by the codec and the denoiser, and the two gradients that training needs."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAKY_SLOPE = 1 / 8  # a power of two: exact in the integer path


class Block(nn.Module):
    """Residual block: depthwise 3x3, 1x1 to twice the width, leaky ReLU, 1x1 back.

    After ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"), without its normalisation and with a
    3x3 kernel, because 5x5 and larger are several times slower backward on CPUs. The last layer starts
    at zero, so that a new block is the identity.

    Args:
        channels: Width of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.reduce = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.reduce.weight)
        nn.init.zeros_(cast(Tensor, self.reduce.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        hidden = F.leaky_relu(self.expand(self.spatial(x)), LEAKY_SLOPE)
        out: Tensor = x + self.reduce(hidden)
        return out


class Bottleneck(nn.Module):
    """Residual block: 1x1 to half the width, dense 3x3, 1x1 back, leaky ReLU between them.

    After ResNet (He et al. 2016, "Deep residual learning for image recognition"). Pictures gain more from its dense
    3x3 than from the width of `Block`, at 3.25 instead of 4 C^2 multiplications. Without biases it is homogeneous:
    f(a x) = a f(x) for a > 0. The last layer starts at zero, so that a new block is the identity.

    Args:
        channels: Width of input and output, even.
        bias: Whether the layers have biases.
    """

    def __init__(self, channels: int, bias: bool = True) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Conv2d(channels, half, 1, bias=bias)
        self.spatial = nn.Conv2d(half, half, 3, padding=1, bias=bias)
        self.expand = nn.Conv2d(half, channels, 1, bias=bias)
        nn.init.zeros_(self.expand.weight)
        if bias:
            nn.init.zeros_(cast(Tensor, self.expand.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        hidden = F.leaky_relu(self.reduce(x), LEAKY_SLOPE)
        out: Tensor = x + self.expand(F.leaky_relu(self.spatial(hidden), LEAKY_SLOPE))
        return out


def use_bfloat16(network: nn.Module) -> None:
    """Compute the residual branches of a network's blocks in bfloat16 from now on.

    The sums they are added to and all other layers stay float32, because latents need more than the 8 bits of a
    bfloat16. Only faster on CPUs that have instructions for it.
    """
    for block in network.modules():
        if isinstance(block, (Block, Bottleneck)):
            compute_in_bfloat16(block)


def compute_in_bfloat16(module: nn.Module) -> None:
    """Compute all layers of a module in bfloat16 from now on; its weights stay float32."""
    module.forward = torch.autocast("cpu", torch.bfloat16)(module.forward)


class Down(nn.Module):
    """Space-to-depth by 2, then 1x1: [B, C, H, W] -> [B, out, H/2, W/2]."""

    def __init__(self, channels: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.project = nn.Conv2d(4 * channels, out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Halve height and width."""
        out: Tensor = self.project(F.pixel_unshuffle(x, 2))
        return out


class Up(nn.Module):
    """1x1, then depth-to-space by 2: [B, C, H, W] -> [B, out, 2H, 2W]."""

    def __init__(self, channels: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, 4 * out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Double height and width."""
        out: Tensor = F.pixel_shuffle(self.project(x), 2)
        return out


class Magnitude(nn.Module):
    """Absolute value."""

    def forward(self, x: Tensor) -> Tensor:
        """Map elementwise."""
        return x.abs()


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,), (grad,) = ctx.saved_tensors, grads
        return grad * ((x >= ctx.bound) | (grad < 0)), None


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """Clamp from below, but let through the gradients that lead back up.

    A plain clamp has no gradient below the bound, so a value that fell there could never return
    (Balle et al. 2018, "Variational image compression with a scale hyperprior").
    """
    out: Tensor = _LowerBound.apply(x, bound)  # type: ignore[no-untyped-call]
    return out


def round_straight_through(x: Tensor) -> Tensor:
    """Round to the nearest integer; the gradient passes as if nothing had happened."""
    return x + (torch.round(x) - x).detach()
