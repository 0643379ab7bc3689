"""The wheel holds all that the program needs: it works from a folder with nothing beside it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import ROOT, SAMPLES


def test_a_wheel_holds_the_weights_and_works_without_the_repository(tmp_path: Path) -> None:
    # A copy, because setuptools leaves its work in the source tree.
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "runs", "out", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("aecodec-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(installed)
    weights = {"codec.safetensors", "denoiser.safetensors", "SHA256SUMS"}
    assert {f"aecodec/weights/{name}" for name in weights} | {"aecodec/py.typed"} <= names
    assert "aecodec/bench/template/report.html" in names
    assert not any(name.startswith(("tests/", "samples/", "weights/")) for name in names)

    environment = {**os.environ, "PYTHONPATH": str(installed)}
    script = "import aecodec; print(aecodec.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=installed, check=True, capture_output=True, text=True
    )
    assert found.stdout.startswith(str(installed))
    command = [sys.executable, "-m", "aecodec", "encode", str(SAMPLES / "sparrow.jpg"), "-o", "a.aec"]
    subprocess.run(command, env=environment, cwd=installed, check=True, capture_output=True)
    assert (installed / "a.aec").stat().st_size > 1000
