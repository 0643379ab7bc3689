"""The shipped weights reach on the samples what weights/results.tsv says of them."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from aecodec import imageio, pretrained
from aecodec.codec import Codec
from aecodec.denoise import Denoiser
from aecodec.imageio import Picture
from aecodec.pixels import psnr
from tests.conftest import ROOT, SAMPLES

PHOTOS = [imageio.read(path.read_bytes(), path.name) for path in sorted(SAMPLES.glob("*.jpg"))]


def published(kind: str) -> dict[str, str]:
    """The row of the shipped weights."""
    model_id = pretrained.load(kind).model_id.hex()
    with (ROOT / "weights" / "results.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["sha256"].startswith(model_id)]
    assert len(rows) == 1, f"weights/results.tsv lacks the shipped {kind} weights"
    return rows[0]


def test_rate_and_distortion_at_the_default_quality(codec: Codec) -> None:
    row = published("codec")
    files = [codec.encode(photo) for photo in PHOTOS]
    bpp = np.mean([8 * len(f) / (p.height * p.width) for f, p in zip(files, PHOTOS, strict=True)])
    decibels = np.mean([psnr(codec.decode(f).pixels, p.pixels) for f, p in zip(files, PHOTOS, strict=True)])
    assert bpp == pytest.approx(float(row["samples_bpp"]), rel=0.01)
    assert decibels == pytest.approx(float(row["samples_psnr_db"]), abs=0.05)


def test_files_are_smaller_than_jpeg_of_the_same_fidelity(codec: Codec) -> None:
    for photo in PHOTOS:
        data = codec.encode(photo)
        ours = psnr(codec.decode(data).pixels, photo.pixels)
        for quality in range(5, 100, 5):
            file = io.BytesIO()
            Image.fromarray(photo.pixels).save(file, "JPEG", quality=quality, optimize=True, progressive=True)
            if psnr(imageio.read(file.getvalue(), "jpeg").pixels, photo.pixels) >= ours:
                break
        assert len(data) < 0.9 * len(file.getvalue())


def test_blind_denoising_of_white_noise(denoiser: Denoiser) -> None:
    row = published("denoiser")
    noise = np.random.default_rng(0)
    decibels = []
    for photo in PHOTOS:
        noisy = (photo.pixels + noise.normal(0, 25, photo.pixels.shape)).round().clip(0, 255).astype(np.uint8)
        decibels.append(psnr(denoiser.denoise(Picture(noisy)).pixels, photo.pixels))
    assert np.mean(decibels) == pytest.approx(float(row["samples_sigma25_psnr_db"]), abs=0.1)


def test_the_noise_estimate_tells_clean_from_noisy(denoiser: Denoiser) -> None:
    flat = np.full((96, 128, 3), 120, np.uint8)
    for sigma in (10, 25, 50):
        noisy = (flat + np.random.default_rng(0).normal(0, sigma, flat.shape)).round().clip(0, 255).astype(np.uint8)
        assert denoiser.estimate(Picture(noisy)) == pytest.approx(sigma, rel=0.15)
    assert denoiser.estimate(Picture(flat)) < 2


@pytest.mark.parametrize("shape", [(64, 64, 3), (65, 81, 3), (17, 33, 3)])
def test_the_noise_estimate_does_not_depend_on_the_sides(denoiser: Denoiser, shape: tuple[int, int, int]) -> None:
    """Sides that are no multiples of 16 are filled up, with as much noise as there is."""
    noise = np.random.default_rng(0).normal(0, 25, shape)
    noisy = Picture((120 + noise).round().clip(0, 255).astype(np.uint8))
    assert denoiser.estimate(noisy) == pytest.approx(noise.std(), rel=0.05)


def test_the_noisy_sample_becomes_much_smoother(denoiser: Denoiser) -> None:
    noisy = imageio.read((SAMPLES / "receipt_noisy.png").read_bytes(), "receipt_noisy.png")
    clean = denoiser.denoise(noisy)

    def roughness(picture: Picture) -> float:
        """Mean step between neighbours in the dark, flat corner."""
        return float(np.abs(np.diff(picture.pixels[:80, :180].astype(float), axis=1)).mean())

    assert roughness(clean) < 0.25 * roughness(noisy)
