import numpy as np
import pytest

from aecodec.bench import metrics
from aecodec.bench.metrics import bd_rate
from aecodec.pixels import psnr
from tests.conftest import photo

ANCHOR = [(0.2, 28.0), (0.4, 31.0), (0.8, 34.0), (1.6, 37.0)]


def test_psnr_of_known_differences() -> None:
    a = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(a, a + 1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(a + 1, a) == psnr(a, a + 1)  # no wrap-around of unsigned bytes


def test_bd_rate_of_a_curve_with_half_the_rate_is_minus_50() -> None:
    assert bd_rate(ANCHOR, [(r / 2, d) for r, d in ANCHOR], 29, 36) == pytest.approx(-50)
    assert bd_rate(ANCHOR, ANCHOR[::-1], 0, 100) == pytest.approx(0)
    with pytest.raises(ValueError, match="no range"):
        bd_rate(ANCHOR, [(0.1, 10.0), (0.2, 20.0)], 0, 100)


def test_bd_rate_takes_the_cheaper_of_two_points_of_one_quality() -> None:
    assert bd_rate(ANCHOR, [*ANCHOR, (0.9, 34.0)], 0, 100) == pytest.approx(0)
    with pytest.raises(ValueError, match="no range"):
        bd_rate(ANCHOR, [(0.1, 30.0), (0.2, 30.0)], 0, 100)


def test_perceptual_metrics_are_best_for_equal_pictures_and_fall_with_noise() -> None:
    clean = photo(176, 192).pixels
    worse = [
        (clean + np.random.default_rng(0).normal(0, s, clean.shape)).clip(0, 255).astype(np.uint8) for s in (5, 20)
    ]
    for measure, best in ((metrics.ms_ssim, 1), (metrics.ssim, 1), (metrics.ssimulacra2, 100)):
        values = [measure(clean, other) for other in (clean, *worse)]
        assert values[0] == pytest.approx(best, abs=1e-6)
        assert values[0] > values[1] > values[2]


def test_a_picture_too_small_for_a_metric_has_none() -> None:
    def of(side: int) -> list[bool]:
        a = photo(side, 300).pixels
        return [measure(a, a) is not None for measure in (metrics.ms_ssim, metrics.ssim, metrics.ssimulacra2)]

    assert of(161) == [True, True, True]
    assert of(160) == [False, True, True]
    assert of(10) == [False, False, True]
    assert of(7) == [False, False, False]


def test_decibels_of_a_similarity() -> None:
    assert metrics.decibels(0.99) == pytest.approx(20)
    assert metrics.decibels(1.0) == pytest.approx(100)
