"""Rows that are measured once: each is kept in a file as soon as it is there, and found again by the next run."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from aecodec.bench.sources import Source
from aecodec.errors import OutputError
from aecodec.files import printable, write_atomic

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One row to be measured.

    Attributes:
        identity: What the figures depend on besides the picture: another value is another row.
        measure: Returns the figures.
        also: What else they depend on, in words; not shown in the row.
    """

    identity: Mapping[str, Any]
    measure: Callable[[], Mapping[str, Any]]
    also: str = ""


class Table:
    """Rows in a file of JSON lines.

    Args:
        path: The file; read if it is there, and appended to.

    Raises:
        OutputError: It cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._rows: dict[str, Row] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().split(b"\n") if path.exists() else []
            # A run that was killed may have left half a line: a new one must not be joined to it.
            self._file = path.open("ab")
            if lines and lines[-1]:
                self._file.write(b"\n")
        except OSError as error:
            raise OutputError(f"{printable(path)}: cannot be written: {error.strerror}; try another -o") from error
        for line in lines:
            try:
                kept = json.loads(line)
                self._rows[kept["key"]] = kept["figures"]
            except (ValueError, KeyError, TypeError):
                continue

    def row(self, source: Source, task: Task) -> Row:
        """Return the row of a task: from the file, or measured now and added to it."""
        text = json.dumps([source.digest, dict(task.identity), task.also], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in self._rows:
            figures = dict(task.measure())
            self._file.write(json.dumps({"key": key, "figures": figures}).encode() + b"\n")
            self._file.flush()
            self._rows[key] = figures
        size = {"width": source.width, "height": source.height}
        return {"picture": source.name, **size, **task.identity, **self._rows[key]}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write(folder: Path, name: str, rows: Sequence[Row], summary: Mapping[str, Any]) -> None:
    """Write `name`.csv with the rows and `name`.json with rows and summary.

    Raises:
        OutputError: The system refuses.
    """
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(folder / f"{name}.csv", lines.getvalue().encode())
    document = {**summary, "rows": rows}
    write_atomic(folder / f"{name}.json", (json.dumps(document, indent=1) + "\n").encode())
