"""The command line: words, files, exit codes; and, in real processes, pipes, interrupts and terminals.

The networks are replaced by stand-ins that keep the pixels, so all of this is about the command line alone.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from aecodec import __version__, container
from aecodec.cli import cli
from aecodec.errors import FormatError, TargetError, WeightsError

REPOSITORY = Path(__file__).resolve().parents[1]
Progress = Callable[[int, int], object]
STUCK_WIDTH_PX = 13  # a picture this wide takes the stand-in for ever


def install_stand_ins() -> None:
    """Put modules in the place of the networks."""
    from aecodec import imageio

    class Codec:
        model_id = b"fake"

        @classmethod
        def load(cls, device: str = "cpu", weights: Path | None = None) -> Codec:
            return cls()

        def encode(self, picture: imageio.Picture, quality: float, effort: int, progress: Progress) -> bytes:
            if picture.width == STUCK_WIDTH_PX:
                time.sleep(60)
            for step in range(1, effort):
                progress(step, effort - 1)
            # The effort stands behind the picture, where readers of PNG do not look.
            return b"FAKE%05.1f" % quality + imageio.write(picture, "PNG") + b"%d" % effort

        def encode_to_size(
            self, picture: imageio.Picture, limit: int, effort: int, progress: Progress
        ) -> tuple[bytes, float]:
            return self.encode(picture, limit / 1000, effort, progress), limit / 1000

        def encode_to_psnr(
            self, picture: imageio.Picture, psnr_db: float, effort: int, progress: Progress
        ) -> tuple[bytes, float]:
            if psnr_db > 60:
                raise TargetError(f"reaches 60.00 dB at quality 100, not {psnr_db:g} dB; lower the target")
            return self.encode(picture, psnr_db, effort, progress), psnr_db

        def decode(self, data: bytes) -> imageio.Picture:
            if not data.startswith(b"FAKE"):
                raise FormatError("not an .aec file; give one that aecodec encode made")
            return imageio.read(data[9:], "inner")

    class Denoiser:
        def __init__(self, tile: int) -> None:
            self._tile = tile

        @classmethod
        def load(cls, device: str = "cpu", weights: Path | None = None, tile: int = 1024) -> Denoiser:
            return cls(tile)

        def estimate(self, picture: imageio.Picture) -> float:
            return picture.pixels.mean().item()

        def denoise(
            self, picture: imageio.Picture, sigma: float | None = None, strength: float = 1.0
        ) -> imageio.Picture:
            level = self._tile // 16 + 36 if sigma is None else int(sigma * strength)
            return imageio.Picture(np.full_like(picture.pixels, level), picture.alpha, exif=picture.exif)

    for name, content in (("codec", Codec), ("denoise", Denoiser)):
        module = types.ModuleType(f"aecodec.{name}")
        setattr(module, content.__name__, content)
        sys.modules[module.__name__] = module


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AECODEC_DEBUG", raising=False)
    for name in ("aecodec.codec", "aecodec.denoise"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what was there comes back
    install_stand_ins()


def aecodec(*args: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, args, input=input, prog_name="aecodec")


def picture(name: str, width: int = 8, height: int = 6, **save: object) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (10, 20, 30)).save(path, **save)
    return path


def opened(file: str | Path | io.BytesIO) -> Image.Image:
    with Image.open(file) as image:
        image.load()
        return image


def tree(folder: str = ".") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def start(*args: str, shell: str = 'exec "$@"', **streams: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own, with the stand-ins, by a line of shell."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}, {str(REPOSITORY / 'tests')!r}]\n"
        "import test_cli; test_cli.install_stand_ins()\n"
        "from aecodec.cli import main; main()"
    )
    return subprocess.Popen(["sh", "-c", shell, "sh", sys.executable, "-Werror", "-c", code, *args], **streams)


def test_encode_then_decode_gives_the_picture_back_beside_it() -> None:
    before = picture("a.png").read_bytes()
    result = aecodec("encode", "a.png")
    assert result.exit_code == 0 and result.stdout == ""
    size = Path("a.aec").stat().st_size
    assert result.stderr == f"a.png -> a.aec  {size} B  {8 * size / 48:.3f} bpp\n"
    assert aecodec("decode", "a.aec", "-o", "b.png").exit_code == 0
    assert np.array_equal(np.array(opened("b.png")), np.array(opened(io.BytesIO(before))))


def test_decode_reports_geometry_and_time_and_skips_the_original() -> None:
    picture("a.png")
    aecodec("encode", "a.png")
    result = aecodec("decode", "a.aec")
    assert (result.exit_code, result.stderr) == (0, "a.aec -> a.png  skipped, exists; --force overwrites\n")
    Path("a.png").unlink()
    words = aecodec("decode", "a.aec").stderr.split()
    assert words[:4] == ["a.aec", "->", "a.png", "8x6"] and words[5] == "s"


@pytest.mark.parametrize(
    ("name", "target"),
    [("a.jpg", "a-denoised.jpg"), ("a.gif", "a-denoised.png"), ("b.v2.PNG", "b.v2-denoised.PNG")],
)
def test_denoise_keeps_the_format_where_it_can_be_written(name: str, target: str) -> None:
    picture(name)
    assert aecodec("denoise", name).exit_code == 0
    assert tree() == sorted([name, target])
    assert opened(target).format == {"jpg": "JPEG"}.get(target[-3:], "PNG")


@pytest.mark.parametrize(
    ("verb", "folder", "made"),
    [
        ("encode", "in", ["a.aec", "deep/b.aec"]),
        ("denoise", "in", ["a.png", "deep/b.jpg"]),
        ("decode", "in-encoded", ["a.png", "deep/b.png"]),
    ],
)
def test_folders_are_mirrored(verb: str, folder: str, made: list[str]) -> None:
    picture("in/a.png")
    picture("in/deep/b.jpg")
    Path("in/notes.txt").write_text("no picture")
    if verb == "decode":
        aecodec("encode", "in")
        Path("in-encoded/notes.txt").write_text("no picture")
    result = aecodec(verb, folder)
    assert result.exit_code == 0, result.stderr
    assert tree(f"{folder}-{verb}d") == made
    assert result.stderr.endswith("2 done, 1 other file ignored\n")


def test_an_empty_folder_is_no_error() -> None:
    Path("in").mkdir()
    result = aecodec("encode", "in")
    assert (result.exit_code, result.stderr) == (0, "0 done\n")


def test_the_summary_counts_and_one_bad_file_spoils_the_exit_code_only() -> None:
    picture("a.png")
    picture("b.png")
    Path("bad.png").write_bytes(b"not a picture")
    aecodec("encode", "b.png")
    result = aecodec("encode", "bad.png", "missing.png", "a.png", "b.png")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("bad.png: ") and lines[1].startswith("missing.png: ")
    assert lines[-1] == "1 done, 1 skipped, 2 failed" and len(lines) == 5
    assert Path("a.aec").exists() and not Path("bad.aec").exists()


def test_messages_of_the_container_get_the_name_of_the_file() -> None:
    Path("a.aec").write_bytes(b"junk")
    result = aecodec("decode", "a.aec")
    assert result.exit_code == 1
    assert result.stderr == "a.aec: not an .aec file; give one that aecodec encode made\n"


def test_stdin_goes_to_stdout_byte_for_byte_and_words_do_not() -> None:
    data = picture("a.png").read_bytes()
    coded = aecodec("encode", "-", input=data)
    assert coded.exit_code == 0 and coded.stdout_bytes.startswith(b"FAKE050.0")
    assert coded.stderr.startswith("<stdin> -> <stdout>  ")
    decoded = aecodec("decode", "-", input=coded.stdout_bytes)
    assert opened(io.BytesIO(decoded.stdout_bytes)).format == "PNG"
    assert aecodec("decode", "-", "--format", "webp", input=coded.stdout_bytes).stdout_bytes[8:12] == b"WEBP"
    assert aecodec("encode", "-", "-o", "b.aec", input=data).stdout_bytes == b""
    assert Path("b.aec").read_bytes() == coded.stdout_bytes
    assert aecodec("encode", "a.png", "-o", "-").stdout_bytes == coded.stdout_bytes


def test_the_format_follows_the_option_then_the_name() -> None:
    picture("a.png")
    aecodec("encode", "a.png")
    aecodec("decode", "a.aec", "-o", "b.tiff")
    aecodec("decode", "a.aec", "-o", "c.tiff", "--format", "JPG")
    aecodec("decode", "a.aec", "--format", ".jpg")
    assert [opened(name).format for name in ("b.tiff", "c.tiff", "a.jpg")] == ["TIFF", "JPEG", "JPEG"]
    result = aecodec("decode", "a.aec", "-o", "d.xyz")
    assert result.exit_code == 1 and result.stderr.startswith("d.xyz: ") and not Path("d.xyz").exists()


def test_json_is_one_object_a_line_and_failures_are_told_twice() -> None:
    picture("a.png")
    picture("b.png")
    aecodec("encode", "b.png")
    result = aecodec("encode", "a.png", "b.png", "c.png", "--json", "-q", "70")
    done, skipped, failed = map(json.loads, result.stdout.splitlines())
    assert done.pop("seconds") >= 0
    size = Path("a.aec").stat().st_size
    assert done == {
        "input": "a.png",
        "output": "a.aec",
        "status": "done",
        "width": 8,
        "height": 6,
        "quality": 70.0,
        "bpp": round(8 * size / 48, 4),
        "bytes": size,
    }
    assert skipped == {"input": "b.png", "output": "b.aec", "status": "skipped"}
    assert failed["status"] == "failed" and failed["error"] + "\n" == result.stderr


def test_json_moves_to_stderr_alone_if_data_goes_to_stdout() -> None:
    result = aecodec("encode", "-", "--json", input=picture("a.png").read_bytes())
    assert json.loads(result.stderr)["output"] == "-" and result.stdout_bytes.startswith(b"FAKE")
    result = aecodec("encode", "-", "--json", input=b"")
    assert json.loads(result.stderr)["status"] == "failed" and result.stdout_bytes == b""


def test_quiet_tells_failures_only() -> None:
    picture("a.png")
    result = aecodec("encode", "--quiet", "a.png", "missing.png")
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1 and "missing.png" in result.stderr


def test_strip_drops_metadata_and_keeps_alpha() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret"
    Image.new("RGBA", (8, 6), (1, 2, 3, 77)).save("a.png", exif=exif)
    for extra, kept in ((), True), (("--strip",), False):
        aecodec("encode", "a.png", "--force", *extra)
        aecodec("decode", "a.aec", "-o", "b.png", "--force")
        image = opened("b.png")
        assert (image.getexif().get(0x010E) == "secret") is kept
        assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 77  # type: ignore[index]


@pytest.mark.parametrize(
    ("target", "quality"),
    [
        (["--target-size", "9500"], 9.5),
        (["--target-size", "9.5k"], 9.5),
        (["--target-size", "9.5KB"], 9.5),
        (["--target-size", "0.02MB"], 20.0),
        (["--target-bpp", "2000"], 12.0),  # of 48 pixels
        (["--target-psnr", "35"], 35.0),
        (["-q", "35"], 35.0),
    ],
)
def test_targets_reach_the_codec_and_the_quality_that_was_found_is_reported(target: list[str], quality: float) -> None:
    picture("a.png")
    result = aecodec("encode", "a.png", "--json", *target)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["quality"] == quality
    assert Path("a.aec").read_bytes().startswith(b"FAKE%05.1f" % quality)


@pytest.mark.parametrize("target", [[], ["--target-size", "9500"], ["--target-psnr", "35"]])
def test_effort_reaches_the_codec(target: list[str]) -> None:
    picture("a.png")
    assert aecodec("encode", "a.png", *target).exit_code == 0
    assert Path("a.aec").read_bytes().endswith(b"1")
    assert aecodec("encode", "a.png", "--force", "--effort", "7", *target).exit_code == 0
    assert Path("a.aec").read_bytes().endswith(b"7")


def test_a_target_out_of_reach_names_the_file_and_the_remedy() -> None:
    picture("a.png")
    result = aecodec("encode", "a.png", "--target-psnr", "80")
    assert (result.exit_code, tree()) == (1, ["a.png"])
    assert result.stderr == "a.png: reaches 60.00 dB at quality 100, not 80 dB; lower the target\n"


def test_encode_can_denoise_first() -> None:
    picture("a.png")
    assert aecodec("encode", "a.png", "--denoise").exit_code == 0
    aecodec("decode", "a.aec", "-o", "b.png")
    assert opened("b.png").getpixel((0, 0)) == (100, 100, 100)


def test_the_side_of_the_tiles_reaches_the_denoiser_as_a_multiple_of_its_stride() -> None:
    picture("a.png")
    assert aecodec("denoise", "a.png", "--tile", "330").exit_code == 0
    assert opened("a-denoised.png").getpixel((0, 0)) == (56, 56, 56)
    assert aecodec("denoise", "a.png", "--tile", "63").exit_code == 2


def test_info_tells_how_noisy_a_picture_is() -> None:
    picture("a.png")
    Path("b.png").write_text("no picture")
    result = aecodec("info", "a.png", "b.png", "--json")
    assert result.exit_code == 1
    facts, failure = map(json.loads, result.stdout.splitlines())
    size = Path("a.png").stat().st_size
    geometry = {"width": 8, "height": 6, "mode": "RGB", "bit_depth": 8}
    assert facts == {"input": "a.png", "status": "done", **geometry, "noise_sigma": 20.0, "bytes": size}
    assert failure["status"] == "failed" and failure["error"].count("b.png") == 1
    assert "noise_sigma    20.0" in aecodec("info", "a.png").stdout


def test_sigma_and_strength_reach_the_denoiser() -> None:
    picture("a.png")
    aecodec("denoise", "a.png", "--sigma", "30", "--strength", "0.5")
    assert opened("a-denoised.png").getpixel((0, 0)) == (15, 15, 15)
    aecodec("denoise", "a.png", "--force")
    assert opened("a-denoised.png").getpixel((0, 0)) == (100, 100, 100)


@pytest.mark.parametrize(
    "args",
    [
        "encode",
        "encode a.png -q nan",
        "encode a.png -q 101",
        "encode a.png -q -0.1",
        "encode a.png --threads 0",
        "encode a.png --device warp",
        "encode a.png a.jpg",
        "encode - a.png",
        "encode a.png b.png -o -",
        "decode a.aec --format xyz",
        "decode a.aec --format=",
        "denoise a.png --strength inf",
        "encode a.png --effort 10",
        "encode a.png --effort 1.5",
        "encode a.png --weights missing.safetensors",
        "encode a.png --target-size 0",
        "encode a.png --target-size 9.5",
        "encode a.png --target-size -3k",
        "encode a.png --target-bpp 0",
        "encode a.png --target-psnr nan",
        "encode a.png --target-psnr 30 -q 50",
        "encode a.png --target-psnr 30 --target-bpp 1",
        "denoise a.png --strength 1e9",
        "decode a.aec --format a/b.png",
        "train codec --data . --minutes nan -o a.pt",
        "train codec --data . -o a.pt --patch 64 --grow-at 0.5",
        "train codec --data . -o a.pt --grow-at 0.9 --grow-at 0.5",
        "train codec --data . -o a.pt --ema 1",
        "denoise a.png --strength -1",
        "denoise a.png --sigma 256",
        "denoise a.png --sigma nan",
        "info",
        "unheard-of",
        "train codec",
    ],
)
def test_senseless_command_lines_exit_with_2_before_any_work(args: str) -> None:
    picture("a.png")
    picture("a.jpg")
    result = aecodec(*args.split())
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert tree() == ["a.jpg", "a.png"]


def test_colliding_names_are_told_with_the_remedy() -> None:
    picture("in/a.png")
    picture("in/a.jpg")
    result = aecodec("encode", "in")
    assert result.exit_code == 2 and not Path("in-encoded").exists()
    assert "in/a.jpg and in/a.png would both become in-encoded/a.aec" in result.stderr
    assert "different -o" in result.stderr


def test_nothing_is_written_over_an_input_even_with_force() -> None:
    before = picture("a.png").read_bytes()
    result = aecodec("denoise", "a.png", "-o", "a.png", "--force")
    assert result.exit_code == 1 and Path("a.png").read_bytes() == before and "is an input" in result.stderr


def test_missing_weights_end_the_run_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    picture("a.png")
    picture("b.png")

    def load(device: str, weights: Path | None) -> None:
        raise WeightsError("codec.safetensors: is damaged; install aecodec again")

    monkeypatch.setattr(sys.modules["aecodec.codec"].Codec, "load", load)
    result = aecodec("encode", "a.png", "b.png")
    assert (result.exit_code, result.stderr) == (1, "Error: codec.safetensors: is damaged; install aecodec again\n")


@pytest.mark.parametrize("debug", [False, True])
def test_unforeseen_errors_are_one_line_and_a_traceback_on_request(
    debug: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture("a.png")
    picture("b.png")
    if debug:
        monkeypatch.setenv("AECODEC_DEBUG", "1")

    def encode(*_: object) -> bytes:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(sys.modules["aecodec.codec"].Codec, "encode", encode)
    result = aecodec("encode", "a.png", "b.png")
    assert result.exit_code == 1 and ("Traceback" in result.stderr) is debug
    for name in ("a.png", "b.png"):
        assert f"{name}: internal error (ZeroDivisionError: division by zero); please report it" in result.stderr


def write_aec(name: str) -> int:
    header = container.Header(1500, 900, 3, 8, 4250, b"\xab\xcd\xef\x01")
    data = container.pack(container.Container(header, (b"t" * 70, b"u" * 30), icc=b"i" * 40, exif=b"e" * 9, alpha=b"a"))
    Path(name).write_bytes(data)
    return len(data)


def test_info_tells_what_is_in_a_file() -> None:
    size = write_aec("a.aec")
    (facts,) = map(json.loads, aecodec("info", "a.aec", "--json").stdout.splitlines())
    assert facts == {
        "input": "a.aec",
        "status": "done",
        "format_version": 1,
        "width": 1500,
        "height": 900,
        "mode": "RGB + alpha",
        "bit_depth": 8,
        "quality": 42.5,
        "model_id": "abcdef01",
        "tiles": 2,
        "tile_bytes": 100,
        "chunk_bytes": {"icc": 40, "exif": 9, "alpha": 1},
        "bytes": size,
        "bpp": round(8 * size / (1500 * 900), 4),
    }
    lines = aecodec("info", "a.aec").stdout.splitlines()
    assert lines[0] == "a.aec" and "icc 40, exif 9, alpha 1" in "\n".join(lines)
    assert len(lines) == len(facts) - 1  # all but the status


def test_info_goes_on_after_a_bad_file() -> None:
    write_aec("a.aec")
    data = Path("a.aec").read_bytes()
    Path("cut.aec").write_bytes(data[:-1])
    result = aecodec("info", "cut.aec", "missing.aec", ".", "a.aec")
    assert result.exit_code == 1 and result.stdout.startswith("a.aec\n")
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["cut.aec", "missing.aec", "."]
    assert aecodec("info", "-", input=data).exit_code == 0
    failures = [json.loads(line) for line in aecodec("info", "missing.aec", "--json").stdout.splitlines()]
    assert [(f["input"], f["status"]) for f in failures] == [("missing.aec", "failed")]


def test_version_is_told() -> None:
    result = aecodec("--version")
    assert (result.exit_code, result.stdout) == (0, f"aecodec {__version__}\n")


def test_help_and_info_load_no_heavy_module_and_help_is_instant() -> None:
    write_aec("a.aec")
    code = (
        "import sys; from aecodec.cli import main\n"
        "try: main()\n"
        "finally: print(*{'torch', 'numpy', 'PIL', 'tqdm', 'constriction'} & set(sys.modules), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for line in "--help", "encode --help", "train codec --help", "info a.aec":
        command = [sys.executable, "-c", code, *line.split()]
        ran = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert ran.returncode == 0 and ran.stdout and ran.stderr.strip() == b""
    best = min(_seconds("-m", "aecodec", "--help") - _seconds("-c", "pass") for _ in range(3))
    assert best < 0.4


def _seconds(*args: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, cwd=REPOSITORY, check=True)
    return time.perf_counter() - started


@pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
class TestProcess:
    """What only a real process shows."""

    def test_ctrl_c_keeps_what_is_done_and_leaves_no_half_file(self) -> None:
        picture("a.png")
        picture("b.png", width=STUCK_WIDTH_PX)
        with start("encode", "a.png", "b.png", stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(b"a.png -> a.aec")
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, words = process.communicate(timeout=20)
        assert (process.returncode, words) == (130, b"interrupted\n")
        assert tree() == ["a.aec", "a.png", "b.png"]

    @pytest.mark.parametrize("args", [["encode", "-"], ["encode", "a.png", "--json"]])
    def test_a_closed_stdout_ends_the_run_without_a_word(self, args: list[str]) -> None:
        data = picture("a.png").read_bytes()
        reader, writer = os.pipe()
        os.close(reader)
        with start(*args, stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE) as process:
            os.close(writer)
            _, words = process.communicate(data, timeout=20)
        assert (process.returncode, words) == (141, b"")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    @pytest.mark.parametrize(
        ("args", "lines"), [(["encode", "-"], 1), (["encode", "a.png", "--json"], 1), (["info", "a.aec"], 1)]
    )
    def test_a_full_disk_behind_stdout_is_one_line(self, args: list[str], lines: int) -> None:
        data = picture("a.png").read_bytes()
        write_aec("a.aec")
        with Path("/dev/full").open("wb") as full:
            process = start(*args, stdin=subprocess.PIPE, stdout=full, stderr=subprocess.PIPE)
            _, words = process.communicate(data, timeout=20)
        assert process.returncode == 1 and b"No space left" in words and len(words.splitlines()) == lines

    @pytest.mark.parametrize(
        ("redirection", "code", "word"),
        [("<a.png >&-", 1, b"is closed"), ("<&- >out", 1, b"is closed"), ("<a.png >out 2>&-", 0, b"")],
    )
    def test_a_stream_that_does_not_exist_is_no_crash(self, redirection: str, code: int, word: bytes) -> None:
        picture("a.png")
        shell = f'exec "$@" {redirection}'
        with start("encode", "-", shell=shell, stderr=subprocess.PIPE) as process:
            _, words = process.communicate(timeout=20)
        assert process.returncode == code and word in words and len(words.splitlines()) <= 1

    def test_binary_never_goes_to_a_terminal(self) -> None:
        pty = pytest.importorskip("pty")
        picture("a.png")
        main, terminal = pty.openpty()
        with start("encode", "a.png", "-o", "-", stdout=terminal, stderr=subprocess.PIPE) as process:
            _, words = process.communicate(timeout=20)
        os.close(terminal)
        os.close(main)
        assert process.returncode == 2 and b"terminal; redirect it or name a file with -o" in words

    @pytest.mark.parametrize(
        ("args", "bar", "names"),
        [(["in"], "0/2", "ab"), (["in/a.png", "-o", "in-encoded/", "--effort", "4"], "0/3", "a")],
    )
    def test_a_terminal_sees_a_progress_bar_and_whole_lines(self, args: list[str], bar: str, names: str) -> None:
        pty = pytest.importorskip("pty")
        picture("in/a.png")
        picture("in/b.png")
        fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
        main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        with start("encode", *args, stderr=terminal):
            pass
        os.close(terminal)
        seen = os.read(main, 65536).decode()
        os.close(main)
        assert bar in seen and seen.rstrip().endswith("2 done" if args == ["in"] else "bpp")
        for name in names:  # each line begins where the bar was wiped away
            assert re.search(rf"\rin/{name}\.png -> in-encoded/{name}\.aec  [^\r]*bpp\r\n", seen)

    def test_python_dash_m_works(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "aecodec", "info"], cwd=REPOSITORY, capture_output=True, check=False
        )
        assert ran.returncode == 2 and ran.stderr.startswith(b"Usage: aecodec info")
