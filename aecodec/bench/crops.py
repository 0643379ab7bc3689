"""A strip of crops at 100 %: original, JPEG and ours at equal bytes; or noisy and denoised."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aecodec import imageio
from aecodec.codec import Codec
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
_BAR_PX = 20


def compression_strip(codec: Codec, picture: Picture, box: Box, jpeg_quality: int) -> Image.Image:
    """Crop the original, a JPEG, and the largest .aec file that has no more bytes than the JPEG."""
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, "JPEG", quality=jpeg_quality, optimize=True, progressive=True)
    jpeg = file.getvalue()
    low, high = 0.0, 100.0
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (middle, high) if len(codec.encode(picture, middle)) <= len(jpeg) else (low, middle)
    data = codec.encode(picture, low)
    return _strip(
        [
            ("original", picture),
            (f"JPEG, {len(jpeg):,} bytes", imageio.read(jpeg, "jpeg")),
            (f"aecodec, {len(data):,} bytes", codec.decode(data)),
        ],
        box,
    )


def denoising_strip(denoiser: Denoiser, noisy: Picture, box: Box) -> Image.Image:
    """Crop the noisy picture and the blindly denoised one."""
    return _strip([("noisy", noisy), ("aecodec denoise", denoiser.denoise(noisy))], box)


def _strip(columns: list[tuple[str, Picture]], box: Box) -> Image.Image:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    strip = Image.new("RGB", (len(columns) * (width + 4) - 4, height + _BAR_PX), "white")
    draw = ImageDraw.Draw(strip)
    for n, (label, picture) in enumerate(columns):
        crop = np.broadcast_to(picture.pixels[top:bottom, left:right], (height, width, 3))
        strip.paste(Image.fromarray(np.ascontiguousarray(crop)), (n * (width + 4), _BAR_PX))
        draw.text((n * (width + 4) + 4, 3), label, fill="black", font=ImageFont.load_default(13))
    return strip
