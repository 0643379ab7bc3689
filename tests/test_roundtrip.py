"""What goes in comes out: any size, any mode, every quality, with alpha and metadata."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aecodec import container, imageio
from aecodec.cli import cli
from aecodec.codec import Codec
from aecodec.denoise import Denoiser
from aecodec.errors import FormatError, ModelError, TargetError
from aecodec.imageio import Picture
from aecodec.networks import DenoiserNetwork
from aecodec.pixels import psnr
from tests.conftest import ROOT, TINY_DENOISER, photo, randomise


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2), (15, 17), (64, 64), (65, 129), (31, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_comes_back_in_its_size(tiny_codec: Codec, size: tuple[int, int], channels: int) -> None:
    picture = photo(*size, channels)
    decoded = tiny_codec.decode(tiny_codec.encode(picture, 60))
    assert decoded.pixels.shape == (*size, channels)
    assert decoded.pixels.dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_stay_16_bits(tiny_codec: Codec, channels: int) -> None:
    picture = photo(40, 50, channels, np.uint16)
    decoded = tiny_codec.decode(tiny_codec.encode(picture, 60))
    assert decoded.pixels.dtype == np.uint16
    assert len(np.unique(decoded.pixels)) > 256  # not 8 bits in a wider coat


def test_alpha_and_metadata_come_back_exactly(tiny_codec: Codec) -> None:
    alpha = np.random.default_rng(0).integers(0, 256, (37, 53), np.uint8)
    picture = dataclasses.replace(photo(37, 53), alpha=alpha, icc=b"icc" * 50, exif=b"MM\0*exif", xmp=b"<x/>")
    decoded = tiny_codec.decode(tiny_codec.encode(picture))
    assert np.array_equal(decoded.alpha, alpha)
    assert (decoded.icc, decoded.exif, decoded.xmp) == (picture.icc, picture.exif, picture.xmp)


def test_a_picture_of_several_tiles_has_no_seams(tiny_codec: Codec) -> None:
    """Each tile is coded for itself, but the pixels are those of one synthesis over the whole latent."""
    picture = photo(1040, 1100)
    data = tiny_codec.encode(picture, 80)
    assert len(container.unpack(data).tiles) == 4
    whole = tiny_codec.decode(data).pixels[1008:1040, 1008:1040].astype(int)
    network = tiny_codec._g_s
    y_hat = tiny_codec._decode_tiles(container.unpack(data))
    untiled = (network(y_hat[None])[0] + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()[1008:1040, 1008:1040]
    assert np.abs(whole - untiled * 255).max() <= 1


def test_quality_is_continuous_and_outside_its_range_refused(tiny_codec: Codec) -> None:
    picture = photo(64, 64)
    files = {tiny_codec.encode(picture, q) for q in (49.99, 50, 50.01)}
    assert len(files) == 3
    for bad in (-0.1, 100.1, float("nan")):
        with pytest.raises(ValueError, match="outside"):
            tiny_codec.encode(picture, bad)


def test_higher_quality_is_larger_and_closer(codec: Codec) -> None:
    """The shipped weights rise steadily in rate and fidelity over the whole range of qualities."""
    picture = photo(192, 256)
    sizes, errors = [], []
    for quality in (0, 20, 40, 60, 80, 100):
        data = codec.encode(picture, quality)
        difference = codec.decode(data).pixels.astype(float) - picture.pixels
        sizes.append(len(data))
        errors.append((difference**2).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_gray_stays_gray_and_is_not_worse_than_colour(codec: Codec) -> None:
    gray = photo(128, 128, 1)
    decoded = codec.decode(codec.encode(gray, 70))
    assert decoded.channels == 1
    assert np.abs(decoded.pixels.astype(float) - gray.pixels).mean() < 4


def test_a_file_of_other_weights_is_named_as_such(tiny_codec: Codec) -> None:
    data = tiny_codec.encode(photo(8, 8))
    other = Codec.__new__(Codec)
    other.__dict__.update(tiny_codec.__dict__, model_id=b"else")
    with pytest.raises(ModelError, match="made with other weights \\(74696e79"):
        other.decode(data)


def test_the_commands_take_weights_of_ones_own(tmp_path: Path) -> None:
    source, coded, decoded = (str(tmp_path / name) for name in ("a.png", "a.aec", "b.png"))
    Path(source).write_bytes(imageio.write(photo(20, 30), "PNG"))
    mine = ["--weights", str(ROOT / "tests" / "vectors" / "v1" / "codec.safetensors")]
    assert CliRunner().invoke(cli, ["encode", source, "-o", coded, *mine]).exit_code == 0
    without = CliRunner().invoke(cli, ["decode", coded, "-o", decoded])
    assert without.exit_code == 1 and "made with other weights" in without.stderr
    assert CliRunner().invoke(cli, ["decode", coded, "-o", decoded, *mine]).exit_code == 0
    expected = Codec.load(weights=Path(mine[1])).decode(Path(coded).read_bytes())
    assert np.array_equal(imageio.read(Path(decoded).read_bytes(), "b").pixels, expected.pixels)
    wrong = CliRunner().invoke(cli, ["denoise", source, *mine])
    assert wrong.exit_code == 1 and "holds no weights of the denoiser" in wrong.stderr


def test_a_payload_that_the_checksum_cannot_catch_is_still_a_format_error(tiny_codec: Codec) -> None:
    """Valid chunks around latents of another picture: too little or too much data, never a crash."""
    big, small = (container.unpack(tiny_codec.encode(photo(n, n), 90)) for n in (128, 16))
    too_much = dataclasses.replace(small, tiles=big.tiles)
    with pytest.raises(FormatError):
        tiny_codec.decode(container.pack(too_much))
    broken = dataclasses.replace(small, tiles=(b"abc",))
    with pytest.raises(FormatError):
        tiny_codec.decode(container.pack(broken))


@pytest.mark.parametrize("size", [(1, 1), (7, 130), (64, 48)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_denoising_keeps_size_depth_alpha_and_metadata(
    tiny_denoiser: Denoiser, size: tuple[int, int], dtype: type
) -> None:
    for channels in (1, 3):
        alpha = np.full(size, 7, np.uint8)
        picture = dataclasses.replace(photo(*size, channels, dtype), alpha=alpha, icc=b"icc")
        clean = tiny_denoiser.denoise(picture)
        assert clean.pixels.shape == picture.pixels.shape
        assert clean.pixels.dtype == dtype
        assert clean.alpha is alpha
        assert clean.icc == b"icc"


def test_strength_0_changes_nothing_and_strengths_lie_in_between(tiny_denoiser: Denoiser) -> None:
    picture = photo(48, 48, dtype=np.uint16)
    none, half, full = (tiny_denoiser.denoise(picture, strength=s).pixels.astype(int) for s in (0, 0.5, 1))
    assert np.array_equal(none, picture.pixels)
    assert not np.array_equal(full, none)
    unclipped = (full > 0) & (full < 65535)
    assert unclipped.any()
    assert np.abs(2 * half - full - none)[unclipped].max() <= 2


def test_a_given_sigma_replaces_the_estimate(tiny_denoiser: Denoiser) -> None:
    picture: Picture = photo(48, 48)
    weak, strong = (tiny_denoiser.denoise(picture, sigma=s).pixels for s in (1, 50))
    assert not np.array_equal(weak, strong)


def test_small_tiles_give_the_same_picture() -> None:
    network = DenoiserNetwork(TINY_DENOISER)
    randomise(network)
    picture = photo(150, 210)
    whole, tiled = (Denoiser(network, tile=side).denoise(picture).pixels.astype(int) for side in (1024, 48))
    assert np.abs(whole - tiled).max() <= 1
    assert np.abs(whole - picture.pixels).mean() > 1
    for side in (0, 100):
        with pytest.raises(ValueError, match="multiple of 16"):
            Denoiser(network, tile=side)


@pytest.mark.parametrize("size", [900, 2200])
def test_a_wanted_size_is_met_from_below(codec: Codec, size: int) -> None:
    picture = photo(160, 200)
    data, quality = codec.encode_to_size(picture, size)
    assert 0.98 * size <= len(data) <= size
    assert data == codec.encode(picture, quality)


def test_a_wanted_fidelity_is_met_from_above(codec: Codec) -> None:
    picture = photo(160, 200)
    data, quality = codec.encode_to_psnr(picture, 33.3)
    assert 33.3 <= psnr(codec.decode(data).pixels, picture.pixels) <= 33.4
    assert data == codec.encode(picture, quality)


def test_targets_out_of_reach_are_errors(codec: Codec) -> None:
    picture = photo(64, 64)
    smallest = len(codec.encode(picture, 0))
    with pytest.raises(TargetError, match=rf"takes {smallest} bytes \([0-9.]+ bpp\) even at quality 0; raise"):
        codec.encode_to_size(picture, 10)
    assert codec.encode_to_size(picture, 10**6) == (codec.encode(picture, 100), 100)
    with pytest.raises(TargetError, match="at quality 100, not 90 dB"):
        codec.encode_to_psnr(picture, 90)
