import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec.bench import match, pca, peers
from aecodec.bench.sources import find as find_sources
from aecodec.codec import Codec
from aecodec.pixels import psnr
from tests.conftest import photo


def pillow_peers() -> list[peers.Peer]:
    found, missing = peers.find([name for name in peers.NAMES if name not in ("jxl", "pca")], [])
    assert missing == []
    return found


def test_jpeg_and_webp_are_what_pillow_makes_of_the_stated_settings() -> None:
    pixels = photo(48, 64).pixels
    made = {peer.name: peer for peer in pillow_peers()}
    expected = {
        "jpeg": {"format": "JPEG", "quality": 30, "optimize": True, "progressive": True},
        "webp": {"format": "WEBP", "quality": 30, "method": 6},
    }
    for name, options in expected.items():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, **options)
        assert made[name].encode(pixels, 30.0) == file.getvalue()


@pytest.mark.parametrize("peer", pillow_peers(), ids=lambda peer: peer.name)
def test_a_peer_s_files_grow_with_quality_and_come_back(peer: peers.Peer) -> None:
    pixels = photo(72, 88).pixels
    files = [peer.encode(pixels, quality) for quality in (0.0, 30.0, 60.0, 100.0)]
    assert sorted(map(len, files)) == list(map(len, files))
    assert len(files[0]) < len(files[-1])
    decoded = [peer.decode(file) for file in files]
    assert {d.shape for d in decoded} == {pixels.shape}
    assert psnr(decoded[-1], pixels) > max(33, psnr(decoded[0], pixels))


@pytest.mark.parametrize("peer", pillow_peers(), ids=lambda peer: peer.name)
def test_a_peer_takes_a_single_pixel(peer: peers.Peer) -> None:
    assert peer.decode(peer.encode(np.full((1, 1, 3), 90, np.uint8), 50.0)).shape == (1, 1, 3)


def test_a_peer_that_is_not_installed_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    found, missing = peers.find(["jpeg", "jxl"], [])
    assert [peer.name for peer in found] == ["jpeg"]
    assert missing == ["jxl: left out, not installed; pip install pillow-jxl-plugin"]


def test_the_linear_codec_decodes_to_within_its_step() -> None:
    pictures = [photo(33, 50, seed=seed).pixels for seed in range(2)]
    codec = pca.LinearCodec(pca.fit(pictures))
    coarse, fine = (codec.encode(pictures[0], quality) for quality in (20.0, 100.0))
    assert len(coarse) < len(fine) < pictures[0].size
    assert codec.decode(fine).shape == (33, 50, 3)
    # Rounding with a step of 2 ** 2.5 leaves an error of at most step ** 2 / 12, and rounding to pixels 1 / 12.
    assert psnr(codec.decode(fine), pictures[0]) > 10 * np.log10(255**2 / (32 / 12 + 1 / 12))
    assert psnr(codec.decode(coarse), pictures[0]) < psnr(codec.decode(fine), pictures[0])


def test_components_are_orthonormal_and_in_order_of_their_variance() -> None:
    pictures = [photo(64, 64, seed=seed).pixels for seed in range(3)]
    basis = pca.fit(pictures, block=4)
    assert np.allclose(basis.components.T @ basis.components, np.eye(48), atol=1e-9)
    latent = (np.concatenate([pca._blocks(p, 4) for p in pictures]) - basis.mean) @ basis.components
    assert np.allclose(latent.mean(0), 0, atol=1e-6)
    variances = latent.var(0)
    assert (np.diff(variances) <= 1e-6 * variances[0]).all()


def test_another_set_of_pictures_is_another_version_of_the_linear_codec(tmp_path: Path) -> None:
    versions = set()
    for seed in range(2):
        Image.fromarray(photo(20, 20, seed=seed).pixels).save(tmp_path / f"{seed}.png")
        sources, _ = find_sources(tmp_path, tmp_path / "out")
        ((linear,), _) = peers.find(["pca"], sources)
        versions.add(linear.version)
    assert len(versions) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_the_search_finds_the_largest_file_within_the_size(whole: bool) -> None:
    def encode(pixels: np.ndarray, quality: float) -> bytes:
        return bytes(round(100 * 2 ** (quality / 15)))  # a whole step is 4.7 %

    peer = peers.Peer("p", "P", "1", "", (), encode, lambda data: np.zeros((1, 1, 3), np.uint8), whole)
    pixels = np.zeros((1, 1, 3), np.uint8)
    for target in (101, 150, 500.5, 2000, 9000):
        found = match.search(peer, pixels, target)
        assert len(found.file) <= target
        assert found.file == encode(pixels, found.quality)
        assert len(found.file) >= (1 - (0.047 if whole else match.TOLERANCE)) * target - 1
    assert match.search(peer, pixels, 50).quality == 0  # nothing fits: the smallest there is
    assert match.search(peer, pixels, 1e9).quality == 100


def test_ours_is_found_to_2_percent(tiny_codec: Codec) -> None:
    pixels = photo(96, 96).pixels
    ours = peers.ours(tiny_codec)
    low, high = (len(ours.encode(pixels, quality)) for quality in (0, 100))
    target = (low + high) / 2
    found = match.search(ours, pixels, target)
    assert (1 - match.TOLERANCE) * target <= len(found.file) <= target
    assert found.tries <= 14
