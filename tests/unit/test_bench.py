from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from aecodec.bench.__main__ import bench
from aecodec.bench.metrics import bd_rate, psnr
from tests.conftest import photo


def test_psnr_of_known_differences() -> None:
    a = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(a, a + 1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(a + 1, a) == psnr(a, a + 1)  # no wrap-around of unsigned bytes


def test_bd_rate_of_a_curve_with_half_the_rate_is_minus_50() -> None:
    anchor = [(0.2, 28.0), (0.4, 31.0), (0.8, 34.0), (1.6, 37.0)]
    assert bd_rate(anchor, [(r / 2, d) for r, d in anchor], 29, 36) == pytest.approx(-50)
    assert bd_rate(anchor, anchor[::-1], 0, 100) == pytest.approx(0)
    with pytest.raises(ValueError, match="no range"):
        bd_rate(anchor, [(0.1, 10.0), (0.2, 20.0)], 0, 100)


def test_the_commands_print_a_row_for_each_setting(tmp_path: Path) -> None:
    Image.fromarray(photo(64, 64).pixels).save(tmp_path / "a.png")
    result = CliRunner().invoke(bench, ["codec", str(tmp_path)])
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0][:4] == ["codec", "quality", "bpp", "psnr_db"]
    assert {row[0] for row in rows[1:]} == {"aecodec", "jpeg", "webp"}
    assert "aecodec against jpeg" in result.stderr
    result = CliRunner().invoke(bench, ["denoise", str(tmp_path)])
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["sigma", "0.0", "15.0", "25.0", "50.0"]
