"""Find, verify and load the weights that are shipped with the package. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from aecodec.errors import WeightsError
from aecodec.networks import CodecConfig, CodecNetwork, DenoiserConfig, DenoiserNetwork
from aecodec.tables import Tables

FORMAT = "aecodec-weights-1"
MODEL_ID_BYTES = 4
TABLE_PREFIX = "tables."
# What the codecs had that were exported before their config told it.
FIRST_CODEC: dict[str, Any] = {"analysis": (1, 3, 3), "synthesis": (2, 2, 1), "dense": False}
_PACKAGE = Path(__file__).resolve().parent
# A wheel has the weights inside the package, an editable install or a checkout beside it.
FOLDERS = (_PACKAGE / "weights", _PACKAGE.parent / "weights")


@dataclass(frozen=True)
class Weights:
    """A loaded weights file.

    Attributes:
        network: In evaluation mode, without gradients.
        tables: Of the entropy coder; None for the denoiser.
        model_id: First bytes of the file's sha256; a codec's go into every .aec file.
        metadata: Recipe and figures.
    """

    network: nn.Module
    tables: Tables | None
    model_id: bytes
    metadata: dict[str, Any]


def find(kind: str) -> Path:
    """Return the path of the shipped weights, "codec" or "denoiser".

    Raises:
        WeightsError: The installation lacks them.
    """
    for folder in FOLDERS:
        if (path := folder / f"{kind}.safetensors").is_file():
            return path
    raise WeightsError(f"{FOLDERS[0] / f'{kind}.safetensors'}: the weights are missing; install aecodec again")


def load(kind: str, path: Path | None = None) -> Weights:
    """Load weights.

    Args:
        kind: "codec" or "denoiser".
        path: A weights file of one's own, as `aecodec train export` writes it. The shipped ones, verified
            against the list of checksums beside them, where None.

    Raises:
        WeightsError: The file is missing, damaged or for another network.
    """
    shipped = path is None
    path = path or find(kind)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give a weights file") from error
    digest = hashlib.sha256(data).digest()
    if shipped:
        _verify(path, digest)
    try:
        metadata = {key: json.loads(value) for key, value in split_header(data)[0]["__metadata__"].items()}
        if metadata.get("format") != FORMAT or metadata.get("kind") != kind:
            raise WeightsError(f"{path}: holds no weights of the {kind}; name the right file")
        tensors = load_tensors(data)
        tables = _tables(tensors)
        network = build(kind, metadata["config"])
        network.load_state_dict({k: v.float() for k, v in tensors.items() if not k.startswith(TABLE_PREFIX)})
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        remedy = "install aecodec again" if shipped else "export it again"
        raise WeightsError(f"{path}: is damaged or made by another release; {remedy}") from error
    network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Weights(network, tables, digest[:MODEL_ID_BYTES], metadata)


def build(kind: str, config: dict[str, Any] | None = None) -> CodecNetwork | DenoiserNetwork:
    """Make the untrained network of a kind, "codec" or "denoiser", by the config of a weights file or the default."""
    items = (config or {}).items()
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in items}
    if kind == "codec":
        return CodecNetwork(CodecConfig(**(FIRST_CODEC | values)) if config else None)
    return DenoiserNetwork(DenoiserConfig(**values))


def _verify(path: Path, digest: bytes) -> None:
    sums = path.with_name("SHA256SUMS")
    try:
        listed = {name: value for value, name in map(str.split, sums.read_text().splitlines())}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{sums}: cannot be read; install aecodec again") from error
    if listed.get(path.name) != digest.hex():
        raise WeightsError(f"{path}: does not have the listed checksum; install aecodec again")


def split_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a safetensors file into its header and the bytes of its tensors.

    Raises:
        ValueError: The header is no JSON.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _tables(tensors: dict[str, torch.Tensor]) -> Tables | None:
    found = {k.removeprefix(TABLE_PREFIX): v.numpy() for k, v in tensors.items() if k.startswith(TABLE_PREFIX)}
    return Tables(**found) if found else None
