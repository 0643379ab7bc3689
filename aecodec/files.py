"""Names that are safe to print, and files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from aecodec.errors import OutputError


def printable(name: str | Path) -> str:
    """Return a file name in which nothing can break a line, steer a terminal or fail to encode."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(name))


def kind_of(path: str | Path) -> int:
    """Return the S_IF... type of a file, links followed; 0 if there is none or it is out of reach."""
    try:
        return stat.S_IFMT(Path(path).stat().st_mode)
    except OSError:
        return 0


def is_device(path: Path) -> bool:
    """Return whether `path` is a device or a pipe: written to, never replaced."""
    return kind_of(path) not in (0, stat.S_IFREG, stat.S_IFDIR)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there in full or not at all, whatever happens meanwhile.

    Folders on the way are made, links are followed, and permissions are those that the umask gives to any new
    file. A device or a pipe is written to in place.

    Raises:
        OutputError: If the system refuses: no space, no permission, a name too long.
    """
    real = Path(os.path.realpath(path))
    temporary = real.parent / f".aecodec-{secrets.token_hex(8)}.tmp"
    try:
        if is_device(path):
            path.write_bytes(data)
            return
        real.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a crash could leave an empty file under the final name
            temporary.replace(real)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{printable(path)}: cannot be written: {error.strerror}; try another -o") from error
