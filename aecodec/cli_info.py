"""The `info` command: what an .aec file says of itself, and how noisy a picture is."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aecodec import container
from aecodec.batch import STREAM
from aecodec.errors import AecodecError, FormatError
from aecodec.files import printable

if TYPE_CHECKING:
    from aecodec.denoise import Denoiser


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line per file.")
@click.pass_context
def info(ctx: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Tell what is in .aec files, and whether they are intact; of pictures, how noisy they are.

    The noise of a picture is given as its estimated standard deviation on the scale of 0 to 255.

    \b
    Examples:
      aecodec info photo.aec
      aecodec info night.jpg
      aecodec info --json archive/*.aec | jq -s 'map(.bytes) | add'
    """
    failed = False
    for name in files:
        try:
            data = _read(name)
            is_aec = data.startswith(container.MAGIC) or name.lower().endswith(".aec")
            facts = _facts(data) if is_aec else _picture_facts(data, name)
        except AecodecError as error:
            text = str(error)
            line = text if text.startswith(printable(name)) else f"{printable(name)}: {text}"
            click.echo(line, err=True)
            if as_json:
                click.echo(json.dumps({"input": name, "status": "failed", "error": line}))
            failed = True
            continue
        if as_json:
            click.echo(json.dumps({"input": name, "status": "done", **facts}))
            continue
        click.echo(printable(name))
        for key, value in facts.items():
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) or "-" if isinstance(value, dict) else value
            click.echo(f"  {key:<15}{shown}")
    ctx.exit(int(failed))


def _read(name: str) -> bytes:
    try:
        if name != STREAM:
            return Path(name).read_bytes()
        if sys.stdin is None:
            raise FormatError("stdin is closed; name a file")
        return sys.stdin.buffer.read()
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}; name an .aec file or a picture") from error


def _facts(data: bytes) -> dict[str, Any]:
    """Return what an .aec file says of itself; every checksum has been verified."""
    content = container.unpack(data)
    header = content.header
    chunks = {name: getattr(content, name) for name in ("icc", "exif", "xmp", "alpha")}
    return {
        "format_version": data[len(container.MAGIC)],
        "width": header.width,
        "height": header.height,
        "mode": _mode(header.channels, content.alpha is not None),
        "bit_depth": header.bit_depth,
        "quality": header.quality_hundredths / 100,
        "model_id": header.model_id.hex(),
        "tiles": len(content.tiles),
        "tile_bytes": sum(map(len, content.tiles)),
        "chunk_bytes": {name: len(chunk) for name, chunk in chunks.items() if chunk is not None},
        "bytes": len(data),
        "bpp": round(8 * len(data) / (header.width * header.height), 4),
    }


def _picture_facts(data: bytes, name: str) -> dict[str, Any]:
    """Return the geometry of a picture and its noise."""
    from aecodec import imageio

    picture = imageio.read(data, printable(name))
    return {
        "width": picture.width,
        "height": picture.height,
        "mode": _mode(picture.channels, picture.alpha is not None),
        "bit_depth": picture.bit_depth,
        "noise_sigma": round(_denoiser().estimate(picture), 2),
        "bytes": len(data),
    }


@functools.cache
def _denoiser() -> Denoiser:
    from aecodec.denoise import Denoiser

    return Denoiser.load()


def _mode(channels: int, alpha: bool) -> str:
    return ("gray" if channels == 1 else "RGB") + (" + alpha" if alpha else "")
