import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec.bench import sources
from aecodec.bench.denoise import add_noise
from aecodec.bench.session import Session
from aecodec.bench.sources import Source
from aecodec.bench.summary import Grid, curve, large_enough, text
from aecodec.bench.table import Row, Table, Task
from aecodec.bench.views import CROP_PX, _most_detailed
from aecodec.errors import OutputError, PictureError
from tests.conftest import photo

SOURCE = Source(Path("a.png"), "a.png", "00ff", 3, 2)


def counting(calls: list[int], **identity: object) -> Task:
    def measure() -> dict[str, float]:
        calls.append(1)
        return {"value": 1.5}

    return Task({"peer": "p", **identity}, measure)


def test_a_row_is_measured_once_and_found_by_the_next_run(tmp_path: Path) -> None:
    path, calls = tmp_path / "new" / "rows.jsonl", list[int]()
    for _ in range(2):
        table = Table(path)
        row = table.row(SOURCE, counting(calls, quality=5.0))
        table.close()
        assert row == {"picture": "a.png", "width": 3, "height": 2, "peer": "p", "quality": 5.0, "value": 1.5}
    assert len(calls) == 1


def test_another_picture_version_or_setting_is_another_row(tmp_path: Path) -> None:
    table, calls = Table(tmp_path / "rows.jsonl"), list[int]()
    table.row(SOURCE, counting(calls, version="1"))
    table.row(SOURCE, counting(calls, version="2"))
    table.row(Source(SOURCE.path, SOURCE.name, "11ff", 3, 2), counting(calls, version="1"))
    task = counting(calls, version="1")
    table.row(SOURCE, Task(task.identity, task.measure, also="other metrics"))
    assert len(calls) == 4
    table.close()


def test_half_a_line_of_a_killed_run_costs_that_row_alone(tmp_path: Path) -> None:
    path, calls = tmp_path / "rows.jsonl", list[int]()
    table = Table(path)
    for quality in (1.0, 2.0):
        table.row(SOURCE, counting(calls, quality=quality))
    table.close()
    path.write_bytes(path.read_bytes()[:-9])
    for _ in range(2):
        table = Table(path)
        for quality in (1.0, 2.0):
            table.row(SOURCE, counting(calls, quality=quality))
        table.close()
    assert len(calls) == 3


def test_a_table_in_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written: .*; try another -o"):
        Table(tmp_path / "file" / "rows.jsonl")


def test_a_picture_that_fails_is_named_and_leaves_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> dict[str, float]:
        raise ValueError("too\nwide")

    def tasks(source: Source) -> list[Task]:
        return [counting([]), Task({"peer": "webp"}, fail)] if source is SOURCE else [counting([])]

    other = Source(Path("b.png"), "b.png", "22ff", 3, 2)
    with Session(tmp_path, "codec") as session:
        session.expect(3)
        rows = session.measure([SOURCE, other], tasks)
    assert [row["picture"] for row in rows] == ["b.png"]
    assert session.failures == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a.png: webp fails on this picture (ValueError: too wide, ")
    assert line.endswith("leave webp out with --peers")


def test_sources_are_all_pictures_but_hidden_ones_and_the_output(tmp_path: Path) -> None:
    for name in ("b.png", "in/a.png", ".hidden/a.png", ".a.png", "out/plot.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo(4, 5).pixels).save(tmp_path / name)
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "broken.png").write_bytes((tmp_path / "b.png").read_bytes()[:20])
    (tmp_path / "empty.jpg").write_bytes(b"")
    found, failures = sources.find(tmp_path, tmp_path / "out")
    assert [(s.name, s.width, s.height) for s in found] == [("b.png", 5, 4), ("in/a.png", 5, 4)]
    assert [Path(line.split(": ")[0]).name for line in failures] == ["broken.png", "empty.jpg"]
    (tmp_path / "none").mkdir()
    with pytest.raises(PictureError, match="holds no pictures"):
        sources.find(tmp_path / "none", tmp_path / "out")


def test_all_kinds_of_pictures_are_read_as_8_bit_rgb(tmp_path: Path) -> None:
    gray = photo(4, 5, 1, np.uint16).pixels[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    rgba = np.dstack([photo(4, 5).pixels, np.zeros((4, 5), np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    read = sources.read(tmp_path / "gray.png")
    assert read.dtype == np.uint8
    assert (read == (gray // 257)[..., None]).all()
    assert (sources.read(tmp_path / "rgba.png") == rgba[..., :3]).all()


def test_pairs_are_found_by_name_and_strays_are_named(tmp_path: Path) -> None:
    for name, size in (("noisy/a.png", 5), ("clean/a.jpg", 5), ("noisy/b.png", 5), ("clean/c.png", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo(size, size).pixels).save(tmp_path / name)
    for name, size in (("noisy/d.png", 5), ("clean/d.png", 6)):
        Image.fromarray(photo(size, size).pixels).save(tmp_path / name)
    pairs, failures = sources.find_pairs(tmp_path / "noisy", tmp_path / "clean", tmp_path / "out")
    assert [(pair.name, pair.noisy) for pair in pairs] == [("a.jpg", tmp_path / "noisy" / "a.png")]
    facts = {Path(line.split(": ")[0]).as_posix().removeprefix(tmp_path.as_posix()): line for line in failures}
    assert set(facts) == {"/clean/c.png", "/clean/d.png", "/noisy/b.png"}
    assert "is not of the size" in facts["/clean/d.png"]


def test_a_choice_of_pictures_is_spread_over_all() -> None:
    many = [Source(Path(str(n)), str(n), str(n), 1, 1) for n in range(9)]
    assert [s.name for s in sources.spread(many, 3)] == ["0", "3", "6"]
    assert sources.spread(many, 20) == many
    assert sources.spread(many, 0) == []


def test_curves_are_means_over_the_pictures_that_have_the_figure() -> None:
    def row(quality: float, bpp: float, ms_ssim: float | None) -> Row:
        return {"peer": "p", "quality": quality, "bpp": bpp, "ms_ssim": ms_ssim}

    rows = [row(2, 1.0, 0.9), row(2, 3.0, 0.7), row(1, 0.5, 0.6), row(1, 99.0, None), {**row(1, 9, 9), "peer": "q"}]
    assert curve(rows, "p", "ms_ssim") == [(0.5, 0.6), (2.0, pytest.approx(0.8))]


def test_icons_do_not_count_among_photographs() -> None:
    icon, photograph = ({"picture": name, "width": 900, "height": side} for name, side in (("i", 63), ("p", 64)))
    assert large_enough([icon, photograph]) == [photograph]
    assert large_enough([icon]) == [icon]


def test_a_table_for_the_terminal_is_aligned() -> None:
    grid = Grid("Caption", ("codec", "dB"), [("a", "1.00"), ("longer name", "-")])
    assert text(grid).splitlines() == ["Caption", "codec          dB", "a            1.00", "longer name     -"]


def test_noise_has_the_sigma_asked_for_and_is_the_same_every_time() -> None:
    clean = np.full((64, 64, 3), 128, np.uint8)
    noisy = add_noise(clean, 20)
    assert float((noisy.astype(float) - 128).std()) == pytest.approx(20, rel=0.02)
    assert (noisy == add_noise(clean, 20)).all()


def test_the_crop_is_where_the_detail_is() -> None:
    pixels = np.full((CROP_PX + 160, CROP_PX + 320, 3), 100, np.uint8)
    pixels[-40:, -40:] += np.random.default_rng(0).integers(0, 90, (40, 40, 1), dtype=np.uint8)
    top, left = _most_detailed(pixels)
    assert top + CROP_PX > CROP_PX + 120
    assert left + CROP_PX > CROP_PX + 280
    assert _most_detailed(pixels[:50, :60]) == (0, 0)


def test_rows_are_json_lines(tmp_path: Path) -> None:
    table = Table(tmp_path / "rows.jsonl")
    table.row(SOURCE, counting([]))
    table.close()
    (line,) = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert json.loads(line)["figures"] == {"value": 1.5}
