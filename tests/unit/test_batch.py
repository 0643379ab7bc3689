"""Naming, trees, collisions, and files that are written whole or not at all."""

import errno
import os
import stat
import sys
import unicodedata
from pathlib import Path

import pytest

from aecodec import batch, files
from aecodec.batch import Job, Naming, Plan, PlanError, Result
from aecodec.errors import FormatError, OutputError, PictureError

NAMING = Naming("-made", lambda path: path.suffix == ".in", lambda path, beside: path.stem + ".out")


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode())


def listed(folder: str | Path = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def planned(*inputs: str, output: str | None = None) -> list[tuple[str, str]]:
    return [(str(j.source), str(j.target)) for j in batch.plan(inputs, output, NAMING).jobs]


def copy(data: bytes, job: Job) -> Result:
    return Result(data, "copied", {"fact": 1})


def run(*jobs: Job, convert: batch.Convert = copy, force: bool = False) -> list[tuple[str, str]]:
    return [(o.status, o.note) for o in batch.run(Plan(list(jobs)), lambda: convert, force=force)]


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (["a.in"], None, [("a.in", "a.out")]),
        (["sub/b.in"], None, [("sub/b.in", "sub/b.out")]),
        (["a.in"], "x.y", [("a.in", "x.y")]),
        (["a.in"], "sub", [("a.in", "sub/a.out")]),
        (["a.in"], "new/", [("a.in", "new/a.out")]),
        (["a.in"], "-", [("a.in", "None")]),
        (["a.in", "sub/b.in"], "new", [("a.in", "new/a.out"), ("sub/b.in", "new/b.out")]),
        (["sub"], None, [("sub/b.in", "sub-made/b.out"), ("sub/deep/c.in", "sub-made/deep/c.out")]),
        (["sub/"], "new", [("sub/b.in", "new/b.out"), ("sub/deep/c.in", "new/deep/c.out")]),
        (
            ["a.in", "sub"],
            "new",
            [("a.in", "new/a.out"), ("sub/b.in", "new/sub/b.out"), ("sub/deep/c.in", "new/sub/deep/c.out")],
        ),
        (["a.in", "./a.in", "a.in"], None, [("a.in", "a.out")]),
        (["-"], None, [("None", "None")]),
        (["-"], "-", [("None", "None")]),
        (["-"], "x", [("None", "x")]),
        (["./-"], None, [("-", "-.out")]),
    ],
)
def test_every_input_gets_its_documented_output(
    inputs: list[str], output: str | None, expected: list[tuple[str, str]]
) -> None:
    make("a.in", "sub/b.in", "sub/deep/c.in", "sub/other.txt")
    assert planned(*inputs, output=output) == expected


def test_a_folder_given_as_dot_is_named_by_its_real_name(tmp_path: Path) -> None:
    make("sub/b.in")
    os.chdir("sub")
    assert planned(".") == [("b.in", str(tmp_path / "sub-made" / "b.out"))]
    assert planned("../sub/../sub/.") == [("../sub/../sub/b.in", "../sub/../sub-made/b.out")]


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        ([""], None, "empty"),
        (["a.in"], "", "empty"),
        (["-", "a.in"], None, "stdin"),
        (["-"], "sub", "sub is a folder"),
        (["-"], "new/", "new/ is a folder"),
        (["a.in", "sub/b.in"], "-", "stdout"),
        (["sub"], "-", "stdout"),
        (["sub"], "a.in", "a.in is a file"),
        (["a.in", "sub/b.in"], "a.in", "a.in is a file"),
        (["/"], None, "no name"),
    ],
)
def test_senseless_combinations_are_refused_in_one_line(
    inputs: list[str], output: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.in", "sub/b.in")
    with pytest.raises(PlanError, match=words) as caught:
        batch.plan(inputs, output, NAMING)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "output"),
    [
        ("a.in", "a.in2", None),
        ("x/a.in", "y/a.in", "new"),
        ("a.in", "A.in", None),
        ("stra\N{LATIN SMALL LETTER SHARP S}e.in", "STRASSE.in", None),
        (
            unicodedata.normalize("NFC", "\N{LATIN SMALL LETTER E WITH ACUTE}.in"),
            "e\N{COMBINING ACUTE ACCENT}.in",
            None,
        ),
    ],
)
def test_two_inputs_for_one_output_are_refused_with_both_names(one: str, other: str, output: str | None) -> None:
    make(one)
    make(other)
    with pytest.raises(PlanError) as caught:
        batch.plan([one, other], output, NAMING)
    assert one in str(caught.value) and other in str(caught.value) and "different -o" in str(caught.value)


def test_collisions_inside_a_folder_are_refused() -> None:
    make("sub/deep/a.in", "sub/deep/A.in")
    with pytest.raises(PlanError, match="would both become"):
        batch.plan(["sub"], None, NAMING)


def test_a_folder_reached_by_two_paths_collides_with_itself_no_less() -> None:
    make("real/a.in", "b/a.in")
    Path("link").symlink_to("real")
    with pytest.raises(PlanError):
        batch.plan(["link/a.in", "b/a.in"], "real", NAMING)


def test_hidden_files_are_passed_over_and_others_counted() -> None:
    make("sub/a.in", "sub/.b.in", "sub/.git/c.in", "sub/notes.txt", "sub/deep/more.txt")
    plan = batch.plan(["sub"], None, NAMING)
    assert [job.source for job in plan.jobs] == [Path("sub/a.in")]
    assert plan.ignored == 2


@pytest.mark.parametrize("output", ["sub/new", "sub/new/", "./sub/deep/../new", "sub/link"])
def test_an_output_folder_inside_the_input_folder_is_not_read(output: str) -> None:
    make("sub/a.in", "sub/new/earlier.in", "sub/deep/b.in")
    Path("sub/link").symlink_to("new")
    assert [source for source, _ in planned("sub", output=output)] == ["sub/a.in", "sub/deep/b.in"]


def test_results_may_lie_in_the_input_folder_itself() -> None:
    make("sub/a.in", "sub/deep/b.in")
    assert planned("sub", output="sub") == [("sub/a.in", "sub/a.out"), ("sub/deep/b.in", "sub/deep/b.out")]


def test_links_that_loop_do_not_hang_and_links_to_files_are_read() -> None:
    make("sub/a.in", "elsewhere.in")
    Path("sub/loop").symlink_to(".")
    Path("sub/self.in").symlink_to("self.in")
    Path("sub/z.in").symlink_to("../elsewhere.in")
    sources = [source for source, _ in planned("sub")]
    assert sources == ["sub/a.in", "sub/self.in", "sub/z.in"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_not_opened() -> None:
    make("sub/a.in")
    os.mkfifo("sub/pipe.in")
    plan = batch.plan(["sub"], None, NAMING)
    assert len(plan.jobs) == 1 and plan.ignored == 1


def test_a_folder_that_cannot_be_listed_is_a_failure_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make("sub/a.in", "sub/locked/b.in")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    plan = batch.plan(["sub"], None, NAMING)
    outcomes = list(batch.run(plan, lambda: copy))
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert outcomes[0].note.startswith("sub/locked: cannot be listed: Permission denied")


def test_names_too_long_for_the_system_fail_alone() -> None:
    make("a.in")
    long = "x" * 300 + ".in"
    jobs = batch.plan([long, "a.in"], None, NAMING).jobs
    assert [status for status, _ in run(*jobs)] == ["failed", "done"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PictureError("a.in: is empty; try another"), "a.in: is empty; try another"),
        (FormatError("is cut short; copy it again"), "a.in: is cut short; copy it again"),
        (OutputError("cannot be JPEG; use png"), "a.out: cannot be JPEG; use png"),
        (
            OSError(errno.EIO, "Input/output error"),
            "a.in: cannot be read: Input/output error; check path and permissions",
        ),
        (MemoryError(), "a.in: not enough memory; close other programs or use a smaller picture"),
        (
            RuntimeError("can't allocate memory"),
            "a.in: not enough memory; close other programs or use a smaller picture",
        ),
        (KeyError("two\nlines"), "a.in: internal error (KeyError: 'two\\nlines'); please report it"),
        (ValueError("two\nlines"), "a.in: internal error (ValueError: two lines); please report it"),
    ],
)
def test_whatever_one_file_raises_is_one_line_and_the_next_is_done(error: Exception, words: str) -> None:
    make("a.in", "b.in")

    def convert(data: bytes, job: Job) -> Result:
        if job.source == Path("a.in"):
            raise error
        return Result(data)

    outcomes = run(*batch.plan(["a.in", "b.in"], None, NAMING).jobs, convert=convert)
    assert outcomes == [("failed", words), ("done", "")]
    assert not Path("a.out").exists() and Path("b.out").read_bytes() == b"b.in"


def test_outcomes_carry_facts_and_measures() -> None:
    make("a.in")
    (outcome,) = batch.run(Plan([Job(Path("a.in"), Path("a.out"))]), lambda: copy)
    assert outcome.facts.keys() == {"fact", "bytes", "seconds"} and outcome.facts["bytes"] == 4


def test_existing_outputs_are_skipped_unless_forced_and_skipping_loads_nothing() -> None:
    make("a.in", "a.out")
    job = Job(Path("a.in"), Path("a.out"))
    assert [o.note for o in batch.run(Plan([job]), lambda: pytest.fail("loaded"))] == [
        "skipped, exists; --force overwrites"
    ]
    assert Path("a.out").read_bytes() == b"a.out"
    assert run(job, force=True)[0][0] == "done"
    assert Path("a.out").read_bytes() == b"a.in"


def test_a_missing_input_fails_even_if_its_output_exists() -> None:
    make("a.out")
    ((status, note),) = run(Job(Path("a.in"), Path("a.out")))
    assert status == "failed" and note.startswith("a.in: no such file")


def test_conversion_is_loaded_once_and_its_failure_ends_the_run() -> None:
    make("a.in", "b.in")
    jobs = batch.plan(["a.in", "b.in"], None, NAMING)
    calls: list[int] = []
    assert len(list(batch.run(jobs, lambda: calls.append(1) or copy))) == 2 and len(calls) == 1

    def broken() -> batch.Convert:
        raise FormatError("no weights")

    with pytest.raises(FormatError):
        list(batch.run(jobs, broken, force=True))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["same", "hard", "symbolic", "other spelling"])
def test_nothing_is_ever_written_over_its_input(kind: str, force: bool) -> None:
    make("a.in")
    target = {"same": "a.in", "other spelling": "./sub/../a.in"}.get(kind, "b.out")
    Path("sub").mkdir()
    if kind == "hard":
        Path("b.out").hardlink_to("a.in")
    elif kind == "symbolic":
        Path("b.out").symlink_to("a.in")
    ((status, note),) = run(Job(Path("a.in"), Path(target)), force=force)
    assert status == "failed" and "is an input" in note and "\n" not in note
    assert Path("a.in").read_bytes() == b"a.in"


def test_force_does_not_overwrite_the_input_of_another_job() -> None:
    make("a.in", "b.in")
    jobs = Job(Path("a.in"), Path("b.in")), Job(Path("b.in"), Path("c.out"))
    assert [status for status, _ in run(*jobs)] == ["skipped", "done"]
    assert [status for status, _ in run(*jobs, force=True)] == ["failed", "done"]
    assert Path("b.in").read_bytes() == b"b.in"


def test_a_folder_in_the_place_of_the_output_is_a_failure() -> None:
    make("a.in", "a.out/file")
    for force in (False, True):
        ((status, note),) = run(Job(Path("a.in"), Path("a.out")), force=force)
        assert status == "failed" and "a.out: is a folder" in note


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_or_a_closed_stdout_ends_the_run(error: type[BaseException]) -> None:
    make("a.in")

    def convert(data: bytes, job: Job) -> Result:
        raise error

    with pytest.raises(error):
        run(Job(Path("a.in"), Path("a.out")), convert=convert)
    assert listed() == ["a.in"]


def test_printable_names_cannot_break_lines_or_steer_terminals() -> None:
    assert files.printable("a\n\x1b[31m\udcff\u202eb \N{LATIN SMALL LETTER E WITH ACUTE}.png") == (
        "a\ufffd\ufffd[31m\ufffd\ufffdb \N{LATIN SMALL LETTER E WITH ACUTE}.png"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a umask")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_the_umask(umask: int) -> None:
    before = os.umask(umask)
    try:
        files.write_atomic(Path("new"), b"data")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("new").stat().st_mode) == 0o666 & ~umask


def test_folders_on_the_way_are_made_and_long_names_fit() -> None:
    name = Path("some", "where", "x" * 250 + ".out")
    files.write_atomic(name, b"data")
    assert name.read_bytes() == b"data" and listed(name.parent) == [name.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a.out")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))
    with pytest.raises((OutputError, KeyboardInterrupt)) as caught:
        files.write_atomic(Path("a.out"), b"new")
    if isinstance(error, OSError):
        assert str(caught.value) == "a.out: cannot be written: No space left on device; try another -o"
    assert listed() == ["a.out"] and Path("a.out").read_bytes() == b"a.out"


def test_a_file_where_a_folder_should_be_is_one_line() -> None:
    make("file")
    with pytest.raises(OutputError, match="file/x: cannot be written"):
        files.write_atomic(Path("file/x"), b"data")
    assert listed() == ["file"]


def test_a_link_stays_a_link_and_its_file_gets_the_data() -> None:
    make("sub/real")
    Path("link").symlink_to("sub/real")
    files.write_atomic(Path("link"), b"new")
    assert Path("link").is_symlink() and Path("sub/real").read_bytes() == b"new"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_written_to_and_never_replaced(force: bool) -> None:
    make("a.in")
    assert run(Job(Path("a.in"), Path("/dev/null")), force=force) == [("done", "copied")]
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
