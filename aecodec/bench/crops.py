"""A strip of crops at 100 %: original, JPEG and ours at equal bytes; or noisy and denoised."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aecodec.bench import match, peers
from aecodec.bench.denoise import add_noise
from aecodec.bench.denoisers import Method, noise_level
from aecodec.bench.sources import Pixels
from aecodec.codec import Codec
from aecodec.pixels import psnr

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
_BAR_PX = 20


def compression_strip(codec: Codec, pixels: Pixels, box: Box, jpeg_quality: int) -> bytes:
    """Crop the original, a JPEG, and the largest .aec file found that has no more bytes; return a PNG."""
    (jpeg,), _ = peers.find(["jpeg"], [])
    ours = peers.ours(codec)
    file = jpeg.encode(pixels, jpeg_quality)
    matched = match.search(ours, pixels, len(file), tolerance=0.001).file
    return _strip(
        [
            ("original", pixels),
            (f"JPEG, {len(file):,} bytes", jpeg.decode(file)),
            (f"aecodec, {len(matched):,} bytes", ours.decode(matched)),
        ],
        box,
    )


def denoising_strip(methods: Sequence[Method], pixels: Pixels, box: Box, sigma: float | None) -> bytes:
    """Crop what each denoiser makes of a noisy picture; return a PNG.

    Args:
        methods: The denoisers, in the order of the crops.
        pixels: A noisy picture, or a clean one that gets white noise.
        box: What to show.
        sigma: Of the noise to add; None for a picture that is noisy as it is, whose level is estimated.
    """
    noisy = pixels if sigma is None else add_noise(pixels, sigma)
    columns = []
    for method in methods:
        told = 0.0 if method.blind else noise_level(noisy) if sigma is None else sigma
        result = method.run(noisy, told)
        columns.append((method.label if sigma is None else f"{method.label}, {psnr(result, pixels):.1f} dB", result))
    return _strip(columns, box)


def _strip(columns: list[tuple[str, Pixels]], box: Box) -> bytes:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    strip = Image.new("RGB", (len(columns) * (width + 4) - 4, height + _BAR_PX), "white")
    draw = ImageDraw.Draw(strip)
    for n, (label, pixels) in enumerate(columns):
        crop = np.ascontiguousarray(pixels[top:bottom, left:right])
        strip.paste(Image.fromarray(crop), (n * (width + 4), _BAR_PX))
        draw.text((n * (width + 4) + 4, 3), label, fill="black", font=ImageFont.load_default(13))
    file = io.BytesIO()
    strip.save(file, "PNG", optimize=True)
    return file.getvalue()
