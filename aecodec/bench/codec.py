"""Rate and distortion on a folder of pictures, with real files, beside Pillow's JPEG and WebP."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from aecodec import imageio
from aecodec.bench.metrics import psnr
from aecodec.codec import Codec
from aecodec.imageio import Picture

JPEG_QUALITIES = tuple(range(5, 96, 5))
WEBP_QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
QUALITIES = tuple(range(0, 101, 10))  # of aecodec

Encode = Callable[[Picture, float], bytes]
Decode = Callable[[bytes], Picture]


@dataclass(frozen=True)
class Row:
    """Means over the pictures: `bpp` is 8 x file bytes / pixels; seconds are per megapixel."""

    codec: str
    quality: float
    bpp: float
    psnr_db: float
    encode_seconds: float
    decode_seconds: float


def measure(folder: Path, qualities: Sequence[float] = QUALITIES) -> list[Row]:
    """Measure the shipped codec, JPEG and WebP on all pictures of a folder, as 8-bit RGB."""
    names = sorted(path for path in folder.rglob("*") if imageio.accepts(path))
    pictures = [_rgb(imageio.read(path.read_bytes(), str(path))) for path in names]
    codec = Codec.load()
    codec.decode(codec.encode(pictures[0]))  # the first call of a network is slower
    contestants: list[tuple[str, Encode, Decode, Sequence[float]]] = [
        ("aecodec", codec.encode, codec.decode, qualities),
        ("jpeg", _jpeg, _read, JPEG_QUALITIES),
        ("webp", _webp, _read, WEBP_QUALITIES),
    ]
    work = [(name, encode, decode, q) for name, encode, decode, qs in contestants for q in qs]
    return [_row(name, encode, decode, q, pictures) for name, encode, decode, q in tqdm(work, disable=None)]


def _row(name: str, encode: Encode, decode: Decode, quality: float, pictures: Sequence[Picture]) -> Row:
    figures = []
    for picture in pictures:
        pixels = picture.height * picture.width
        started = time.perf_counter()
        data = encode(picture, quality)
        encoded = time.perf_counter()
        decoded = decode(data)
        finished = time.perf_counter()
        times = np.array([encoded - started, finished - encoded]) / (pixels / 1e6)
        figures.append((8 * len(data) / pixels, psnr(decoded.pixels, picture.pixels), *times))
    return Row(name, quality, *np.mean(figures, axis=0).tolist())


def _rgb(picture: Picture) -> Picture:
    pixels = picture.pixels // 257 if picture.bit_depth == 16 else picture.pixels
    rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return Picture(np.ascontiguousarray(rgb, np.uint8))


def _jpeg(picture: Picture, quality: float) -> bytes:
    return _saved(picture, "JPEG", quality=int(quality), optimize=True, progressive=True)


def _webp(picture: Picture, quality: float) -> bytes:
    return _saved(picture, "WEBP", quality=int(quality), method=6)


def _saved(picture: Picture, format: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, format, **options)
    return file.getvalue()


def _read(data: bytes) -> Picture:
    return imageio.read(data, "coded picture")
