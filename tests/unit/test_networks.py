import pytest
import torch
from torch import nn

from aecodec.networks import (
    GROUPS,
    CodecConfig,
    CodecNetwork,
    DenoiserConfig,
    DenoiserNetwork,
    from_cells,
    groups_of_pass,
    interpolate,
    to_cells,
)
from tests.conftest import TINY_DENOISER, randomise


def kmacs_per_pixel(network: nn.Module, side: int, *inputs: torch.Tensor) -> float:
    """Count multiplications of all convolutions in one call, per pixel of a side x side picture."""
    total = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += output.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return total / side**2 / 1000


def test_the_codec_stays_within_its_budget_of_multiplications() -> None:
    network, side = CodecNetwork(CodecConfig()), 128
    x = torch.rand(1, 3, side, side)
    y = network.g_a(x)
    z = network.h_a(y)
    params = network.h_s(z)
    assert y.shape == (1, 320, 8, 8)
    assert z.shape == (1, 96, 2, 2)
    assert network.g_s(y).shape == x.shape
    assert kmacs_per_pixel(network.g_a, side, x) <= 20
    assert kmacs_per_pixel(network.g_s, side, y) <= 16
    rest = kmacs_per_pixel(network.h_a, side, y) + kmacs_per_pixel(network.h_s, side, z)
    rest += sum(kmacs_per_pixel(p, side, params, y) for p in network.context)
    assert rest <= 8


def test_the_denoiser_stays_within_its_budget_of_multiplications() -> None:
    network, side = DenoiserNetwork(DenoiserConfig()), 128
    x = torch.rand(1, 3, side, side)
    sigma = network.estimator(x)
    assert sigma.shape == (1, 1, side // 2, side // 2)
    both = kmacs_per_pixel(network.estimator, side, x) + kmacs_per_pixel(network.unet, side, x, sigma)
    assert both <= 60


def test_cells_and_back_is_the_identity_and_positions_are_row_major() -> None:
    y = torch.arange(2 * 8 * 4 * 6.0).reshape(2, 8, 4, 6)
    cells = to_cells(y)
    assert torch.equal(from_cells(cells), y)
    assert torch.equal(cells[:, 1, 0, 0], y[:, 0, 0::2, 1::2])
    assert torch.equal(cells[:, 2, 3, 1], y[:, 7, 1::2, 0::2])


def test_the_four_passes_code_every_group_at_every_position_once() -> None:
    coded = {(position, group) for p in range(GROUPS) for position, group in enumerate(groups_of_pass(p))}
    assert len(coded) == 16


def test_gains_are_interpolated_between_anchors_and_hold_at_the_ends() -> None:
    anchors = torch.tensor([[0.0], [1.0], [4.0]])
    values = interpolate(anchors, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert values.flatten().tolist() == [0.0, 0.5, 1.0, 2.5, 4.0]


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_the_unet_is_homogeneous(factor: float) -> None:
    network = DenoiserNetwork(TINY_DENOISER)
    randomise(network)
    x, sigma = torch.randn(1, 3, 32, 48), torch.rand(1, 1, 16, 24)
    clean = network.unet(x, sigma)
    scaled = network.unet(factor * x, factor * sigma)
    torch.testing.assert_close(scaled, factor * clean)
