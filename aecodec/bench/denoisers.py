"""The denoisers that are compared: one record each, all from 8-bit pixels to 8-bit pixels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from aecodec.bench.sources import Pixels, code_version
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture
from aecodec.networks import DenoiserNetwork
from aecodec.pretrained import Weights

NAMES = ("nlm", "bm3d", "wavelet", "tv")
# BM3D takes minutes a megapixel: it is no part of a run unless asked for.
DEFAULT = tuple(name for name in NAMES if name != "bm3d")
BLIND = "aecodec"
MIN_SIGMA = 0.1  # told to peers that divide by it


@dataclass(frozen=True)
class Method:
    """A denoiser.

    Attributes:
        name: What `--peers` calls it.
        label: What people call it.
        version: Of the library or the weights: another version is measured anew.
        settings: All that the figures depend on besides sigma, in words.
        run: From noisy pixels and sigma on the 0-255 scale to clean pixels.
        blind: Sigma is not looked at.
    """

    name: str
    label: str
    version: str
    settings: str
    run: Callable[[Pixels, float], Pixels]
    blind: bool = False


def ours(weights: Weights, known: bool) -> list[Method]:
    """Return the input itself, our denoiser blind, and, where the noise is known, our denoiser with sigma given."""
    denoiser = Denoiser(cast(DenoiserNetwork, weights.network))
    version = f"{weights.model_id.hex()}-{code_version()}"

    def denoise(pixels: Pixels, sigma: float | None) -> Pixels:
        return np.asarray(denoiser.denoise(Picture(pixels), sigma=sigma).pixels, np.uint8)

    methods = [
        Method("noisy", "noisy input", "", "", lambda pixels, _: pixels, blind=True),
        Method(BLIND, "aecodec, blind", version, "noise level estimated", lambda p, _: denoise(p, None), blind=True),
    ]
    return [*methods, Method("aecodec-sigma", "aecodec, sigma given", version, "", denoise)] if known else methods


def find(names: Sequence[str], known: bool) -> tuple[list[Method], list[str]]:
    """Return the peers of these names, and a line for each one that is not installed, with the remedy.

    Args:
        names: Of NAMES.
        known: Whether the level of the noise is; else they need `noise_level`.
    """
    makers = {"nlm": _nlm, "bm3d": _bm3d, "wavelet": _wavelet, "tv": _tv}
    found, missing = [], []
    for name in names:
        try:
            if not known:
                _wavelets()
            found.append(makers[name]())
        except ImportError as error:
            missing.append(f"{name}: left out, {error}")
    return found, missing


def noise_level(noisy: Pixels) -> float:
    """Estimate sigma for peers that have to be told it, by the median of wavelet details (scikit-image).

    Raises:
        ImportError: scikit-image or PyWavelets is not installed.
    """
    return float(_wavelets().estimate_sigma(noisy.astype(np.float64), channel_axis=-1, average_sigmas=True))


def _wavelets() -> Any:
    """Return the module of scikit-image that has wavelets, where it can use them."""
    _module("pywt", "PyWavelets")
    return _module("skimage.restoration", "scikit-image")


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"not installed; pip install {package}") from error


def _rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    """[0, 1] -> 8 bits."""
    return np.asarray((values.clip(0, 1) * 255).round(), np.uint8)


# The factors below are the best of four or five at sigma 15, 25 and 50 on three detailed crops.


def _nlm() -> Method:
    cv2 = _module("cv2", "opencv-python-headless")

    def run(noisy: Pixels, sigma: float) -> Pixels:
        strength = 0.6 * sigma
        return np.asarray(cv2.fastNlMeansDenoisingColored(noisy, None, strength, strength, 7, 21), np.uint8)

    settings = "OpenCV, h = 0.6 sigma, windows of 7 and 21, sigma given"
    return Method("nlm", "non-local means", str(cv2.__version__), settings, run)


def _bm3d() -> Method:
    bm3d = _module("bm3d", "bm3d")

    def run(noisy: Pixels, sigma: float) -> Pixels:
        with np.errstate(divide="ignore", invalid="ignore"):  # what it warns of on a gray picture
            return _rounded(bm3d.bm3d_rgb(noisy / 255, max(sigma, MIN_SIGMA) / 255))

    return Method("bm3d", "BM3D", metadata.version("bm3d"), "bm3d_rgb, sigma given", run)


def _wavelet() -> Method:
    restoration = _wavelets()

    def run(noisy: Pixels, sigma: float) -> Pixels:
        options = {"method": "BayesShrink", "convert2ycbcr": True, "rescale_sigma": True, "channel_axis": -1}
        return _rounded(restoration.denoise_wavelet(noisy / 255, sigma=max(sigma, MIN_SIGMA) / 255, **options))

    settings = "scikit-image, BayesShrink in YCbCr, sigma given"
    return Method("wavelet", "wavelets", metadata.version("scikit-image"), settings, run)


def _tv() -> Method:
    restoration = _module("skimage.restoration", "scikit-image")

    def run(noisy: Pixels, sigma: float) -> Pixels:
        weight = 0.7 * max(sigma, MIN_SIGMA) / 255
        return _rounded(restoration.denoise_tv_chambolle(noisy / 255, weight=weight, channel_axis=-1))

    settings = "scikit-image, Chambolle, weight 0.7 sigma, sigma given"
    return Method("tv", "total variation", metadata.version("scikit-image"), settings, run)
