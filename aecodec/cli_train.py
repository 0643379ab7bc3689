"""The `train` commands: make, continue and export weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from aecodec.cli_types import Finite
from aecodec.errors import OutputError, PictureError

_A_FILE = click.Path(dir_okay=False, path_type=Path)
_A_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def train() -> None:
    """Train the weights on your own pictures.

    \b
    Examples:
      aecodec train codec --data photos/ --minutes 600 -o runs/codec.pt
      aecodec train codec --data photos/ --minutes 60 -o runs/codec.pt --resume runs/codec.pt
      aecodec train codec --data photos/ --minutes 60 -o runs/mine.pt --resume weights/codec.safetensors
      aecodec train export runs/codec.pt -o codec.safetensors
    """


def _training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that both networks are trained with."""
    options: list[Callable[[Any], Any]] = [
        click.option("--data", type=_A_FOLDER, required=True, help="Folder of pictures, read recursively."),
        click.option(
            "--minutes",
            type=Finite(min=0, min_open=True),
            default=60.0,
            show_default=True,
            help="Length of the run, cool-down included.",
        ),
        click.option("--resume", type=_A_FILE, metavar="CKPT", help="Checkpoint, or weights, to continue from."),
        click.option("-o", "--output", "checkpoint", type=_A_FILE, required=True, help="Checkpoint to write."),
        click.option(
            "--held-out",
            type=_A_FILE,
            metavar="FILE",
            help="File names to evaluate on, never to train on. Default: 32 or a tenth, spread over the sources.",
        ),
        click.option("--batch", type=click.IntRange(min=2), default=8, show_default=True, help="Patches a step."),
        click.option(
            "--patch",
            type=click.IntRange(min=16),
            multiple=True,
            default=(128, 192, 256),
            show_default=True,
            help="Side of the patches in pixels, a multiple of 64 (denoiser: 16); again for the sizes to grow to.",
        ),
        click.option(
            "--grow-at",
            type=Finite(0, 1),
            multiple=True,
            metavar="SHARE",
            show_default="0.65, 0.9, 0.97, ...",
            help="Share of the run after which the next --patch begins; once for each but the first.",
        ),
        click.option(
            "--cooldown",
            type=Finite(0, 1),
            default=0.4,
            show_default=True,
            help="Share of the run in which the learning rate falls to nothing; 0 for a run to be continued.",
        ),
        click.option(
            "--lr",
            type=Finite(min=0, min_open=True),
            default=1e-3,
            show_default=True,
            help="Learning rate of Adam after warm-up.",
        ),
        click.option(
            "--ema",
            type=Finite(0, 1, max_open=True),
            default=0.998,
            show_default=True,
            help="Decay per step of the averaged weights, which are those that export writes.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads to use."),
        click.option(
            "--processes",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Share the batch and the threads among processes: on two cores, 2 are the fastest.",
        ),
        click.option(
            "--bfloat16",
            is_flag=True,
            help="Compute most layers in bfloat16: up to twice as fast on CPUs that have avx512_bf16 or amx_bf16.",
        ),
    ]
    for decorate in reversed(options):
        command = decorate(command)
    return command


@train.command("codec")
@_training_options
def train_codec(**options: Any) -> None:
    """Train the codec.

    Leaves a checkpoint that holds all that --resume needs, and beside it a log as .csv.

    \b
    Example:
      aecodec train codec --data photos/ --minutes 600 -o runs/codec.pt
    """
    _train("codec", **options)


@train.command("denoiser")
@_training_options
def train_denoiser(**options: Any) -> None:
    """Train the denoiser.

    Leaves a checkpoint that holds all that --resume needs, and beside it a log as .csv.

    \b
    Example:
      aecodec train denoiser --data photos/ --minutes 600 -o runs/denoiser.pt
    """
    _train("denoiser", **options)


@train.command("export")
@click.argument("checkpoint", type=_A_FILE)
@click.option("-o", "--output", type=_A_FILE, required=True, help="Weights file, .safetensors.")
def train_export(checkpoint: Path, output: Path) -> None:
    """Export a checkpoint as the weights file that encode, decode and denoise load.

    \b
    Example:
      aecodec train export runs/codec.pt -o weights/codec.safetensors
    """
    from aecodec.train.export import export

    with _readable_errors():
        click.echo(f"{output}: sha256 {export(checkpoint, output)}", err=True)


def _train(
    kind: str,
    data: Path,
    minutes: float,
    resume: Path | None,
    checkpoint: Path,
    held_out: Path | None,
    batch: int,
    patch: tuple[int, ...],
    grow_at: tuple[float, ...],
    cooldown: float,
    lr: float,
    ema: float,
    seed: int,
    threads: int | None,
    processes: int,
    bfloat16: bool,
) -> None:
    import torch

    from aecodec.networks import DENOISER_STRIDE, HYPER_STRIDE
    from aecodec.train.data import choose_held_out
    from aecodec.train.loop import Settings, growth, train

    if threads is not None:
        torch.set_num_threads(threads)
    stride = HYPER_STRIDE if kind == "codec" else DENOISER_STRIDE
    if any(side % stride for side in patch) or list(patch) != sorted(patch):
        raise click.UsageError(f"--patch: give multiples of {stride}, from small to large")
    grow_at = grow_at or growth(len(patch))
    if len(grow_at) != len(patch) - 1 or list(grow_at) != sorted(set(grow_at)):
        raise click.UsageError("--grow-at: give a share for each --patch but the first, from small to large")
    if batch % processes:
        raise click.UsageError(f"--batch: {batch} patches cannot be shared evenly by {processes} processes")
    settings = Settings(
        kind=kind,
        minutes=minutes,
        batch=batch,
        patches=patch,
        grow_at=grow_at,
        lr=lr,
        cooldown=cooldown,
        ema=ema,
        seed=seed,
        processes=processes,
        bfloat16=bfloat16,
    )
    with _readable_errors():
        names = _names(held_out) if held_out else choose_held_out(data)
        figures = train(data, checkpoint, settings, names, resume)
    click.echo("  ".join(f"{name} {value:.4g}" for name, value in figures.items()), err=True)


def _names(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError as error:
        raise PictureError(f"{path}: is no list of file names; give a text file") from error


@contextlib.contextmanager
def _readable_errors() -> Iterator[None]:
    """Name the file when the system refuses to read or write one."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}; check path, permissions and space") from error
