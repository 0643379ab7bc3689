"""Networks that many tests share: tiny ones with random weights (milliseconds) and the shipped ones (once a run)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aecodec import tables
from aecodec.codec import Codec
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture
from aecodec.networks import CodecConfig, CodecNetwork, DenoiserConfig, DenoiserNetwork

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
TINY_CODEC = CodecConfig(stem=16, middle=24, deep=32, latent=32, hyper=8, context=16, context_blocks=1, anchors=3)
TINY_DENOISER = DenoiserConfig(widths=(8, 12, 16, 20), blocks=1, estimator=4)


def randomise(network: torch.nn.Module, seed: int = 0, std: float = 0.1) -> None:
    """Give every layer random weights, those that start at zero too."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += std * torch.randn(parameter.shape, generator=generator)
        parameter.requires_grad_(False)
    network.eval()


@pytest.fixture(scope="session")
def tiny_network() -> CodecNetwork:
    """A codec of 25,000 random weights."""
    torch.manual_seed(0)
    network = CodecNetwork(TINY_CODEC)
    randomise(network)
    return network


@pytest.fixture(scope="session")
def tiny_codec(tiny_network: CodecNetwork) -> Codec:
    """The tiny codec, ready to encode."""
    return Codec(tiny_network, tables.build(), b"tiny")


@pytest.fixture(scope="session")
def tiny_denoiser() -> Denoiser:
    """A denoiser with random weights."""
    torch.manual_seed(0)
    network = DenoiserNetwork(TINY_DENOISER)
    randomise(network)
    return Denoiser(network)


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The shipped codec."""
    return Codec.load()


@pytest.fixture(scope="session")
def denoiser() -> Denoiser:
    """The shipped denoiser."""
    return Denoiser.load()


def photo(height: int, width: int, channels: int = 3, dtype: type = np.uint8, seed: int = 0) -> Picture:
    """A picture with smooth areas, edges and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.sin(x / 9 + c) + np.cos(y / 7 - c) + (x > y) * 0.8 for c in range(channels)]
    values = np.stack(planes, -1) / 6 + 0.4 + rng.normal(0, 0.01, (height, width, channels))
    top = np.iinfo(dtype).max
    return Picture((values.clip(0, 1) * top).round().astype(dtype))
