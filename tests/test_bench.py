"""`aecodec bench` from the command line, and its reports in a real browser."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from aecodec.bench import codec as codec_bench
from aecodec.bench import denoise as denoise_bench
from aecodec.bench import denoisers, peers, sources
from aecodec.bench.session import Session
from aecodec.bench.table import Task
from aecodec.cli import cli
from tests.conftest import photo

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
CODEC_OPTIONS = ("--peers", "webp,pca,jxl", "--qualities", "10,60,90", "--bpp", "2", "--crops", "2")


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good pictures, 16-bit gray and one pixel with alpha, and a broken one."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(photo(176, 240).pixels).save(folder / "a.png")
    Image.fromarray(photo(192, 168, seed=1).pixels).save(folder / "b <i> & c.png")
    (folder / "odd").mkdir()
    Image.fromarray(photo(30, 40, 1, np.uint16).pixels[..., 0]).save(folder / "odd" / "gray16.png")
    Image.fromarray(np.full((1, 1, 4), 77, np.uint8)).save(folder / "odd" / "pixel.png")
    (folder / "odd" / "broken.png").write_bytes((folder / "a.png").read_bytes()[:2000])
    return folder


@pytest.fixture(scope="session")
def codec_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A run of codecs: what it said, and the folder of its results."""
    output = tmp_path_factory.mktemp("reports") / "codec"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pillow_jxl", None)
        return bench("codec", pictures, "-o", output, *CODEC_OPTIONS), output


@pytest.fixture(scope="session")
def denoise_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A run of denoisers on the good pictures: what it said, and the folder of its results."""
    output = tmp_path_factory.mktemp("reports") / "denoise"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cv2", None)
        options = ("--sigma", "10,25,40", "--peers", "nlm,wavelet,tv", "--crops", "2")
        return bench("denoise", pictures, "-o", output, *options), output


def rows_of(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    return rows


def test_a_run_of_codecs_names_what_is_missing_or_broken_and_measures_the_rest(codec_run: tuple[Result, Path]) -> None:
    result, output = codec_run
    assert result.exit_code == 1, result.output  # because of the broken picture alone
    said = result.stderr.splitlines()
    assert any("broken.png: cannot be read as a picture" in line for line in said)
    assert "jxl: left out, not installed; pip install pillow-jxl-plugin" in said
    assert said[-1] == f"report: {output / 'codec.html'}"
    assert len(said) == 3
    assert "Traceback" not in result.output
    names = {path.name for path in output.iterdir()}
    plots = {f"codec-{metric}.{kind}" for metric in ("psnr", "ms-ssim", "ssimulacra2") for kind in ("png", "svg")}
    assert names == plots | {"codec.html", "codec.csv", "codec.json", ".codec.rows.jsonl"}
    with Image.open(output / "codec-psnr.png") as plot:
        assert plot.width > 400


def test_rows_hold_what_was_measured_and_leave_out_what_cannot_be(codec_run: tuple[Result, Path]) -> None:
    _, output = codec_run
    rows = rows_of(output / "codec.json")
    assert len(rows) == 4 * 4 * 3  # pictures, codecs, qualities
    for row in rows:
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (row["width"] * row["height"]))
        assert (row["ms_ssim"] is None) == (min(row["width"], row["height"]) < 161)
        assert row["encode_seconds_per_mpx"] > 0 and row["decode_seconds_per_mpx"] > 0
    with (output / "codec.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["bytes"] for row in table] == [str(row["bytes"]) for row in rows]
    document = json.loads((output / "codec.json").read_text())
    assert document["against_jpeg"]["jpeg"]["bd_rate_psnr"] == pytest.approx(0)
    assert document["against_jpeg"]["webp"]["bd_rate_psnr"] < 0
    peaks = {row["peer"]: row["peak_megabytes"] for row in document["memory"]}
    assert set(peaks) == {"aecodec", "jpeg", "webp"}
    if sys.platform == "linux":
        assert 10 < peaks["jpeg"] < 120 < peaks["aecodec"]  # ours brings PyTorch, the others must not


def test_equal_bytes_are_equal(codec_run: tuple[Result, Path]) -> None:
    matched = json.loads((codec_run[1] / "codec.json").read_text())["equal_bytes"]
    found = {(row["picture"], row["peer"]): row for row in matched if row["peer"] != "original"}
    assert {peer for _, peer in found} == {"aecodec", "jpeg", "webp", "pca"}
    for (_, peer), row in found.items():
        assert row["bpp"] <= 2 or row["quality"] == 0  # a tiny JPEG is mostly header
        assert peer in ("jpeg", "webp") or row["bpp"] >= 0.98 * 2 or row["quality"] > 99


def test_the_terminal_shows_a_short_table(codec_run: tuple[Result, Path]) -> None:
    lines = codec_run[0].stdout.splitlines()
    assert max(map(len, lines)) <= 125
    assert re.search(r"^WebP +-\d+\.\d %", codec_run[0].stdout, re.M)
    assert re.fullmatch(
        r"aecodec needs \d+\.\d % (fewer|more) bytes than JPEG at equal PSNR, on 2 pictures\.", lines[-1]
    )


def test_finished_rows_are_not_computed_twice(
    codec_run: tuple[Result, Path], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, output = codec_run
    again = tmp_path / "again"
    shutil.copytree(output, again)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    for name in ("_figures", "_matched", "peak_megabytes", "crop_uri"):
        monkeypatch.setattr(codec_bench, name, lambda *_: pytest.fail("computed twice"))
    result = bench("codec", pictures, "-o", again, *CODEC_OPTIONS)
    assert result.stdout == first.stdout
    assert (again / "codec.csv").read_bytes() == (output / "codec.csv").read_bytes()


def test_efforts_are_measured_beside_the_default(tmp_path: Path) -> None:
    Image.fromarray(photo(64, 64).pixels).save(tmp_path / "a.png")
    options = ("--peers", "jpeg", "--qualities", "50", "--metrics", "psnr", "--crops", "0", "--effort", "0")
    result = bench("codec", tmp_path, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    rows = {row["peer"]: row for row in rows_of(tmp_path / "out" / "codec.json")}
    assert list(rows) == ["aecodec", "aecodec-effort-0", "jpeg"]
    assert rows["aecodec"]["bytes"] < rows["aecodec-effort-0"]["bytes"]
    assert re.search(r"^aecodec, effort 0 ", result.stdout, re.M)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(photo(24, 32).pixels).save(tmp_path / "a.png")
    calls: list[str] = []
    encode, until = peers._save, 4

    def interrupted(*arguments: Any, **options: Any) -> bytes:
        calls.append("encode")
        if len(calls) == until:
            raise KeyboardInterrupt
        return encode(*arguments, **options)

    monkeypatch.setattr(peers, "_save", interrupted)
    monkeypatch.setattr(codec_bench, "peak_megabytes", lambda *_: 1.0)
    command = ("codec", tmp_path, "-o", tmp_path / "out", "--peers", "jpeg", "--qualities", "10,20,30,40,50,60")
    options = ("--metrics", "psnr", "--crops", "0")
    result = bench(*command, *options)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".codec.rows.jsonl"]
    result = bench(*command, *options)
    assert result.exit_code == 0, result.output
    assert len(calls) == until + 3  # three were done, the fourth is done anew
    assert len(rows_of(tmp_path / "out" / "codec.json")) == 12


def test_other_weights_are_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_codec: Any) -> None:
    Image.fromarray(photo(72, 96).pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(codec_bench, "peak_megabytes", lambda *_: 1.0)
    command = ("codec", tmp_path, "-o", tmp_path / "out", "--peers", "jpeg", "--qualities", "50", "--crops", "0")
    bench(*command)
    before = rows_of(tmp_path / "out" / "codec.json")
    monkeypatch.setattr("aecodec.codec.Codec.load", lambda: tiny_codec)
    assert bench(*command).exit_code == 0
    after = rows_of(tmp_path / "out" / "codec.json")
    assert after[1] == before[1]  # JPEG, its times included
    assert after[0]["version"].startswith(b"tiny".hex())
    assert after[0]["version"] != before[0]["version"]
    assert after[0]["bytes"] != before[0]["bytes"]


def test_a_run_of_denoisers(denoise_run: tuple[Result, Path]) -> None:
    result, output = denoise_run
    assert result.exit_code == 1, result.output
    assert "nlm: left out, not installed; pip install opencv-python-headless" in result.stderr
    rows = rows_of(output / "denoise.json")
    assert len(rows) == 4 * 3 * 5
    found = {(row["picture"], row["sigma"], row["peer"]): row for row in rows}
    noisy = found["a.png", 25.0, "noisy"]
    assert noisy["psnr_db"] == pytest.approx(20.3, abs=0.5)  # 20 log10(255 / 25), a little better where it is clipped
    for peer in ("aecodec", "aecodec-sigma", "wavelet", "tv"):
        assert found["a.png", 25.0, peer]["psnr_db"] > noisy["psnr_db"] + 3
        assert found["a.png", 25.0, peer]["ssim"] > noisy["ssim"]
    assert found["odd/pixel.png", 25.0, "noisy"]["ssim"] is None
    assert found["a.png", 25.0, "aecodec"]["sigma_told"] is None
    assert found["a.png", 25.0, "tv"]["sigma_told"] == 25
    assert "crop" not in noisy
    assert re.search(r"^aecodec, blind +\d", result.stdout, re.M)
    assert "BM3D" not in result.stdout


def test_pairs_have_the_noise_that_they_have(tmp_path: Path) -> None:
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
    clean = photo(64, 80).pixels
    Image.fromarray(clean).save(tmp_path / "clean" / "a.png")
    Image.fromarray(denoise_bench.add_noise(clean, 20)).save(tmp_path / "noisy" / "a.tif")
    pairs = ("--pairs", tmp_path / "noisy", tmp_path / "clean")
    result = bench("denoise", *pairs, "-o", tmp_path / "out", "--peers", "wavelet")
    assert result.exit_code == 0, result.output
    rows = {row["peer"]: row for row in rows_of(tmp_path / "out" / "denoise.json")}
    assert rows["noisy"]["psnr_db"] == pytest.approx(22.1, abs=0.5)
    assert rows["wavelet"]["sigma_told"] == pytest.approx(20, rel=0.15)
    assert rows["aecodec"]["psnr_db"] > rows["noisy"]["psnr_db"] + 3
    assert "the noise of these pairs" in result.stdout


def test_without_wavelets_their_denoiser_is_left_out_and_so_is_all_that_needs_an_estimate_of_the_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pywt", None)
    found, missing = denoisers.find(["wavelet", "tv"], known=True)
    assert [method.name for method in found] == ["tv"]
    assert missing == ["wavelet: left out, not installed; pip install PyWavelets"]
    assert denoisers.find(["tv"], known=False) == ([], ["tv: left out, not installed; pip install PyWavelets"])


@pytest.mark.parametrize("name", [name for name in denoisers.NAMES if name != "bm3d"])
def test_every_denoiser_removes_noise(name: str) -> None:
    found, missing = denoisers.find([name], known=True)
    if missing:
        pytest.skip(missing[0])
    clean = photo(48, 64).pixels
    noisy = denoise_bench.add_noise(clean, 25)
    error = [float(((p.astype(float) - clean) ** 2).mean()) for p in (found[0].run(noisy, 25.0), noisy)]
    assert error[0] < error[1] / 1.5
    assert np.abs(found[0].run(clean, 0.0).astype(int) - clean).mean() < 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("codec", "{empty}", "-o", "{out}"), 1, "holds no pictures"),
        (("codec", "{broken}", "-o", "{out}"), 1, "no picture could be measured"),
        (("codec", "{good}", "-o", "{file}"), 1, "cannot be written"),
        (("codec", "{empty}/none", "-o", "{out}"), 2, "does not exist"),
        (("codec", "{good}"), 2, "--output"),
        (("codec", "{good}", "-o", "{out}", "--peers", "gif"), 2, "gif is none of jpeg,"),
        (("codec", "{good}", "-o", "{out}", "--peers", ","), 2, "is empty"),
        (("codec", "{good}", "-o", "{out}", "--qualities", "5,nan"), 2, "nan"),
        (("codec", "{good}", "-o", "{out}", "--metrics", "lpips"), 2, "lpips is none of psnr"),
        (("denoise", "{good}", "-o", "{out}", "--peers", "bm4d"), 2, "bm4d is none of nlm"),
        (("denoise", "-o", "{out}"), 2, "give either a folder"),
        (("denoise", "{good}", "--pairs", "{good}", "{good}", "-o", "{out}"), 2, "give either a folder"),
        (("crops", "{broken}/a.png", "--box", "0", "0", "9", "9", "-o", "{out}"), 1, "cannot be read as a picture"),
        (("crops", "{good}/a.png", "--box", "0", "0", "99", "9", "-o", "{out}"), 2, "32 x 24 pixels"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    places = {name: tmp_path / name for name in ("empty", "broken", "good", "file", "out")}
    for name in ("empty", "broken", "good"):
        places[name].mkdir()
    places["file"].write_text("x")
    (places["broken"] / "a.png").write_bytes(b"\x89PNG")
    Image.fromarray(photo(24, 32).pixels).save(places["good"] / "a.png")
    result = bench(*(part.format(**places) for part in arguments))
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not any(places["out"].glob("[!.]*"))


def test_without_its_libraries_bench_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> object:
        return None if name in ("ssimulacra2", "scipy") else object()

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    result = bench("codec", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == "Error: bench: scipy, ssimulacra2 are not installed; pip install 'aecodec[bench]'\n"


def test_crops_are_cut_to_the_box(tmp_path: Path) -> None:
    Image.fromarray(photo(64, 80).pixels).save(tmp_path / "a.png")
    for n, options in enumerate((("--jpeg", "30"), (), ("--sigma", "25"))):
        output = tmp_path / f"strip-{n}.png"
        result = bench("crops", tmp_path / "a.png", "--box", "8", "4", "40", "28", *options, "-o", output)
        assert result.exit_code == 0, result.output
        strip = Image.open(output)
        assert strip.size == (3 * 36 - 4, 24 + 20)
        first = np.asarray(strip)[20:, :32]
        assert (first == photo(64, 80).pixels[4:28, 8:40]).all() == ("--sigma" not in options)


def test_crops_do_without_a_denoiser_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    Image.fromarray(photo(64, 80).pixels).save(tmp_path / "a.png")
    result = bench("crops", tmp_path / "a.png", "--box", "8", "4", "40", "28", "-o", tmp_path / "strip.png")
    assert result.exit_code == 0, result.output
    assert "nlm: left out, not installed" in result.stderr
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.size == (2 * 36 - 4, 24 + 20)


def test_denoising_before_coding_is_weighed_against_coding_the_noise(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(photo(96, 128).pixels).save(folder / "a.png")
    (folder / "broken.png").write_bytes(b"\x89PNG")
    result = bench("noisy", folder, "-o", tmp_path / "out", "--sigma", "25", "-q", "60")
    assert result.exit_code == 1
    assert "broken.png" in result.stderr
    rows = {row["way"]: row for row in json.loads((tmp_path / "out" / "noisy.json").read_text())["rows"]}
    assert list(rows) == ["clean", "plain", "denoised"]
    assert rows["denoised"]["bytes"] < rows["plain"]["bytes"]
    assert rows["denoised"]["psnr_db"] > rows["plain"]["psnr_db"]
    for row in rows.values():
        assert f"{row['bytes']}  {row['bpp']:.3f}  {row['psnr_db']:.2f}" in result.stdout


def test_a_report_asks_for_nothing_from_outside(
    codec_run: tuple[Result, Path], denoise_run: tuple[Result, Path]
) -> None:
    for file in (codec_run[1] / "codec.html", denoise_run[1] / "denoise.html"):
        page = file.read_text()
        assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
        assert not re.search(r"url\((?!#)|@import", page)
        assert "@@" not in page
        assert "<i>" not in page  # the name of a picture must not become markup


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium that keeps its console."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1200,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    yield driver
    driver.quit()


class Viewer:
    """The viewer of a report, as a user meets it."""

    def __init__(self, driver: Any, file: Path) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver = driver
        driver.get_log("browser")
        driver.get(file.as_uri())
        WebDriverWait(driver, 20).until(lambda _: self.script("return stage.getBoundingClientRect().width") > 0)

    def script(self, code: str) -> Any:
        return self.driver.execute_script("const at = (id) => document.getElementById(id), stage = at('stage');" + code)

    def chosen(self, name: str) -> str:
        return str(self.script(f"return at('{name}').value"))

    def position(self) -> float:
        """Where the divider is on the stage, in percent; the clip of the right picture must agree."""
        now = int(self.script("return at('divider').getAttribute('aria-valuenow')"))
        clip = self.script("return at('right-image').style.clipPath")
        left = float(re.search(r"([\d.]+)%\)$", clip)[1])  # type: ignore[index]
        assert abs(left - now) <= 0.5
        return left

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def drag(self, start: int, end: int) -> None:
        """Drag from one x to another, in pixels from the middle of the stage."""
        from selenium.webdriver.common.action_chains import ActionChains

        stage = self.driver.find_element("id", "stage")
        chain = ActionChains(self.driver).move_to_element_with_offset(stage, start, 10).click_and_hold()
        chain.move_by_offset((end - start) // 2, 5).move_by_offset(end - start - (end - start) // 2, -5)
        chain.release().perform()

    def assert_quiet(self) -> None:
        assert [entry for entry in self.driver.get_log("browser") if entry["level"] != "INFO"] == []


def test_the_viewer_shows_pictures_at_100_percent(browser: Any, codec_run: tuple[Result, Path], tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    viewer = Viewer(browser, codec_run[1] / "codec.html")
    sizes = "const image = at('left-image'), box = image.getBoundingClientRect();"
    sizes += "return [box.width, box.height, image.naturalWidth, image.naturalHeight, window.devicePixelRatio]"
    width, height, natural_width, natural_height, ratio = viewer.script(sizes)
    assert (natural_width, natural_height) == (240, 176)
    assert (width * ratio, height * ratio) == (natural_width, natural_height)

    # What is on the screen are the very pixels of the decoded picture: the first view is the original.
    viewer.script("at('left').selectedIndex = 0; at('left').dispatchEvent(new Event('change'))")
    viewer.script("at('divider').focus(); stage.scrollIntoView({block: 'center'})")
    viewer.press("\ue010")  # End: all of the left picture
    viewer.script("at('divider').style.visibility = 'hidden'")

    def is_exact(_: object) -> bool:
        shot = browser.find_element("id", "stage").screenshot_as_png
        return bool((np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")) == photo(176, 240).pixels).all())

    WebDriverWait(browser, 10).until(is_exact)
    assert browser.save_screenshot(str(tmp_path / "report.png"))
    viewer.assert_quiet()


def test_on_a_dense_screen_a_pixel_of_the_picture_is_a_pixel_of_the_screen(
    browser: Any, codec_run: tuple[Result, Path]
) -> None:
    dense = {"width": 800, "height": 700, "deviceScaleFactor": 2, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", dense)
    try:
        viewer = Viewer(browser, codec_run[1] / "codec.html")
        assert viewer.script("return [devicePixelRatio, stage.getBoundingClientRect().width]") == [2, 120]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_slider_follows_the_mouse(browser: Any, codec_run: tuple[Result, Path]) -> None:
    viewer = Viewer(browser, codec_run[1] / "codec.html")
    assert viewer.position() == 50
    viewer.drag(0, -60)  # of 240 pixels
    assert viewer.position() == pytest.approx(25, abs=1)
    viewer.drag(-60, 400)  # out of the picture
    assert viewer.position() == 100
    viewer.drag(36, 36)  # a click
    assert viewer.position() == pytest.approx(65, abs=1)
    viewer.script("stage.dispatchEvent(new PointerEvent('pointermove', {clientX: 0}))")
    assert viewer.position() == pytest.approx(65, abs=1)  # the button is up
    viewer.assert_quiet()


def test_the_slider_obeys_the_keyboard(browser: Any, codec_run: tuple[Result, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    viewer = Viewer(browser, codec_run[1] / "codec.html")
    assert (viewer.chosen("left"), viewer.chosen("right")) == ("JPEG", "aecodec")
    viewer.script("at('divider').focus()")
    viewer.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert viewer.position() == 52
    viewer.press(Keys.HOME)
    assert viewer.position() == 0
    viewer.press(Keys.ARROW_LEFT)
    assert viewer.position() == 0
    viewer.press(Keys.SPACE)
    assert (viewer.chosen("left"), viewer.chosen("right")) == ("aecodec", "JPEG")
    viewer.press("1")
    assert (viewer.chosen("left"), viewer.chosen("right")) == ("aecodec", "original")
    viewer.press("9")  # there is no ninth view
    assert viewer.chosen("right") == "original"
    assert viewer.script("return at('right-note').textContent").startswith("original")
    assert "bytes" in viewer.script("return at('left-note').textContent")
    before = viewer.chosen("scene"), viewer.script("return at('left-image').src")
    viewer.press(Keys.ARROW_DOWN)
    after = viewer.chosen("scene"), viewer.script("return at('left-image').src")
    assert before[0] != after[0] and before[1] != after[1]
    assert viewer.chosen("left") == "aecodec"  # what was chosen stays chosen
    viewer.press(Keys.ARROW_UP)
    assert viewer.chosen("scene") == before[0]
    viewer.assert_quiet()


def test_a_report_of_denoisers_works_too(browser: Any, denoise_run: tuple[Result, Path]) -> None:
    viewer = Viewer(browser, denoise_run[1] / "denoise.html")
    assert (viewer.chosen("left"), viewer.chosen("right")) == ("noisy input", "aecodec, blind")
    labels = viewer.script("return [...at('left').options].map((option) => option.value)")
    expected = ["original", "noisy input", "aecodec, blind", "aecodec, sigma given", "wavelets", "total variation"]
    assert labels == expected
    assert "sigma 25" in viewer.chosen("scene")
    viewer.drag(0, 30)
    assert viewer.position() > 55
    viewer.assert_quiet()


def test_the_progress_bar_counts_all_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(photo(24, 32).pixels).save(tmp_path / "a.png")
    found, _ = sources.find(tmp_path, tmp_path / "out")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with Session(tmp_path / "out", "codec") as session:
            session.expect(2)
            session.measure(found, lambda _: [Task({"peer": name}, dict) for name in "ab"])
            session.say("a line")
        assert ("2/2" in stream.getvalue()) == shows
        assert "a line\n" in stream.getvalue()
