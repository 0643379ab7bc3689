import hashlib
import shutil
from pathlib import Path

import pytest

from aecodec import pretrained
from aecodec.errors import WeightsError
from tests.conftest import ROOT

WEIGHTS = ROOT / "weights"


@pytest.mark.parametrize("kind", ["codec", "denoiser"])
def test_the_shipped_weights_load_and_are_listed(kind: str) -> None:
    path = WEIGHTS / f"{kind}.safetensors"
    loaded = pretrained.load(kind)
    digest = hashlib.sha256(path.read_bytes())
    assert loaded.model_id == digest.digest()[:4]
    assert f"{digest.hexdigest()}  {path.name}" in (WEIGHTS / "SHA256SUMS").read_text().splitlines()
    assert (loaded.tables is None) == (kind == "denoiser")
    assert not loaded.network.training
    assert loaded.metadata["recipe"]["steps"] > 0
    assert path.stat().st_size <= 16_000_000


def test_weights_of_the_other_kind_are_refused() -> None:
    with pytest.raises(WeightsError, match="holds no weights of the denoiser"):
        pretrained.load("denoiser", WEIGHTS / "codec.safetensors")


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damaged_weights_are_one_clear_error(tmp_path: Path, damage: str) -> None:
    data = (WEIGHTS / "denoiser.safetensors").read_bytes()
    path = tmp_path / "mine.safetensors"
    path.write_bytes({"empty": b"", "text": b"not weights at all", "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(WeightsError, match="damaged"):
        pretrained.load("denoiser", path)


def test_missing_weights_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        pretrained.load("codec", tmp_path / "none.safetensors")
    monkeypatch.setattr(pretrained, "FOLDERS", (tmp_path,))
    with pytest.raises(WeightsError, match="are missing"):
        pretrained.load("codec")


def test_shipped_weights_that_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("denoiser.safetensors", "SHA256SUMS"):
        shutil.copy(WEIGHTS / name, tmp_path)
    monkeypatch.setattr(pretrained, "FOLDERS", (tmp_path,))
    pretrained.load("denoiser")
    path = tmp_path / "denoiser.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="checksum"):
        pretrained.load("denoiser")
