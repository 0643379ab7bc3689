"""Prose against code: README's commands run, every command has help with an example."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aecodec.cli import cli
from tests.conftest import ROOT, SAMPLES

README = (ROOT / "README.md").read_text()


def block_after(heading: str) -> str:
    """The first shell block below a heading of README."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(r"```sh\n(.*?)```", section, re.S)
    assert found, heading
    return found[1]


def commands(group: click.Group) -> list[click.Command]:
    """All commands below a group."""
    return [
        leaf
        for command in group.commands.values()
        for leaf in (commands(command) if isinstance(command, click.Group) else [command])
    ]


def test_the_commands_of_the_usage_section_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    shutil.copy(SAMPLES / "portrait.jpg", tmp_path / "photos")
    shutil.copy(SAMPLES / "sparrow.jpg", tmp_path / "photos" / "deep")
    shutil.copy(SAMPLES / "sparrow.jpg", tmp_path / "photo.jpg")
    shutil.copy(SAMPLES / "receipt_noisy.png", tmp_path / "noisy.png")
    monkeypatch.chdir(tmp_path)
    for line in block_after("Use").splitlines():
        if "|" not in line:  # in this process: a new one loads torch for seconds
            program, *arguments = shlex.split(line, comments=True)
            result = CliRunner().invoke(cli, arguments)
            assert (program, result.exit_code) == ("aecodec", 0), (line, result.stderr)
            continue
        script = f'aecodec() {{ "{sys.executable}" -m aecodec "$@"; }}\n{line}'
        run = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, (line, run.stderr)
    assert (tmp_path / "photo.aec").stat().st_size < (tmp_path / "photo.jpg").stat().st_size
    made = sorted(p.relative_to(tmp_path / "photos-encoded") for p in (tmp_path / "photos-encoded").rglob("*.aec"))
    assert made == [Path("deep/sparrow.aec"), Path("portrait.aec")]


def test_readme_gives_exactly_two_set_up_commands_and_ci_runs_the_second_one_s_tests() -> None:
    lines = block_after("Set up").strip().splitlines()
    runs = [line for line in lines if line and not line.startswith("#")]
    assert len(runs) == 2
    assert runs[1].endswith("/bin/python -m pytest")
    assert '/bin/python" -m pytest' in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("command", commands(cli), ids=lambda c: c.name or "")
def test_every_command_has_help_with_an_example(command: click.Command) -> None:
    text = command.get_help(click.Context(command))
    assert re.search(r"aecodec \w+", text), text
    assert "Examples:" in text or "Example:" in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} --{parameter.name} has no help"


def test_the_format_section_states_the_header_of_the_container() -> None:
    from aecodec import container

    section = README.split("\n## Format\n")[1].split("\n## ")[0]
    for field in (
        "magic",
        "version",
        "mode",
        "quality",
        "width",
        "height",
        "model",
        "type",
        "length",
        "payload",
        "crc",
    ):
        assert re.search(rf"^\| {field} \|", section, re.M), field
    assert f"{container.HEADER.size} bytes" in section


def test_the_repository_s_links_of_readme_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
