import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from aecodec.cli import cli
from aecodec.codec import Codec
from aecodec.denoise import Denoiser
from aecodec.errors import PictureError, WeightsError
from aecodec.networks import CodecConfig, CodecNetwork, DenoiserNetwork
from aecodec.rate import gaussian_bits
from aecodec.train import loop, losses, parallel
from aecodec.train.data import Batches, Pictures, choose_held_out, source_of, to_float
from aecodec.train.loop import Settings, growth, read_checkpoint
from aecodec.train.losses import run_codec
from aecodec.train.noise import add_noise, camera_noise, coarsen, local_level, low_pass, soften
from aecodec.train.parallel import CHUNK, Team
from aecodec.train.start import start_from_pca
from tests.conftest import photo, randomise


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures of two sources, one of them damaged, and a file that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(3):
        Image.fromarray(photo(280, 300, seed=n).pixels).save(folder / f"sea_{n}.png")
    (folder / "wood_1.jpg").write_bytes(b"\xff\xd8 cut short")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_patches_have_their_size_and_excluded_pictures_are_never_drawn(pictures: Path) -> None:
    data = Pictures(pictures, frozenset(["sea_0.png"]))
    assert [p.name for p in data.files] == ["sea_1.png", "sea_2.png", "wood_1.jpg"]
    rng = np.random.default_rng(0)
    assert {data.patch(rng, 128).shape for _ in range(10)} == {(128, 128, 3)}


def test_a_damaged_picture_is_named_once_and_skipped(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Pictures(pictures)
    rng = np.random.default_rng(0)
    for _ in range(20):
        data.patch(rng, 64)
    assert capsys.readouterr().err.count("wood_1.jpg") == 1


def test_a_folder_without_a_readable_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no pictures besides"):
        Pictures(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(PictureError, match="none of the pictures"):
        next(iter(Batches(Pictures(tmp_path), 2, 64, seed=0)))


def test_batches_follow_a_change_of_size(pictures: Path) -> None:
    batches = Batches(Pictures(pictures), 2, 64, seed=0)
    stream = iter(batches)
    assert next(stream).shape == (2, 3, 64, 64)
    batches.size = 128
    assert next(stream).shape == (2, 3, 128, 128)


def test_held_out_pictures_are_spread_over_the_sources_and_stay_the_same(pictures: Path) -> None:
    assert source_of(Path("a/sea_12.png")) == source_of(Path("a/sea_3.jpg"))
    chosen = choose_held_out(pictures)
    assert {name.split("_")[0] for name in chosen} == {"sea", "wood"}
    assert chosen == choose_held_out(pictures)


def test_gaussian_bits_are_those_of_an_integrated_gaussian() -> None:
    values = torch.arange(-40.0, 41)
    bits = gaussian_bits(values, torch.tensor(2.0))
    assert torch.exp2(-bits).sum().item() == pytest.approx(1, abs=1e-3)
    assert bits[40].item() == pytest.approx(-np.log2(0.0994764), abs=1e-3)  # erf(1 / (8 sqrt 2))


def test_training_starts_at_block_transform_coding() -> None:
    """Before any training the codec is a working transform coder: at high quality, pictures come back."""
    torch.manual_seed(0)
    model = CodecNetwork(CodecConfig(stem=48, middle=192, deep=320, hyper=16, context=32))
    x = to_float(np.stack([photo(128, 128, seed=n).pixels for n in range(8)]))
    start_from_pca(model, x)
    with torch.inference_mode():
        out = run_codec(model, x, torch.ones(8), noise=False)
    assert (out.x_hat - x).square().mean().sqrt().item() * 255 < 8
    assert out.bpp_est().mean().item() < 6


def test_a_clean_picture_that_passes_unharmed_leaves_finite_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "add_noise", lambda clean: (clean, clean, torch.zeros_like(clean[:, :1])))
    network = DenoiserNetwork()  # its last layer starts at zero: the identity
    loss, _ = losses.denoiser_loss(network, torch.rand(2, 3, 32, 32))
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_noise_has_the_level_that_the_map_says() -> None:
    torch.manual_seed(0)
    clean = torch.full((200, 3, 24, 24), 0.5)
    noisy, clean, sigma = add_noise(clean)
    measured = (noisy - clean).square().mean((1, 2, 3)).sqrt()
    expected = sigma.square().mean((1, 2, 3)).sqrt()
    unclipped = expected < 0.12
    assert (expected == 0).any()
    # JPEG takes a part of the noise away.
    assert (measured - expected)[unclipped].abs().max() < 0.3 * 0.12


def test_camera_noise_grows_with_the_signal_in_raw_values_and_is_correlated_between_neighbours() -> None:
    torch.manual_seed(0)
    dark, bright = (torch.stack([camera_noise(torch.full((3, 64, 64), v)) for _ in range(40)]) for v in (0.1, 0.6))
    # The gamma curve is steep in the dark: 16 times, against the square root of 50 in the raw noise at most.
    assert dark.square().mean() > bright.square().mean() > 0
    inner = bright - bright.mean((2, 3), keepdim=True)
    neighbours = (inner[..., 1:] * inner[..., :-1]).mean() / inner.square().mean()
    assert neighbours > 0.3


@pytest.mark.parametrize("width", [0.4, 1.1, 3.0])
def test_low_pass_noise_keeps_its_level(width: float) -> None:
    torch.manual_seed(0)
    assert low_pass(0.1 * torch.randn(3, 256, 256), width).std().item() == pytest.approx(0.1, rel=0.05)


def test_coarse_noise_is_weaker_and_has_blotches_more_so_in_colour() -> None:
    torch.manual_seed(0)
    white = 0.1 * torch.randn(3, 64, 64)
    coarse = torch.stack([coarsen(white) for _ in range(40)])
    assert 0.01 < coarse.std().item() < 0.1
    brightness = coarse.mean(1, keepdim=True)

    def correlation(noise: Tensor) -> float:
        """Between pixels two apart."""
        return ((noise[..., 2:] * noise[..., :-2]).mean() / noise.square().mean()).item()

    assert 0.2 < correlation(brightness) < correlation(coarse - brightness)


def test_softened_pictures_keep_size_and_range_and_have_gentler_edges() -> None:
    torch.manual_seed(0)
    clean = to_float(np.stack([photo(64, 96).pixels]))[0]
    softened = torch.stack([soften(clean) for _ in range(8)])
    assert softened.shape == (8, *clean.shape)
    assert 0 <= softened.min() <= softened.max() <= 1
    assert softened.diff(dim=-1).abs().mean() < 0.9 * clean.diff(dim=-1).abs().mean()


def test_the_local_level_follows_the_noise() -> None:
    torch.manual_seed(0)
    level = torch.cat([torch.full((1, 64, 64), 0.02), torch.full((1, 64, 64), 0.2)], 2)
    measured = local_level(level * torch.randn(3, 64, 128))
    assert (measured / level - 1)[..., 10:-10][..., :44].abs().mean() < 0.1
    assert (measured / level - 1)[..., -54:-10].abs().mean() < 0.1


def test_the_schedule_warms_up_cools_down_and_grows_the_patches() -> None:
    settings = Settings(kind="codec", minutes=1, patches=(64, 128), grow_at=(0.5, 0.9), cooldown=0.5)
    assert settings.lr_at(0, 0) < settings.lr_at(0.1, 1000) == settings.lr_at(0.5, 1000) == settings.lr
    assert settings.lr_at(0.75, 1000) == pytest.approx(settings.lr / 2)
    assert [settings.patch_at(p) for p in (0, 0.5, 0.95)] == [64, 128, 128]
    assert growth(1) == () and growth(3) == (0.65, 0.9) and growth(4) == (0.65, 0.9, 0.971)


def test_the_command_trains_resumes_and_exports_a_codec_that_works(pictures: Path, tmp_path: Path) -> None:
    checkpoint, weights = tmp_path / "runs" / "a.pt", tmp_path / "a.safetensors"
    held_out = tmp_path / "held-out.txt"
    held_out.write_text("sea_0.png\n")
    command = ["train", "codec", "--data", str(pictures), "--minutes", "0.01", "--batch", "2", "--patch", "64"]
    command += ["--patch", "128", "--grow-at", "0.99", "--ema", "0.9"]
    command += ["--held-out", str(held_out), "-o", str(checkpoint)]
    steps = []
    for resume in ([], ["--resume", str(checkpoint)]):
        result = CliRunner().invoke(cli, command + resume)
        assert result.exit_code == 0, result.output
        assert "q35_psnr_db" in result.stderr
        content = read_checkpoint(checkpoint)
        steps.append((content["step"], content["seconds"]))
        assert (*content["settings"]["grow_at"], content["settings"]["ema"]) == (0.99, 0.9)
    assert 0 < steps[0][0] < steps[1][0]
    assert steps[0][1] < steps[1][1]
    assert "held-out,q60_bpp" in checkpoint.with_suffix(".csv").read_text()

    result = CliRunner().invoke(cli, ["train", "export", str(checkpoint), "-o", str(weights)])
    assert result.exit_code == 0, result.output
    again = tmp_path / "again.safetensors"
    for _ in range(3):  # files name the weights by their hash, so that must not depend on chance
        assert CliRunner().invoke(cli, ["train", "export", str(checkpoint), "-o", str(again)]).exit_code == 0
        assert again.read_bytes() == weights.read_bytes()
    codec = Codec.load(weights=weights)
    picture = photo(70, 90)
    error = codec.decode(codec.encode(picture, 90)).pixels.astype(float) - picture.pixels
    assert np.abs(error).mean() < 8


def exchange(team: Team, numbers: int) -> dict[str, float]:
    mine = torch.full((numbers,), 1.0 + 2 * team.rank)
    team.average([mine])
    first = torch.full((3,), 10.0 + team.rank)
    team.align([first])
    both = torch.stack([mine.mean(), first.mean()])
    team.average([both])  # so that a wrong value in the other process shows here
    return {"size": team.size, "average": both[0].item(), "aligned": both[1].item()}


def test_processes_average_their_gradients_and_follow_their_leader() -> None:
    numbers = CHUNK + 7
    assert parallel.run(1, exchange, [numbers]) == {"size": 1, "average": 1.0, "aligned": 10.0}
    assert parallel.run(2, exchange, [numbers]) == {"size": 2, "average": 2.0, "aligned": 10.0}


def fail_as_follower(team: Team) -> dict[str, float]:
    if not team.leads:
        raise ValueError("a follower fails")
    team.align([torch.zeros(1)])
    return {}


def test_a_process_that_fails_ends_the_run_instead_of_hanging_it() -> None:
    with pytest.raises(threading.BrokenBarrierError):
        parallel.run(2, fail_as_follower, [])


def test_bfloat16_rounds_the_residual_branches_of_the_model_and_leaves_the_averages_in_float32() -> None:
    state = loop._start(Settings("denoiser", 1, bfloat16=True), None, iter(()))
    randomise(state.model, std=0.2)
    mine, averaged = (network.estimator.fine[4] for network in (state.model, state.ema))
    x = torch.randn(1, mine.spatial.in_channels, 8, 8)
    exact = type(mine).forward(mine, x)
    with torch.no_grad():
        rounded = mine(x)
        assert rounded.dtype == torch.float32
        assert 1e-4 < (rounded - exact).abs().max() / (exact - x).abs().max() < 3e-2
        assert torch.equal(averaged(x), x)  # untrained: the identity


def test_the_command_trains_and_exports_a_denoiser_that_works(pictures: Path, tmp_path: Path) -> None:
    checkpoint, weights = tmp_path / "b.pt", tmp_path / "b.safetensors"
    command = ["train", "denoiser", "--data", str(pictures), "--minutes", "0.01", "--batch", "2", "--patch", "64"]
    command += ["--processes", "2"]
    for line in ([*command, "-o", str(checkpoint)], ["train", "export", str(checkpoint), "-o", str(weights)]):
        result = CliRunner().invoke(cli, line)
        assert result.exit_code == 0, result.output
    again = tmp_path / "again.pt"
    result = CliRunner().invoke(cli, [*command, "-o", str(again), "--resume", str(weights)])
    assert result.exit_code == 0, result.output
    assert read_checkpoint(again)["step"] > read_checkpoint(checkpoint)["step"] > 0
    picture = photo(50, 60)
    clean = Denoiser.load(weights=weights).denoise(picture)
    assert np.abs(clean.pixels.astype(float) - picture.pixels).mean() < 30


def test_a_checkpoint_that_is_none_or_of_another_network_is_one_clear_error(pictures: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"nothing")
    for path, message in ((broken, "is not a checkpoint"), (tmp_path / "none.pt", "no such checkpoint")):
        with pytest.raises(WeightsError, match=message):
            read_checkpoint(path)
    other = ["train", "denoiser", "--data", str(pictures), "--minutes", "0.01", "--batch", "2", "--patch", "64"]
    assert CliRunner().invoke(cli, [*other, "-o", str(tmp_path / "d.pt")]).exit_code == 0
    other[1] = "codec"
    result = CliRunner().invoke(cli, [*other, "-o", str(tmp_path / "c.pt"), "--resume", str(tmp_path / "d.pt")])
    assert result.exit_code == 1
    assert "is a checkpoint of the denoiser" in result.stderr
    for content in ({"step": 1}, [1], dict.fromkeys(read_checkpoint(tmp_path / "d.pt"), 1)):
        torch.save(content, broken)
        with pytest.raises(WeightsError, match="is not a checkpoint"):
            read_checkpoint(broken)
    content = read_checkpoint(tmp_path / "d.pt")
    content["model"].popitem()
    torch.save(content, broken)
    result = CliRunner().invoke(cli, ["train", "denoiser", *other[2:], "-o", str(broken), "--resume", str(broken)])
    assert result.exit_code == 1
    assert "damaged or of another release" in result.stderr


def test_neither_training_nor_export_overwrites_a_checkpoint_by_accident(pictures: Path, tmp_path: Path) -> None:
    command = ["train", "denoiser", "--data", str(pictures), "--minutes", "0.01", "--batch", "2", "--patch", "64"]
    checkpoint = tmp_path / "a.pt"
    assert CliRunner().invoke(cli, [*command, "-o", str(checkpoint)]).exit_code == 0
    before = checkpoint.read_bytes()
    for line in ([*command, "-o", str(checkpoint)], ["train", "export", str(checkpoint), "-o", str(checkpoint)]):
        result = CliRunner().invoke(cli, line)
        assert result.exit_code == 1
        assert "choose another -o" in result.stderr
    result = CliRunner().invoke(cli, [*command, "-o", str(tmp_path / "b.csv")])
    assert "is the name of the log" in result.stderr
    assert checkpoint.read_bytes() == before


def test_a_checkpoint_that_cannot_be_written_is_one_clear_error(pictures: Path) -> None:
    command = [
        "train",
        "denoiser",
        "--data",
        str(pictures),
        "--minutes",
        "1",
        "-o",
        str(pictures / "notes.txt" / "a.pt"),
    ]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "check path" in result.stderr


def test_settings_go_into_the_checkpoint() -> None:
    assert set(dataclasses.asdict(Settings("codec", 1))) >= {"lr", "batch", "patches", "seed", "minutes"}
