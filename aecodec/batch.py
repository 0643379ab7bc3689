"""Paths -> jobs -> outcomes: naming, mirrored trees and collisions.

`plan` decides what is read and what is written before any work starts, `run` makes one file after the
other, and neither knows what a picture is: the conversion comes in as a function from bytes to bytes.

Three rules keep pictures safe. Two jobs never write the same file. Nothing is written over an input. A
file appears under its name when it is whole, or not at all.
"""

from __future__ import annotations

import os
import stat
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aecodec.errors import AecodecError, OutputError
from aecodec.files import is_device, kind_of, printable, write_atomic

STREAM = "-"


class PlanError(AecodecError):
    """Inputs and outputs do not fit together: nothing has been read or written."""


@dataclass(frozen=True)
class Job:
    """One file to make. None, and never a path, stands for stdin and stdout: a file may be named `-`."""

    source: Path | None
    target: Path | None

    @property
    def source_name(self) -> str:
        """What messages call the input."""
        return "<stdin>" if self.source is None else printable(self.source)

    @property
    def target_name(self) -> str:
        """What messages call the output."""
        return "<stdout>" if self.target is None else printable(self.target)


@dataclass(frozen=True)
class Naming:
    """How a command names what it makes.

    Attributes:
        folder_suffix: Added to the name of an input folder to name its output folder.
        accepts: Whether a file that was met inside an input folder is one to read.
        rename: From an input, and whether the output lies beside it, to the name of the output.
    """

    folder_suffix: str
    accepts: Callable[[Path], bool]
    rename: Callable[[Path, bool], str]


@dataclass
class Plan:
    """What a run is going to do."""

    jobs: list[Job] = field(default_factory=list)
    ignored: int = 0  # files met inside folders that the command does not read
    unreadable: list[OSError] = field(default_factory=list)  # folders that could not be listed


@dataclass(frozen=True)
class Result:
    """What a conversion hands back: bytes to write, a few words for people, facts for programs."""

    data: bytes
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job ended, with a note for people and facts for programs; `trace` is for bug reports."""

    job: Job
    status: Literal["done", "skipped", "failed"]
    note: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""


Convert = Callable[[bytes, Job], Result]


def plan(inputs: Sequence[str], output: str | None, naming: Naming) -> Plan:
    """Decide which files are read and where each result goes.

    A single file becomes `output`, unless that is a folder or ends in a separator. Otherwise `output` is the
    folder that receives everything: files by their names, a single folder as a mirrored tree, several folders
    as one mirrored tree each. Without `output`, results lie beside their inputs. Links to folders that lie
    inside an input folder are not followed, hidden files and the output folder itself are not read.

    Args:
        inputs: Files and folders, or `-` alone for stdin.
        output: File or folder, `-` for stdout, None for beside the inputs.
        naming: The names of outputs, and which files of a folder are read.

    Raises:
        PlanError: If the inputs do not fit the output, or two inputs would become the same file.
    """
    if "" in inputs or output == "":
        raise PlanError("a file name is empty; check variables in the command, or write . for this folder")
    several = len(inputs) > 1
    if STREAM in inputs:
        return _plan_stdin(several, output)
    folders = [name for name in inputs if kind_of(name) == stat.S_IFDIR]
    if output is not None and (several or folders):
        if output == STREAM:
            raise PlanError("stdout (-o -) takes the result of one file; give -o a folder")
        if kind_of(output) not in (0, stat.S_IFDIR):
            raise PlanError(f"{printable(output)} is a file; for several inputs or a folder give -o a folder")
    roots = {name: _output_root(Path(name), output, several, naming) for name in folders}
    outputs = {os.path.realpath(root) for root in [*roots.values(), *([Path(output)] if output else [])]}
    made = Plan()
    for name in inputs:
        if name in roots:
            _plan_folder(made, Path(name), roots[name], outputs, naming)
        else:
            made.jobs.append(Job(Path(name), _target(Path(name), output, several or bool(folders), naming)))
    made.jobs = _without_collisions(made.jobs)
    return made


def _plan_stdin(several: bool, output: str | None) -> Plan:
    if several:
        raise PlanError("stdin (-) cannot be mixed with other inputs; run the command once for each")
    if output is None or output == STREAM:
        return Plan([Job(None, None)])
    if _is_folder_name(output):
        raise PlanError(f"{printable(output)} is a folder, and stdin has no name to keep; give -o a file")
    return Plan([Job(None, Path(output))])


def _is_folder_name(output: str) -> bool:
    return output.endswith(("/", os.sep)) or kind_of(output) == stat.S_IFDIR


def _target(source: Path, output: str | None, into_folder: bool, naming: Naming) -> Path | None:
    if output is None:
        return source.with_name(naming.rename(source, True))
    if into_folder or _is_folder_name(output):
        return Path(output, naming.rename(source, False))
    return None if output == STREAM else Path(output)


def _output_root(folder: Path, output: str | None, several: bool, naming: Naming) -> Path:
    if output is not None and not several:
        return Path(output)
    if folder.name in ("", ".."):  # of `.`, `..` and `/` only the real path tells the name
        folder = folder.resolve()
    if not folder.name:
        raise PlanError(f"{folder} has no name to derive an output folder from; name one with -o")
    if output is not None:
        return Path(output, folder.name)
    return folder.with_name(folder.name + naming.folder_suffix)


def _plan_folder(made: Plan, folder: Path, root: Path, outputs: Collection[str], naming: Naming) -> None:
    for parent, folders, files in os.walk(folder, onerror=made.unreadable.append):
        folders[:] = [name for name in folders if os.path.realpath(Path(parent, name)) not in outputs]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            source = Path(parent, name)
            # A pipe that only looks like a picture would block; a dangling link has to be reported.
            if naming.accepts(source) and kind_of(source) in (0, stat.S_IFREG):
                target = root / source.relative_to(folder).with_name(naming.rename(source, False))
                made.jobs.append(Job(source, target))
            else:
                made.ignored += 1


def _without_collisions(jobs: Sequence[Job]) -> list[Job]:
    """Drop repeated jobs; refuse targets that are one file on any common file system."""
    taken: dict[str, Job] = {}
    for job in jobs:
        other = taken.setdefault(_folded(job.target) if job.target else STREAM, job)
        if other is not job and os.path.realpath(str(other.source)) != os.path.realpath(str(job.source)):
            both = f"{other.source_name} and {job.source_name} would both become {job.target_name}"
            raise PlanError(f"{both}; convert them in separate runs with different -o")
    return list(taken.values())


def _folded(path: Path) -> str:
    """Return the name under which file systems that ignore case and Unicode form find `path`."""
    real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 -- realpath returns str
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", real).casefold())


def run(plan: Plan, load: Callable[[], Convert], *, force: bool = False) -> Iterator[Outcome]:
    """Make one file after the other; a failure ends its own job and no other.

    Args:
        plan: From `plan`.
        load: Returns the conversion; called once, and not at all if every job is skipped. What it raises ends
            the run.
        force: Overwrite outputs that exist.

    Yields:
        The outcome of each job, in order; before them folders that could not be listed, as failures.
    """
    for error in plan.unreadable:
        folder = Job(Path(error.filename), None)
        yield Outcome(folder, "failed", f"{folder.source_name}: cannot be listed: {error.strerror}; check it")
    inputs = {_identity(job.source) for job in plan.jobs if job.source} - {None}
    convert: Convert | None = None
    for job in plan.jobs:
        outcome = _settled(job, inputs, force)
        if outcome is None:
            convert = convert or load()
            outcome = _make(job, convert)
        yield outcome


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what all names of a file share, links of both kinds included; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _settled(job: Job, inputs: Collection[tuple[int, int] | None], force: bool) -> Outcome | None:
    """Return the outcome of a job that needs no work or must not be done."""
    source, target = job.source, job.target
    if source is not None and not kind_of(source):
        return Outcome(job, "failed", f"{job.source_name}: no such file, or out of reach; check the path")
    if target is None or not os.path.lexists(target) or is_device(target):
        return None
    if kind_of(target) == stat.S_IFDIR:
        return Outcome(job, "failed", f"{job.target_name}: is a folder; move it or choose another -o")
    identity = _identity(target)
    if identity and (identity == (source and _identity(source)) or (force and identity in inputs)):
        return Outcome(job, "failed", f"{job.target_name}: is an input and stays as it is; choose another -o")
    return None if force else Outcome(job, "skipped", "skipped, exists; --force overwrites")


def _make(job: Job, convert: Convert) -> Outcome:
    started = time.perf_counter()
    try:
        result = convert(_read(job), job)
        _write(job, result.data)
    except BrokenPipeError:
        raise
    except Exception as error:  # the other files must not suffer from this one
        return Outcome(job, "failed", _explain(error, job), trace=traceback.format_exc())
    measured = {"bytes": len(result.data), "seconds": round(time.perf_counter() - started, 3)}
    return Outcome(job, "done", result.note, {**result.facts, **measured})


def _explain(error: Exception, job: Job) -> str:
    """Return one line that names the file, the fact and the remedy."""
    text = " ".join(str(error).split())
    if isinstance(error, AecodecError):
        name = job.target_name if isinstance(error, OutputError) else job.source_name
        return text if text.startswith(name) else f"{name}: {text}"
    if isinstance(error, OSError):
        return f"{job.source_name}: cannot be read: {error.strerror or text}; check path and permissions"
    # torch reports a failed allocation as a RuntimeError.
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in text):
        return f"{job.source_name}: not enough memory; close other programs or use a smaller picture"
    return f"{job.source_name}: internal error ({type(error).__name__}: {text[:200]}); please report it"


def _read(job: Job) -> bytes:
    if job.source is not None:
        return job.source.read_bytes()
    if sys.stdin is None:
        raise OSError("stdin is closed")
    return sys.stdin.buffer.read()


def _write(job: Job, data: bytes) -> None:
    if job.target is not None:
        write_atomic(job.target, data)
        return
    if sys.stdout is None:
        raise OutputError("<stdout>: is closed; give a file with -o")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # nobody reads any more: there is no point in going on
    except OSError as error:
        raise OutputError(f"<stdout>: cannot be written: {error.strerror}; give a file with -o") from error
