"""Checkpoint -> weights file: averaged weights as float16, integer tables, recipe and figures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import save

from aecodec import tables
from aecodec.errors import OutputError
from aecodec.files import write_atomic
from aecodec.pretrained import FORMAT, TABLE_PREFIX, split_header
from aecodec.train.loop import read_checkpoint


def export(checkpoint: Path, output: Path) -> str:
    """Write the weights that encode, decode and denoise load.

    Args:
        checkpoint: From a training run.
        output: A .safetensors file. Its line in the SHA256SUMS beside it is written anew.

    Returns:
        The sha256 of the file, hexadecimal.

    Raises:
        WeightsError: The checkpoint is missing or damaged.
        OutputError: The weights cannot be written, or would replace the checkpoint.
    """
    content = read_checkpoint(checkpoint)
    if output.exists() and output.samefile(checkpoint):
        raise OutputError(f"{output}: is the checkpoint itself; choose another -o")
    kind = content["settings"]["kind"]
    tensors = {name: value.contiguous().half() for name, value in content["ema"].items()}
    if kind == "codec":
        built = tables.build()
        for field in fields(built):
            tensors[TABLE_PREFIX + field.name] = torch.from_numpy(getattr(built, field.name))
    metadata = {
        "format": FORMAT,
        "kind": kind,
        "config": content["config"],
        "recipe": {**content["settings"], "steps": content["step"], "total_minutes": content["seconds"] / 60},
        "held_out": content["figures"],
    }
    data = _in_order(save(tensors, {key: json.dumps(value) for key, value in metadata.items()}))
    write_atomic(output, data)
    digest = hashlib.sha256(data).hexdigest()
    _list(output, digest)
    return digest


def _in_order(data: bytes) -> bytes:
    """Sort the header of a safetensors file, whose metadata come in random order: equal weights make equal files.

    Else a second export of a checkpoint could not decode the files of the first, which name the weights by their hash.
    """
    content, tensors = split_header(data)
    header = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors stay aligned
    return len(header).to_bytes(8, "little") + header + tensors


def _list(output: Path, digest: str) -> None:
    sums = output.with_name("SHA256SUMS")
    lines = sums.read_text().splitlines() if sums.exists() else []
    lines = [line for line in lines if line.split()[1:] != [output.name]] + [f"{digest}  {output.name}"]
    write_atomic(sums, ("\n".join(lines) + "\n").encode())
