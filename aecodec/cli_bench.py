"""The `bench` commands: ours beside what people use today, on the user's own pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aecodec.cli_types import Finite
from aecodec.errors import AecodecError
from aecodec.files import printable, write_atomic

if TYPE_CHECKING:
    from aecodec.bench.present import Results
    from aecodec.bench.session import Session

_A_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_LIBRARIES = ("matplotlib", "pytorch_msssim", "scipy", "ssimulacra2")


Callback = Callable[[click.Context, click.Parameter, "str | None"], "tuple[Any, ...] | None"]


def _numbers(low: float, high: float) -> Callback:
    """Return a callback that makes a tuple of numbers out of values with commas between them."""
    number = Finite(low, high)
    return lambda ctx, param, value: _split(value, lambda part: number.convert(part, param, ctx))


def _names(known: Callable[[], Sequence[str]]) -> Callback:
    """Return a callback that makes a tuple of names out of values with commas between them.

    Args:
        known: Returns those that are allowed; a function, so that help loads none of the modules that have them.
    """

    def check(part: str) -> str:
        if part not in known():
            raise click.BadParameter(f"{printable(part)} is none of {', '.join(known())}.")
        return part

    return lambda ctx, param, value: _split(value, check)


def _split(value: str | None, convert: Callable[[str], Any]) -> tuple[Any, ...] | None:
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise click.BadParameter("is empty; give values with commas between them.")
    return tuple(dict.fromkeys(convert(part) for part in parts))


def _codec_names() -> Sequence[str]:
    from aecodec.bench.peers import NAMES

    return NAMES


def _denoiser_names() -> Sequence[str]:
    from aecodec.bench.denoisers import NAMES

    return NAMES


def _metric_names() -> Sequence[str]:
    from aecodec.bench.codec import METRICS

    return tuple(METRICS)


def _shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that both runs share."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--crops",
            type=click.IntRange(min=0),
            default=6,
            show_default=True,
            metavar="N",
            help="Pictures to show crops of in the report.",
        ),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads to use."),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            required=True,
            help="Folder for report, plots and tables; a run that was interrupted goes on there.",
        ),
    ]
    for decorate in reversed(options):
        command = decorate(command)
    return command


@click.group()
def bench() -> None:
    """Compare with other codecs and denoisers on your own pictures.

    \b
    Examples:
      aecodec bench codec photos/ -o report/
      aecodec bench denoise photos/ -o report/
    """


@bench.command("codec")
@click.argument("folder", type=_A_FOLDER)
@click.option(
    "--peers",
    callback=_names(_codec_names),
    metavar="LIST",
    show_default="all that are installed",
    help="Of jpeg,jpeg444,webp,avif,jxl,jpeg2000,pca; JPEG is always there.",
)
@click.option(
    "--qualities",
    callback=_numbers(0, 100),
    metavar="LIST",
    show_default="those that suit each codec",
    help="Such as 10,30,50,70,90, for all codecs.",
)
@click.option(
    "--metrics",
    callback=_names(_metric_names),
    metavar="LIST",
    show_default="all, but ssimulacra2 up to 4 megapixels in all",
    help="Of psnr,ms-ssim,ssimulacra2; psnr is always there.",
)
@click.option(
    "--effort",
    "efforts",
    type=click.IntRange(0, 9),
    multiple=True,
    help="Measure aecodec at this effort too; repeatable. With 2 to 9 it takes minutes a megapixel.",
)
@click.option(
    "--bpp",
    type=Finite(min=0, min_open=True),
    multiple=True,
    default=(0.5,),
    show_default=True,
    help="Bits per pixel at which crops are compared; repeatable.",
)
@_shared_options
@click.pass_context
def bench_codec(
    ctx: click.Context,
    folder: Path,
    peers: tuple[str, ...] | None,
    qualities: tuple[float, ...] | None,
    metrics: tuple[str, ...] | None,
    efforts: tuple[int, ...],
    bpp: tuple[float, ...],
    crops: int,
    threads: int | None,
    output: Path,
) -> None:
    """Measure rate, distortion, time and memory of codecs.

    Every figure comes from a real file that was decoded again. The folder given with -o receives codec.html (open
    it in a browser; it needs no network), codec.csv and codec.json with all rows, and the plots as PNG and SVG.

    \b
    Examples:
      aecodec bench codec photos/ -o report/
      aecodec bench codec photos/ -o report/ --peers webp,avif --qualities 20,40,60,80 --bpp 0.3 --bpp 1
    """
    _require_libraries()
    from aecodec.bench import codec, present, sources
    from aecodec.bench import peers as codecs
    from aecodec.bench.session import Session
    from aecodec.codec import Codec

    _set_threads(threads)
    with Session(output, "codec") as session:
        pictures, failures = sources.find(folder, output)
        _tell(session, failures)
        wanted = codecs.NAMES if peers is None else tuple(dict.fromkeys((codecs.ANCHOR, *peers)))
        others, missing = codecs.find(wanted, pictures)
        for line in missing:
            session.say(line)
        own = Codec.load()
        ours = [codecs.ours(own), *(codecs.ours(own, effort) for effort in dict.fromkeys(efforts))]
        contestants = [*ours, *others]
        names = tuple(dict.fromkeys(("psnr", *metrics))) if metrics else codec.default_metrics(pictures)
        found = codec.measure(session, pictures, contestants, qualities, names, bpp, crops)
        results = present.codec_results(found, contestants, names) if found.rows else None
    _finish(ctx, session, results, output)


@bench.command("denoise")
@click.argument("folder", type=_A_FOLDER, required=False)
@click.option(
    "--pairs",
    type=(_A_FOLDER, _A_FOLDER),
    metavar="NOISY CLEAN",
    help="Two folders with pictures of equal names, for real noise, instead of a folder of clean ones.",
)
@click.option(
    "--sigma",
    "sigmas",
    callback=_numbers(0, 255),
    default="15,25,50",
    show_default=True,
    metavar="LIST",
    help="Standard deviations of the noise to add, on the scale of 0 to 255.",
)
@click.option(
    "--peers",
    callback=_names(_denoiser_names),
    metavar="LIST",
    show_default="all that are installed, but bm3d: minutes a megapixel",
    help="Of nlm,bm3d,wavelet,tv.",
)
@_shared_options
@click.pass_context
def bench_denoise(
    ctx: click.Context,
    folder: Path | None,
    pairs: tuple[Path, Path] | None,
    sigmas: tuple[float, ...],
    peers: tuple[str, ...] | None,
    crops: int,
    threads: int | None,
    output: Path,
) -> None:
    """Measure how well denoisers restore pictures, and how fast.

    White Gaussian noise is added to clean pictures, clipped and rounded to 8 bits as files are; or --pairs gives
    pictures with real noise and without. The folder given with -o receives denoise.html (open it in a browser; it
    needs no network), denoise.csv and denoise.json with all rows, and the plot as PNG and SVG.

    \b
    Examples:
      aecodec bench denoise photos/ -o report/
      aecodec bench denoise --pairs iso6400/ tripod/ -o report/ --peers nlm,wavelet
    """
    _require_libraries()
    if (folder is None) == (pairs is None):
        raise click.UsageError("give either a folder of clean pictures or --pairs NOISY CLEAN")
    from aecodec import pretrained
    from aecodec.bench import denoise, denoisers, present, sources
    from aecodec.bench.session import Session

    _set_threads(threads)
    with Session(output, "denoise") as session:
        pictures, failures = sources.find_pairs(*pairs, output) if pairs else sources.find(Path(folder or ""), output)
        _tell(session, failures)
        others, missing = denoisers.find(denoisers.DEFAULT if peers is None else peers, known=pairs is None)
        for line in missing:
            session.say(line)
        methods = [*denoisers.ours(pretrained.load("denoiser"), known=pairs is None), *others]
        rows = denoise.measure(session, pictures, methods, sigmas, crops)
        results = present.denoise_results(rows, methods) if rows else None
    _finish(ctx, session, results, output)


@bench.command("noisy")
@click.argument("folder", type=_A_FOLDER)
@click.option(
    "--sigma",
    "sigmas",
    callback=_numbers(0, 255),
    default="15,25",
    show_default=True,
    metavar="LIST",
    help="Standard deviations of the noise to add, on the scale of 0 to 255.",
)
@click.option("-q", "--quality", type=Finite(0, 100), default=50.0, show_default=True, help="Of the .aec files.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads to use.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the tables.")
@click.pass_context
def bench_noisy(
    ctx: click.Context, folder: Path, sigmas: tuple[float, ...], quality: float, threads: int | None, output: Path
) -> None:
    """Measure what noise costs the codec, and what denoising before coding saves.

    White Gaussian noise is added to clean pictures. The folder given with -o receives noisy.csv and noisy.json.

    \b
    Example:
      aecodec bench noisy photos/ -o report/
    """
    _require_libraries()
    from aecodec.bench import noisy, peers, sources, summary, table
    from aecodec.bench.session import Session
    from aecodec.codec import Codec
    from aecodec.denoise import Denoiser

    _set_threads(threads)
    with Session(output, "noisy") as session:
        pictures, failures = sources.find(folder, output)
        _tell(session, failures)
        rows = noisy.measure(session, pictures, peers.ours(Codec.load()), Denoiser.load(), sigmas, quality)
    if not rows:
        raise AecodecError("no picture could be measured; see above")
    table.write(output, "noisy", rows, {})
    click.echo(summary.text(noisy.grid(rows)))
    ctx.exit(int(session.failures > 0))


@bench.command("crops")
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--box", nargs=4, type=int, required=True, help="Left, top, right, bottom in pixels.")
@click.option("--jpeg", type=click.IntRange(1, 95), help="Compare with a JPEG of this quality; denoise without it.")
@click.option("--sigma", type=Finite(0, 255), help="Add white noise of this standard deviation, then denoise.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A PNG.")
def bench_crops(
    picture: Path, box: tuple[int, int, int, int], jpeg: int | None, sigma: float | None, output: Path
) -> None:
    """Write crops of a picture at 100 %, side by side, as one PNG.

    \b
    Examples:
      aecodec bench crops photo.jpg --box 100 100 400 400 --jpeg 20 -o strip.png
      aecodec bench crops noisy.png --box 100 100 400 400 -o strip.png
    """
    if jpeg is not None and sigma is not None:
        raise click.UsageError("--jpeg and --sigma exclude each other; give one")
    from aecodec.bench import crops, sources

    pixels = sources.read(picture)
    left, top, right, bottom = box
    if not (0 <= left < right <= pixels.shape[1] and 0 <= top < bottom <= pixels.shape[0]):
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise click.BadParameter(f"does not lie within the {size} pixels of the picture.", param_hint="--box")
    if jpeg is None:
        from aecodec import pretrained
        from aecodec.bench import denoisers

        others, missing = denoisers.find(["nlm"], known=sigma is not None)
        for line in missing:
            click.echo(line, err=True)
        noisy, ours = denoisers.ours(pretrained.load("denoiser"), known=False)
        strip = crops.denoising_strip([noisy, *others, ours], pixels, box, sigma)
    else:
        from aecodec.codec import Codec

        strip = crops.compression_strip(Codec.load(), pixels, box, jpeg)
    write_atomic(output, strip)


def _require_libraries() -> None:
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise AecodecError(f"bench: {', '.join(missing)} {verb} not installed; pip install 'aecodec[bench]'")


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _tell(session: Session, failures: Sequence[str]) -> None:
    for line in failures:
        session.failed(line)


def _finish(ctx: click.Context, session: Session, results: Results | None, output: Path) -> None:
    """Write the files, print the summary, and end with the exit code."""
    if results is None:
        raise AecodecError("no picture could be measured; see above")
    files = results.write(output)
    click.echo(results.text())
    click.echo(f"report: {printable(files[0])}", err=True)
    ctx.exit(int(session.failures > 0))
