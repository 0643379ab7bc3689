import pytest
import torch
from torch import Tensor

from aecodec.denoise import Denoiser, _fit_level
from aecodec.networks import DenoiserNetwork


def ramp(height: int, width: int) -> Tensor:
    """A picture [3, height, width] that brightens from left to right."""
    return torch.linspace(0, 1, width).expand(3, height, width).contiguous()


def half(x: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(x[:1], 2)


def test_noise_that_follows_brightness_is_fitted_as_it_is() -> None:
    x = ramp(64, 256)
    level = 0.02 + 0.1 * half(x) * (1 - half(x))
    assert _fit_level(level, x) == pytest.approx(level, abs=0.002)


def test_what_is_mistaken_here_and_there_evens_out() -> None:
    x = ramp(128, 256)
    mistakes = 0.01 * torch.randn(1, 64, 128, generator=torch.Generator().manual_seed(0))
    assert (_fit_level(0.05 + mistakes, x) - 0.05).abs().mean() < 0.1 * mistakes.abs().mean()


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_a_picture_of_one_shade_keeps_its_level(shade: float) -> None:
    x, level = torch.full((3, 16, 16), shade), torch.full((1, 8, 8), 0.1)
    assert _fit_level(level, x) == pytest.approx(level, rel=0.01)


def test_no_level_is_below_zero() -> None:
    x = ramp(64, 256)
    level = (half(x) > 0.9).float()
    assert _fit_level(level, x).min() >= 0


def test_half_of_the_map_is_local_and_half_its_fit() -> None:
    network, x = DenoiserNetwork(), torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        local = network.estimator(x[None] - 0.5)[0]
        found = Denoiser(network)._noise_map(x)
    assert found == pytest.approx((local + _fit_level(local, x)) / 2, abs=1e-5)
