import pytest
import torch

from aecodec import tiling
from aecodec.codec import ANALYSIS_HALO_PX, SYNTHESIS_HALO
from aecodec.denoise import HALO_PX
from aecodec.networks import CodecConfig, CodecNetwork, DenoiserConfig, DenoiserNetwork
from tests.conftest import randomise


def test_tiles_cover_a_plane_once_and_stay_inside() -> None:
    plane = torch.zeros(70, 45)
    for tile in tiling.tiles(70, 45, 32, 8):
        plane[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert 0 <= tile.halo_top <= tile.top < tile.bottom <= tile.halo_bottom <= 70
        assert 0 <= tile.halo_left <= tile.left < tile.right <= tile.halo_right <= 45
    assert torch.equal(plane, torch.ones(70, 45))


def test_padding_repeats_the_border() -> None:
    x = torch.arange(6.0).reshape(1, 2, 3)
    padded = tiling.pad_to_multiple(x, 4)
    assert padded.shape == (1, 4, 4)
    assert padded[0, 3].tolist() == [3.0, 4.0, 5.0, 5.0]


def test_mirroring_turns_back_at_the_border() -> None:
    x = torch.arange(6.0).reshape(1, 2, 3)
    mirrored = tiling.mirror_to_multiple(x, 4)
    assert mirrored.shape == (1, 4, 4)
    assert mirrored[0, 0].tolist() == [0.0, 1.0, 2.0, 1.0]
    assert mirrored[0, :, 0].tolist() == [0.0, 3.0, 0.0, 3.0]
    assert tiling.mirror_to_multiple(torch.ones(1, 1, 1), 16).tolist() == torch.ones(1, 16, 16).tolist()
    assert tiling.mirror_to_multiple(mirrored, 4) is mirrored


def tiled(network: torch.nn.Module, x: torch.Tensor, side: int, halo: int, num: int, den: int) -> torch.Tensor:
    height, width = x.shape[1] * num // den, x.shape[2] * num // den
    whole = None
    for tile in tiling.tiles(x.shape[1], x.shape[2], side, halo):
        part = tiling.without_halo(network(tiling.with_halo(x, tile)[None])[0], tile, num, den)
        whole = torch.empty(part.shape[0], height, width) if whole is None else whole
        top, left = tile.top * num // den, tile.left * num // den
        whole[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    assert whole is not None
    return whole


@pytest.mark.parametrize("name", ["g_a", "g_s", "unet", "estimator"])
def test_the_halo_covers_the_receptive_field_so_tiles_leave_no_seams(name: str) -> None:
    """The full depth of each network at a small width, in tiles, equals the network on the whole plane."""
    torch.manual_seed(0)
    small = CodecNetwork(CodecConfig(stem=8, middle=8, deep=8, latent=8, hyper=4, context=8))
    denoiser = DenoiserNetwork(DenoiserConfig(widths=(8, 8, 8, 8), blocks=DenoiserConfig().blocks, estimator=4))
    randomise(small, std=0.2)
    randomise(denoiser, std=0.2)

    def with_flat_map(x: torch.Tensor) -> torch.Tensor:
        return denoiser.unet(x, torch.full((1, 1, x.shape[2] // 2, x.shape[3] // 2), 0.1))

    network, channels, side, halo, num, den = {
        "g_a": (small.g_a, 3, 64, ANALYSIS_HALO_PX, 1, 16),
        "g_s": (small.g_s, 8, 4, SYNTHESIS_HALO, 16, 1),
        "unet": (with_flat_map, 3, 64, HALO_PX, 1, 1),
        "estimator": (denoiser.estimator, 3, 64, HALO_PX, 1, 2),
    }[name]
    size = (24, 20) if name == "g_s" else (512, 576)
    x = torch.randn(channels, *size)
    with torch.inference_mode():
        whole = network(x[None])[0]
        error = (tiled(network, x, side, halo, num, den) - whole).abs().max()
    assert error < 1e-4 * whole.std()
