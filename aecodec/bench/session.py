"""One run: a folder for its results, the rows that are there already, a progress bar, and what went wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import click
from tqdm import tqdm

from aecodec.bench.sources import Source
from aecodec.bench.table import Row, Table, Task
from aecodec.errors import AecodecError, OutputError
from aecodec.files import printable


class Session:
    """Measure pictures and tell of it on stderr.

    Args:
        folder: For the results; made if it is not there.
        name: Of the kind of run: an earlier one of the same name in this folder is continued.

    Attributes:
        failures: How many pictures, or folders, could not be measured.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.failures = 0
        self._table = Table(folder / f".{name}.rows.jsonl")
        self._bar = tqdm(total=0, disable=None, unit="row", leave=False, file=sys.stderr)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._table.close()

    def expect(self, tasks: int) -> None:
        """Add to the length of the progress bar."""
        self._bar.total += tasks
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Print a line above the progress bar."""
        if self._bar.disable:
            click.echo(line, err=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def failed(self, line: str) -> None:
        """Tell of a picture that is left out."""
        self.failures += 1
        self.say(line)

    def measure(self, sources: Sequence[Source], tasks: Callable[[Source], Sequence[Task]]) -> list[Row]:
        """Settle all tasks of all pictures; a picture on which one fails is named and left out as a whole.

        Returns:
            The rows of the pictures that went through, in order.
        """
        rows: list[Row] = []
        for source in sources:
            todo = tasks(source)
            own: list[Row] = []
            try:
                for task in todo:
                    own.append(self._table.row(source, task))
                    self._bar.update()
            except OutputError:
                raise
            except Exception as error:  # the other pictures must not suffer from this one
                self.failed(_explain(source, todo[len(own)], error))
                self._bar.update(len(todo) - len(own))
            else:
                rows += own
        return rows


def _explain(source: Source, task: Task, error: Exception) -> str:
    text = " ".join(str(error).split())
    name = printable(source.path)
    if isinstance(error, AecodecError):
        return text if text.startswith(name) else f"{name}: {text}"
    if isinstance(error, MemoryError):
        return f"{name}: not enough memory; close other programs or use a smaller picture"
    peer = task.identity["peer"]
    place = traceback.extract_tb(error.__traceback__)[-1]
    fact = f"{type(error).__name__}: {text[:150]}, {Path(place.filename).name} line {place.lineno}"
    return f"{name}: {peer} fails on this picture ({fact}); leave {peer} out with --peers"
