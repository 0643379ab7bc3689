"""A strip of crops at 100 %: original, JPEG and ours at equal bytes; or noisy and denoised."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aecodec.bench import denoisers, match, peers
from aecodec.bench.denoise import add_noise
from aecodec.bench.sources import Pixels
from aecodec.codec import Codec
from aecodec.errors import AecodecError
from aecodec.pixels import psnr
from aecodec.pretrained import Weights

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


def denoising_strip(weights: Weights, pixels: Pixels, box: Box, sigma: float | None) -> bytes:
    """Crop the noisy picture, what non-local means makes of it, and the blindly denoised one; return a PNG.

    Args:
        weights: Of the denoiser.
        pixels: A noisy picture, or a clean one that gets white noise.
        box: What to show.
        sigma: Of the noise to add; None for a picture that is noisy as it is.

    Raises:
        AecodecError: What non-local means needs is not installed.
    """
    known = sigma is not None
    found, missing = denoisers.find(["nlm"], known=known)
    if missing:
        raise AecodecError(missing[0].replace("left out, ", ""))
    noisy = add_noise(pixels, sigma) if sigma is not None else pixels
    told = sigma if sigma is not None else denoisers.noise_level(noisy)
    ours = next(method for method in denoisers.ours(weights, known) if method.name == denoisers.BLIND)
    columns = [("noisy", noisy), ("non-local means", found[0].run(noisy, told)), ("aecodec", ours.run(noisy, told))]
    if known:
        columns = [(f"{label}, {psnr(result, pixels):.1f} dB", result) for label, result in columns]
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
