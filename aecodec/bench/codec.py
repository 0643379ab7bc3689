"""Rate, distortion, time and memory of codecs on real files, and their crops at equal bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aecodec.bench import match, metrics
from aecodec.bench.memory import peak_megabytes
from aecodec.bench.peers import Peer
from aecodec.bench.session import Session
from aecodec.bench.sources import Pixels, Source, read, spread
from aecodec.bench.table import Row, Task
from aecodec.bench.views import CROP_PX, Scene, View, crop_uri
from aecodec.pixels import psnr

Metric = Callable[[Pixels, Pixels], float | None]

# Name on the command line -> column and function.
METRICS: dict[str, tuple[str, Metric]] = {
    "psnr": ("psnr_db", psnr),
    "ms-ssim": ("ms_ssim", metrics.ms_ssim),
    "ssimulacra2": ("ssimulacra2", metrics.ssimulacra2),
}
# SSIMULACRA 2 takes some four seconds a megapixel, five times as long as all else: by default on small sets only.
SLOW_METRIC_MEGAPIXELS = 4.0


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        rows: One per picture, codec and quality.
        memory: One row per codec, of the largest picture.
        matched: One row per picture, codec and target size, with a crop.
    """

    rows: list[Row]
    memory: list[Row]
    matched: list[Row]


def default_metrics(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the names of the metrics that are worth their time on these pictures."""
    small = sum(source.megapixels for source in sources) <= SLOW_METRIC_MEGAPIXELS
    return tuple(name for name in METRICS if small or name != "ssimulacra2")


def measure(
    session: Session,
    sources: Sequence[Source],
    peers: Sequence[Peer],
    qualities: Sequence[float] | None,
    names: Sequence[str],
    targets_bpp: Sequence[float],
    crops: int,
) -> Outcome:
    """Measure codecs on pictures.

    Args:
        session: Where rows are kept.
        sources: The pictures.
        peers: The codecs, ours among them.
        qualities: For all of them; those of each codec where None.
        names: Of METRICS.
        targets_bpp: Sizes in bits per pixel at which crops are compared.
        crops: How many pictures are compared in crops.
    """
    grid = [(peer, quality) for peer in peers for quality in qualities or peer.qualities]
    shown = spread(sources, crops)
    # The linear codec is no product: its memory says nothing.
    weighed = [peer for peer in peers if peer.name != "pca"]
    session.expect(len(sources) * len(grid) + len(shown) * (1 + len(targets_bpp) * len(peers)) + len(weighed))
    rows = session.measure(sources, lambda source: _rate_tasks(source, grid, names))
    good = {row["picture"] for row in rows}
    remaining = [source for source in sources if source.name in good]
    if not remaining:
        return Outcome([], [], [])
    largest = max(remaining, key=lambda source: source.megapixels)
    return Outcome(
        rows=rows,
        memory=session.measure([largest], lambda source: [_memory_task(source, peer) for peer in weighed]),
        matched=session.measure(
            [source for source in shown if source.name in good],
            lambda source: _match_tasks(source, peers, targets_bpp),
        ),
    )


class _Reader:
    """The pixels of a picture, read when first asked for and kept for its other tasks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pixels: Pixels | None = None

    def __call__(self) -> Pixels:
        if self._pixels is None:
            self._pixels = read(self._source.path)
        return self._pixels


def _identity(peer: Peer) -> dict[str, Any]:
    return {"peer": peer.name, "version": peer.version, "settings": peer.settings}


def _rate_tasks(source: Source, grid: Sequence[tuple[Peer, float]], names: Sequence[str]) -> list[Task]:
    pixels = _Reader(source)

    def task(peer: Peer, quality: float) -> Task:
        identity = {**_identity(peer), "quality": quality}
        return Task(identity, lambda: _figures(peer, quality, pixels(), names), also=" ".join(names))

    return [task(peer, quality) for peer, quality in grid]


def _figures(peer: Peer, quality: float, pixels: Pixels, names: Sequence[str]) -> Mapping[str, Any]:
    started = time.perf_counter()
    file = peer.encode(pixels, quality)
    encoded = time.perf_counter()
    decoded = peer.decode(file)
    finished = time.perf_counter()
    count = pixels.shape[0] * pixels.shape[1]
    return {
        "bytes": len(file),
        "bpp": 8 * len(file) / count,
        **{column: measure(pixels, decoded) for column, measure in (METRICS[name] for name in names)},
        "encode_seconds_per_mpx": (encoded - started) / (count / 1e6),
        "decode_seconds_per_mpx": (finished - encoded) / (count / 1e6),
    }


def _memory_task(source: Source, peer: Peer) -> Task:
    quality = 50.0
    identity = {**_identity(peer), "quality": quality}
    return Task(identity, lambda: {"peak_megabytes": peak_megabytes(peer.name, source.path, quality)}, also="memory")


def _match_tasks(source: Source, peers: Sequence[Peer], targets_bpp: Sequence[float]) -> list[Task]:
    pixels = _Reader(source)

    def original() -> Mapping[str, Any]:
        return {"bytes": source.path.stat().st_size, "crop": crop_uri(pixels(), pixels())}

    def task(peer: Peer, bpp: float) -> Task:
        identity = {**_identity(peer), "target_bpp": bpp}
        return Task(identity, lambda: _matched(peer, bpp, pixels()), also=f"crop {CROP_PX} {match.TOLERANCE}")

    first = Task({"peer": "original", "target_bpp": None}, original, also=f"crop {CROP_PX}")
    return [first, *(task(peer, bpp) for bpp in targets_bpp for peer in peers)]


def _matched(peer: Peer, bpp: float, pixels: Pixels) -> Mapping[str, Any]:
    count = pixels.shape[0] * pixels.shape[1]
    found = match.search(peer, pixels, bpp * count / 8)
    decoded = peer.decode(found.file)
    return {
        "quality": found.quality,
        "bytes": len(found.file),
        "bpp": 8 * len(found.file) / count,
        "psnr_db": psnr(pixels, decoded),
        "crop": crop_uri(decoded, pixels),
    }


def scenes(matched: Sequence[Row], peers: Sequence[Peer], left: str, right: str) -> list[Scene]:
    """Return what the viewer shows: for each picture and target size the original and all codecs.

    Args:
        matched: From `measure`.
        peers: The codecs.
        left: Name of the one that is shown first on the left.
        right: The same on the right.
    """
    labels = {"original": "original", **{peer.name: peer.label for peer in peers}}
    originals = {row["picture"]: row for row in matched if row["peer"] == "original"}
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in matched:
        if row["peer"] != "original":
            groups.setdefault((row["picture"], row["target_bpp"]), [originals[row["picture"]]]).append(row)
    return [
        Scene(
            title=f"{picture}, {bpp:g} bits per pixel",
            views=[View(labels[row["peer"]], _note(row), row["crop"]) for row in group],
            left=labels[left],
            right=labels[right],
        )
        for (picture, bpp), group in groups.items()
    ]


def _note(row: Row) -> str:
    if row["peer"] == "original":
        return f"{row['bytes']:,} bytes, as it is on disk"
    off = row["bpp"] / row["target_bpp"] - 1
    # Whole-numbered qualities and lowest qualities can miss the target.
    missed = f" ({off:+.0%} of the target)" if not -match.TOLERANCE <= off <= 0 else ""
    return f"{row['bytes']:,} bytes{missed}, {row['psnr_db']:.2f} dB, quality {row['quality']:g}"
