"""The pictures of a run: what is in a folder, each held in memory only while it is measured."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aecodec import imageio
from aecodec.errors import PictureError
from aecodec.files import printable

Pixels: TypeAlias = NDArray[np.uint8]  # [H, W, 3], sRGB


@dataclass(frozen=True)
class Source:
    """A picture that can be read.

    Attributes:
        path: The file.
        name: Its path inside the folder.
        digest: Hexadecimal digits of the sha256 of what is measured: the file, or both files of a pair.
        width: Pixels.
        height: Pixels.
        noisy: The noisy counterpart, where there is one.
    """

    path: Path
    name: str
    digest: str
    width: int
    height: int
    noisy: Path | None = None

    @property
    def megapixels(self) -> float:
        """Size in millions of pixels."""
        return self.width * self.height / 1e6


def read(path: Path) -> Pixels:
    """Read a picture as 8-bit RGB, upright: gray three times over, 16 bits rounded down, alpha left out.

    Raises:
        PictureError: It cannot be read.
    """
    picture = imageio.read(_bytes(path), printable(path))
    pixels = picture.pixels // 257 if picture.bit_depth == 16 else picture.pixels
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.uint8)


def find(folder: Path, output: Path) -> tuple[list[Source], list[str]]:
    """List the pictures below a folder; hidden files and the output folder are not looked at.

    Each one is read once, so that a damaged file is known before any work starts.

    Returns:
        The pictures, sorted by path, and a line for each one that cannot be read.

    Raises:
        PictureError: There is no picture at all.
    """
    found: list[Source] = []
    failures: list[str] = []
    for path in _walk(folder, output, failures):
        try:
            data = _bytes(path)
            picture = imageio.read(data, printable(path))
        except PictureError as error:
            failures.append(str(error))
            continue
        name = path.relative_to(folder).as_posix()
        found.append(Source(path, name, hashlib.sha256(data).hexdigest(), picture.width, picture.height))
    if not found and not failures:
        raise PictureError(f"{printable(folder)}: holds no pictures; name a folder of photographs")
    return found, failures


def find_pairs(noisy: Path, clean: Path, output: Path) -> tuple[list[Source], list[str]]:
    """List the pictures below `clean` with the one of the same name, whatever its suffix, below `noisy`.

    Returns:
        The pairs, sorted by path, and a line for each picture that cannot be read or stands alone.

    Raises:
        PictureError: One of the folders holds no picture.
    """
    cleans, failures = find(clean, output)
    noisies, more = find(noisy, output)
    partners = {source.path.relative_to(noisy).with_suffix(""): source for source in noisies}
    pairs = []
    for source in cleans:
        partner = partners.pop(source.path.relative_to(clean).with_suffix(""), None)
        name = printable(source.path)
        if partner is None:
            failures.append(f"{name}: has no noisy counterpart in {printable(noisy)}; give both the same name")
        elif (partner.width, partner.height) != (source.width, source.height):
            failures.append(f"{name}: is not of the size of {printable(partner.path)}; pairs must match")
        else:
            digest = hashlib.sha256((source.digest + partner.digest).encode()).hexdigest()
            pairs.append(replace(source, digest=digest, noisy=partner.path))
    alone = [f"{printable(left.path)}: has no clean counterpart in {printable(clean)}" for left in partners.values()]
    return pairs, failures + more + [f"{line}; give both the same name" for line in alone]


def code_version() -> str:
    """Return some digits of the sha256 of the package's own modules: our figures depend on code as on weights."""
    modules = sorted(Path(imageio.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()[:8]


def spread(sources: Sequence[Source], count: int) -> list[Source]:
    """Choose at most `count` of the pictures, evenly over the list."""
    step = max(1.0, len(sources) / max(1, count))
    return [sources[int(n * step)] for n in range(min(count, len(sources)))]


def _walk(folder: Path, output: Path, failures: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        failures.append(f"{printable(error.filename)}: cannot be listed: {error.strerror}; check permissions")

    for parent, folders, files in os.walk(folder, onerror=note):
        kept = (name for name in folders if not name.startswith(".") and not _same(Path(parent, name), output))
        folders[:] = sorted(kept)
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and imageio.accepts(path) and (path.is_file() or path.is_symlink()):
                yield path


def _same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"{printable(path)}: cannot be read: {error.strerror}; check path and permissions"
        ) from error
