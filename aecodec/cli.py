"""Commands: words in; files, messages and exit codes out.

Data and JSON go to stdout, words to stderr. Exit codes: 0 all done or skipped, 1 something failed, 2 the
command line makes no sense and nothing was started, 130 interrupted, 141 nobody reads stdout any more.

Nothing here may load torch, numpy or Pillow before a command needs them: `--help` has to be instant.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from aecodec import __version__, batch
from aecodec.batch import Convert, Job, Naming, Result
from aecodec.cli_bench import bench
from aecodec.cli_info import info
from aecodec.cli_train import train
from aecodec.cli_types import Bytes, Finite
from aecodec.errors import AecodecError, OutputError
from aecodec.files import printable
from aecodec.report import report, step_bar

if TYPE_CHECKING:
    from aecodec.imageio import Picture


class Commands(click.Group):
    """The command group; turns everything that can end a run into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            ctx.exit(141)
        except AecodecError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            # Files are opened under names of their own errors; what is left is stdout or stderr.
            fact = error.strerror or str(error)
            raise click.ClickException(f"<stdout>: cannot be written: {fact}; check where it goes") from error
        except Exception as error:
            if os.environ.get("AECODEC_DEBUG"):
                raise
            fact = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise click.ClickException(f"internal error ({fact}); please report it") from error


@dataclass(frozen=True)
class Options:
    """What `encode`, `decode` and `denoise` have in common."""

    inputs: tuple[str, ...]
    output: str | None
    force: bool
    strip: bool
    as_json: bool
    quiet: bool
    threads: int | None
    device: str
    weights: Path | None


def shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all conversions share, bundled as its first argument."""

    @functools.wraps(command)
    def bundled(**values: Any) -> None:
        shared = {name: values.pop(name) for name in Options.__dataclass_fields__}
        command(Options(**shared), **values)

    options = [
        click.argument("inputs", nargs=-1, required=True, metavar="INPUTS..."),
        click.option("-o", "--output", metavar="OUT", help="Output file or folder; - for stdout."),
        click.option("--force", is_flag=True, help="Overwrite existing outputs (never an input)."),
        click.option("--strip", is_flag=True, help="Drop EXIF, ICC profile and XMP."),
        click.option("--json", "as_json", is_flag=True, help="Report one JSON object a line per file."),
        click.option("--quiet", is_flag=True, help="Report failures only."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads to use."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps."),
        click.option(
            "--weights",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Weights of your own, from `aecodec train export`; .aec files need those that made them.",
        ),
    ]
    for decorate in reversed(options):
        bundled = decorate(bundled)
    return bundled


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Compress and denoise photographs with a small convolutional autoencoder.

    Inputs are files, folders (read recursively, written as a mirrored tree beside them), or - for stdin.
    Existing outputs are skipped unless --force is given. Two inputs that would become the same file are
    refused before any work starts. Exit codes: 0 all done, 1 some failed, 2 usage.

    \b
    Examples:
      aecodec encode photo.png
      aecodec denoise holiday/ && aecodec encode holiday-denoised/ -o archive/
      curl -s URL | aecodec encode - | aecodec decode - > photo.png
    """


@cli.command()
@click.option("-q", "--quality", type=Finite(0, 100), default=50.0, show_default=True, help="0 smallest, 100 best.")
@click.option("--target-size", type=Bytes(), metavar="SIZE", help="Best quality below a file size: 9500, 200k, 1.5M.")
@click.option("--target-bpp", type=Finite(min=0, min_open=True), metavar="BPP", help="Likewise, in bits per pixel.")
@click.option("--target-psnr", type=Finite(min=0, max=99), metavar="DB", help="Smallest file of that fidelity in dB.")
@click.option(
    "--effort",
    type=click.IntRange(0, 9),
    metavar="N",
    default=1,
    show_default=True,
    help="0 and 1 are fast; 2 to 9 need fewer bytes for the same fidelity, in up to a thousand times the time.",
)
@click.option("--denoise", "denoise_first", is_flag=True, help="Denoise first: noise costs more bytes than all else.")
@shared_options
def encode(
    options: Options,
    quality: float,
    target_size: int | None,
    target_bpp: float | None,
    target_psnr: float | None,
    effort: int,
    denoise_first: bool,
) -> None:
    """Encode pictures as .aec files.

    photo.png becomes photo.aec beside it, photos/ becomes photos-encoded/. With --strip, alpha is kept.
    A target searches the quality for each picture, to within 1.5 % of the size or 0.05 dB; it takes a few times
    as long. Effort 0 rounds, 1 weighs bytes against error, 2 to 9 refine the code of each picture step by step;
    at the same quality they may gain fidelity instead of bytes, which a target turns into either.

    \b
    Examples:
      aecodec encode photo.png -q 70
      aecodec encode photos/ -o archive/ --json > report.jsonl
      aecodec encode night.jpg --denoise
      aecodec encode photo.png --target-size 200k
      aecodec encode photo.png --effort 5
      magick scan.tif png:- | aecodec encode - > scan.aec
    """
    targets = [target_size, target_bpp, target_psnr]
    by_quality = click.get_current_context().get_parameter_source("quality") is ParameterSource.COMMANDLINE
    if by_quality + sum(target is not None for target in targets) > 1:
        raise click.UsageError("--quality, --target-size, --target-bpp and --target-psnr exclude each other; give one")
    from aecodec import imageio

    def load() -> Convert:
        from aecodec.codec import Codec
        from aecodec.denoise import Denoiser

        _prepare_torch(options)
        codec = Codec.load(options.device, options.weights)
        denoiser = Denoiser.load(options.device) if denoise_first else None

        def convert(data: bytes, job: Job) -> Result:
            picture = _stripped(imageio.read(data, job.source_name), options)
            if denoiser is not None:
                picture = denoiser.denoise(picture)
            pixels = picture.height * picture.width
            with step_bar(job.source_name, shown=not (options.as_json or options.quiet)) as progress:
                if target_psnr is not None:
                    coded, found = codec.encode_to_psnr(picture, target_psnr, effort, progress)
                elif target_size is not None or target_bpp is not None:
                    limit = target_size or int(cast(float, target_bpp) * pixels / 8)
                    coded, found = codec.encode_to_size(picture, limit, effort, progress)
                else:
                    coded, found = codec.encode(picture, quality, effort, progress), quality
            bpp = 8 * len(coded) / pixels
            facts = {
                "width": picture.width,
                "height": picture.height,
                "quality": found,
                "bpp": round(bpp, 4),
            }
            return Result(coded, f"{_size(len(coded))}  {bpp:.3f} bpp", facts)

        return convert

    def rename(source: Path, beside: bool) -> str:
        return (source.stem if imageio.accepts(source) else source.name) + ".aec"

    _run(options, Naming("-encoded", imageio.accepts, rename), load)


@cli.command()
@click.option("--format", "suffix", metavar="FORMAT", help="Format to write: png, jpg, webp, tiff, ...  [default: png]")
@shared_options
def decode(options: Options, suffix: str | None) -> None:
    """Decode .aec files to pictures.

    photo.aec becomes photo.png beside it, archive/ becomes archive-decoded/. The format is that of --format,
    else that of the name after -o, else PNG.

    \b
    Examples:
      aecodec decode photo.aec -o photo.tiff
      aecodec decode archive/ -o pictures/ --format webp
      aecodec decode photo.aec -o - | magick - -resize 50% small.png
    """
    from aecodec import imageio

    suffix = suffix.lower().lstrip(".") if suffix is not None else None
    try:
        if suffix is not None and not suffix.isalnum():
            raise OutputError("not a suffix")
        chosen = None if suffix is None else imageio.format_of(f"picture.{suffix}")
    except OutputError as error:
        message = f"{printable(suffix or '')} is no picture format that can be written; try png."
        raise click.BadParameter(message, param_hint="--format") from error

    def load() -> Convert:
        from aecodec.codec import Codec

        _prepare_torch(options)
        codec = Codec.load(options.device, options.weights)

        def convert(data: bytes, job: Job) -> Result:
            started = time.perf_counter()
            format = chosen or (imageio.format_of(job.target_name) if job.target else "PNG")
            return _picture_result(_stripped(codec.decode(data), options), format, started)

        return convert

    def accepts(path: Path) -> bool:
        return path.suffix.lower() == ".aec"

    def rename(source: Path, beside: bool) -> str:
        return f"{source.stem if accepts(source) else source.name}.{suffix or 'png'}"

    _run(options, Naming("-decoded", accepts, rename), load)


@cli.command()
@click.option(
    "--sigma",
    type=Finite(0, 255),
    metavar="N",
    show_default="estimated",
    help="Standard deviation of the noise, on the scale of 0 to 255. At 0 fine texture still loses a little.",
)
@click.option(
    "--strength",
    type=Finite(0, 10),
    default=1.0,
    show_default=True,
    help="0 changes nothing, 1 is the full effect, more is stronger.",
)
@click.option(
    "--tile",
    type=click.IntRange(min=64),
    metavar="N",
    default=1024,
    show_default=True,
    help="Side of the tiles in pixels, without seams: smaller takes less memory and more time.",
)
@shared_options
def denoise(options: Options, sigma: float | None, strength: float, tile: int) -> None:
    """Remove noise from pictures.

    photo.jpg becomes photo-denoised.jpg beside it, photos/ becomes photos-denoised/ with the same names
    inside. Formats that cannot be written become PNG; so does stdout. `aecodec info photo.jpg` tells how strong
    the noise is.

    \b
    Examples:
      aecodec denoise photo.jpg --strength 0.7
      aecodec denoise photos/ -o clean/
      aecodec denoise photo.jpg -o - | aecodec encode - -o photo.aec
    """
    from aecodec import imageio

    def load() -> Convert:
        from aecodec.denoise import Denoiser

        _prepare_torch(options)
        denoiser = Denoiser.load(options.device, options.weights, tile - tile % 16)

        def convert(data: bytes, job: Job) -> Result:
            started = time.perf_counter()
            format = imageio.format_of(job.target_name) if job.target else "PNG"
            picture = _stripped(imageio.read(data, job.source_name), options)
            clean = denoiser.denoise(picture, sigma=sigma, strength=strength)
            return _picture_result(clean, format, started)

        return convert

    def rename(source: Path, beside: bool) -> str:
        try:
            imageio.format_of(source.name)
            suffix = source.suffix
        except OutputError:
            suffix = ".png"
        stem = source.stem if imageio.accepts(source) else source.name
        return f"{stem}-denoised{suffix}" if beside else f"{stem}{suffix}"

    _run(options, Naming("-denoised", imageio.accepts, rename), load)


def _prepare_torch(options: Options) -> None:
    """Set the number of threads, and refuse a device that is not there."""
    if options.threads is None and options.device == "cpu":
        return
    import torch

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        torch.zeros(1, device=options.device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        message = f"{printable(options.device)} is no device of this machine; try cpu."
        raise click.BadParameter(message, param_hint="--device") from error


def _stripped(picture: Picture, options: Options) -> Picture:
    return replace(picture, icc=None, exif=None, xmp=None) if options.strip else picture


def _picture_result(picture: Picture, format: str, started: float) -> Result:
    from aecodec import imageio

    data = imageio.write(picture, format)
    note = f"{picture.width}x{picture.height}  {time.perf_counter() - started:.2f} s"
    return Result(data, note, {"width": picture.width, "height": picture.height, "format": format})


def _size(count: int) -> str:
    """Return a number of bytes for people, in decimal units."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"


def _run(options: Options, naming: Naming, load: Callable[[], Convert]) -> None:
    """Plan, convert, report, exit."""
    try:
        plan = batch.plan(options.inputs, options.output, naming)
    except batch.PlanError as error:
        raise click.UsageError(str(error)) from error
    to_stdout = any(job.target is None for job in plan.jobs)
    if to_stdout and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError("the result is binary, stdout a terminal; redirect it or name a file with -o")
    outcomes = batch.run(plan, load, force=options.force)
    failures = report(plan, outcomes, as_json=options.as_json, quiet=options.quiet)
    click.get_current_context().exit(int(failures > 0))


cli.add_command(info)
cli.add_command(bench)
cli.add_command(train)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    cli(prog_name="aecodec")
