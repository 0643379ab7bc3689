"""Files of format version 1 decode as they did when they were made. The vectors are never edited."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
import pytest

from aecodec import container, imageio
from aecodec.codec import Codec
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "vectors" / "v1"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())


@pytest.fixture(scope="module")
def vector_codec() -> Codec:
    return Codec.load(weights=FOLDER / "codec.safetensors")


@pytest.mark.parametrize("name", MANIFEST)
def test_a_vector_decodes_as_ever(vector_codec: Codec, name: str) -> None:
    """Header and latents exactly, pixels within one level."""
    data = (FOLDER / f"{name}.aec").read_bytes()
    file = container.unpack(data)
    header = {**dataclasses.asdict(file.header), "model_id": file.header.model_id.hex()}
    assert header == MANIFEST[name]["header"]
    y_hat = vector_codec._decode_tiles(file).numpy()
    assert hashlib.sha256(y_hat.tobytes()).hexdigest() == MANIFEST[name]["y_hat_sha256"]
    expected = imageio.read((FOLDER / f"{name}.png").read_bytes(), name).pixels
    decoded = vector_codec.decode(data).pixels
    assert decoded.dtype == expected.dtype
    assert np.abs(decoded.astype(int) - expected).max() <= 1
