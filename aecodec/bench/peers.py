"""The codecs that are compared: one record each, with real files in memory."""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, features

from aecodec.bench import pca
from aecodec.bench.sources import Pixels, Source, code_version, read
from aecodec.imageio import Picture

if TYPE_CHECKING:
    from aecodec.codec import Codec  # not torch for those that need none: it would count as their memory

NAMES = ("jpeg", "jpeg444", "webp", "avif", "jxl", "jpeg2000", "pca")
ANCHOR = "jpeg"
OURS = "aecodec"

_TENS = tuple(float(q) for q in range(10, 91, 10))


@dataclass(frozen=True)
class Peer:
    """A codec with one knob.

    Attributes:
        name: What `--peers` calls it.
        label: What people call it.
        version: Of the library or the weights: another version is measured anew.
        settings: All that the figures depend on besides the quality, in words.
        qualities: Measured by default. All scales go from 0 (smallest) to 100 (best).
        encode: From pixels and quality to the bytes of a file.
        decode: From these bytes to pixels.
        whole: Only whole numbers make a difference to the quality.
    """

    name: str
    label: str
    version: str
    settings: str
    qualities: tuple[float, ...]
    encode: Callable[[Pixels, float], bytes]
    decode: Callable[[bytes], Pixels]
    whole: bool = False


def ours(codec: Codec, effort: int | None = None) -> Peer:
    """Return the record of our codec, at its default effort or at another."""
    encode = codec.encode if effort is None else partial(codec.encode, effort=effort)
    return Peer(
        name=OURS if effort is None else f"{OURS}-effort-{effort}",
        label="aecodec" if effort is None else f"aecodec, effort {effort}",
        version=f"{codec.model_id.hex()}-{code_version()}",
        settings="",
        qualities=tuple(float(q) for q in range(0, 101, 10)),
        encode=lambda pixels, quality: encode(Picture(pixels), quality),
        decode=lambda data: np.asarray(codec.decode(data).pixels, np.uint8),
    )


def find(names: Sequence[str], sources: Sequence[Source]) -> tuple[list[Peer], list[str]]:
    """Return the peers of these names, and a line for each one that is not installed, with the remedy.

    Args:
        names: Of NAMES.
        sources: What the basis of the linear codec is fitted to.
    """
    makers: dict[str, Callable[[], Peer]] = {
        "jpeg": lambda: _jpeg("jpeg", "JPEG", {}, tuple(float(q) for q in range(5, 96, 5))),
        "jpeg444": lambda: _jpeg("jpeg444", "JPEG 4:4:4", {"subsampling": "4:4:4"}, _TENS),
        "webp": _webp,
        "avif": _avif,
        "jxl": _jxl,
        "jpeg2000": _jpeg2000,
        "pca": lambda: _pca(sources),
    }
    found, missing = [], []
    for name in names:
        try:
            found.append(makers[name]())
        except ImportError as error:
            missing.append(f"{name}: left out, {error}")
    return found, missing


def _jpeg(name: str, label: str, options: dict[str, Any], qualities: tuple[float, ...]) -> Peer:
    def encode(pixels: Pixels, quality: float) -> bytes:
        # Pillow takes 0 for its default of 75.
        return _save(pixels, "JPEG", quality=max(1, round(quality)), optimize=True, progressive=True, **options)

    settings = f"Pillow, optimize, progressive, {options.get('subsampling', '4:2:0')}"
    return Peer(name, label, _version("jpg"), settings, qualities, encode, _open, whole=True)


def _webp() -> Peer:
    def encode(pixels: Pixels, quality: float) -> bytes:
        return _save(pixels, "WEBP", quality=quality, method=6)

    qualities = (1.0, *_TENS, 95.0)
    return Peer("webp", "WebP", _version("webp"), "Pillow, method 6, 4:2:0", qualities, encode, _open)


def _avif() -> Peer:
    def encode(pixels: Pixels, quality: float) -> bytes:
        return _save(pixels, "AVIF", quality=round(quality), speed=6)

    settings = "Pillow, speed 6 (its default), 4:2:0"
    return Peer("avif", "AVIF", _version("avif"), settings, _TENS, encode, _open, whole=True)


def _jxl() -> Peer:
    try:
        importlib.import_module("pillow_jxl")  # registers itself with Pillow
    except ImportError as error:
        raise ImportError("not installed; pip install pillow-jxl-plugin") from error

    def encode(pixels: Pixels, quality: float) -> bytes:
        # 100 means lossless there.
        return _save(pixels, "JXL", quality=min(quality, 99.0), effort=7)

    settings = "pillow-jxl-plugin, effort 7 (its default)"
    return Peer("jxl", "JPEG XL", metadata.version("pillow-jxl-plugin"), settings, _TENS, encode, _open)


def _jpeg2000() -> Peer:
    def encode(pixels: Pixels, quality: float) -> bytes:
        ratio = 24 / (0.05 * 2 ** (0.065 * quality))
        options = {"quality_mode": "rates", "quality_layers": [ratio], "irreversible": True, "mct": 1, "no_jp2": True}
        return _save(pixels, "JPEG2000", **options)

    settings = "Pillow, colour transform on, irreversible, quality 0 to 100 aims at 0.05 to 4.5 bits per pixel"
    return Peer("jpeg2000", "JPEG 2000", _version("jpg_2000"), settings, _TENS, encode, _open)


def _pca(sources: Sequence[Source]) -> Peer:
    @functools.cache
    def codec() -> pca.LinearCodec:
        return pca.LinearCodec(pca.fit(read(source.path) for source in sources))

    digests = "".join(sorted(source.digest for source in sources))
    return Peer(
        name="pca",
        label="PCA (linear)",
        version=hashlib.sha256(digests.encode()).hexdigest()[:8],
        settings=f"{pca.BLOCK_PX} x {pca.BLOCK_PX} blocks, basis fitted to these very pictures and not counted, "
        "which flatters it on a few",
        qualities=(0.0, *_TENS, 100.0),
        encode=lambda pixels, quality: codec().encode(pixels, quality),
        decode=lambda data: codec().decode(data),
    )


def _version(feature: str) -> str:
    if not features.check(feature):
        raise ImportError("this Pillow was built without it; pip install --upgrade pillow")
    return str(features.version(feature))


def _save(pixels: Pixels, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def _open(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
