import click
import numpy as np
import pytest
import torch

from aecodec import codec as codec_module
from aecodec import imageio
from aecodec.cli import encode
from aecodec.codec import Codec
from aecodec.imageio import Picture
from aecodec.pixels import psnr
from aecodec.rate import lmbda_of
from tests.conftest import SAMPLES, photo


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Effort 2 takes three steps."""
    monkeypatch.setattr(codec_module, "REFINEMENT_STEPS", (0, 0, 3))


def test_weighing_the_rate_saves_bytes_and_refinement_lowers_the_cost_of_rate_and_error(codec: Codec) -> None:
    pixels = imageio.read((SAMPLES / "mountain_lake.jpg").read_bytes(), "lake").pixels[120:248, 320:448].copy()
    files = [codec.encode(Picture(pixels), 60, effort) for effort in (0, 1, 3)]
    assert len(files[1]) < 0.985 * len(files[0])

    def cost(data: bytes) -> float:
        mse = 255**2 / 10 ** (psnr(codec.decode(data).pixels, pixels) / 10)
        return 8 * len(data) + float(lmbda_of(torch.tensor(0.6))) * mse * 128 * 128

    assert cost(files[2]) < 0.985 * min(map(cost, files[:2]))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (64, 1100)])
def test_refined_files_of_any_size_decode_and_are_the_same_each_time(
    tiny_codec: Codec, height: int, width: int
) -> None:
    picture = photo(height, width)
    data = tiny_codec.encode(picture, 50, effort=2)
    assert tiny_codec.decode(data).pixels.shape == picture.pixels.shape
    assert tiny_codec.encode(picture, 50, effort=2) == data
    if height > 1:
        assert data != tiny_codec.encode(picture, 50, effort=0)


@pytest.mark.usefixtures("few_steps")
def test_progress_counts_the_steps_of_all_tiles(tiny_codec: Codec) -> None:
    seen: list[tuple[int, int]] = []
    tiny_codec.encode(photo(40, 1100), 50, effort=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]
    seen.clear()
    tiny_codec.encode(photo(40, 1100), 50, effort=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == []


@pytest.mark.usefixtures("few_steps")
def test_refinement_leaves_decoding_as_it_was(tiny_codec: Codec) -> None:
    """Its copy of the networks computes in bfloat16 where that is fast; theirs must not."""
    data = tiny_codec.encode(photo(48, 64), 70)
    before = np.asarray(tiny_codec.decode(data).pixels)
    tiny_codec.encode(photo(48, 64), 70, effort=2)
    assert np.array_equal(tiny_codec.decode(data).pixels, before)


@pytest.mark.parametrize("effort", [-1, 10])
def test_an_effort_out_of_range_is_refused(tiny_codec: Codec, effort: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.9"):
        tiny_codec.encode(photo(8, 8), 50, effort)


def test_the_command_line_has_the_efforts_and_the_default_of_the_codec() -> None:
    """It says them again, because it must not load the codec for --help."""
    (option,) = [parameter for parameter in encode.params if parameter.name == "effort"]
    assert isinstance(option.type, click.IntRange)
    assert (option.type.min, option.type.max) == (0, len(codec_module.REFINEMENT_STEPS) - 1)
    assert option.default == codec_module.DEFAULT_EFFORT
