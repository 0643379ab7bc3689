"""Search for the quality at which a codec makes a file of a given size."""

from __future__ import annotations

from dataclasses import dataclass

from aecodec.bench.peers import Peer
from aecodec.bench.sources import Pixels

TOLERANCE = 0.02
_FINEST = 100  # steps per unit of quality, where a scale knows more than whole numbers


@dataclass(frozen=True)
class Match:
    """The best found: `quality`, the `file`, and how many files were made on the way."""

    quality: float
    file: bytes
    tries: int


def search(peer: Peer, pixels: Pixels, target_bytes: float, tolerance: float = TOLERANCE) -> Match:
    """Find the largest file that has at most `target_bytes`, by bisection.

    The search ends within that tolerance below the target, or where the scale of the peer knows no value between a file
    that is too small and one that is too large: then it is the smaller one. Where even quality 0 is too large, that
    file is returned.
    """
    per_unit = 1 if peer.whole else _FINEST
    low, high = 0, 100 * per_unit + 1  # in steps; `low` fits, `high` does not
    best = Match(0.0, peer.encode(pixels, 0.0), 1)
    tries = 1
    if len(best.file) > target_bytes:
        return best
    while high - low > 1 and len(best.file) < (1 - tolerance) * target_bytes:
        middle = (low + high) // 2
        quality = middle / per_unit
        file = peer.encode(pixels, quality)
        tries += 1
        low, high = (middle, high) if len(file) <= target_bytes else (low, middle)
        if len(best.file) < len(file) <= target_bytes:
            best = Match(quality, file, tries)
    return Match(best.quality, best.file, tries)
