"""Search for the quality at which a codec makes a file of a given size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aecodec.bench.peers import Peer
from aecodec.bench.sources import Pixels
from aecodec.search import highest_below

TOLERANCE = 0.02
_FINEST = 100  # steps per unit of quality, where a scale knows more than whole numbers


@dataclass(frozen=True)
class Match:
    """The best found: `quality`, the `file`, and how many files were made on the way."""

    quality: float
    file: bytes
    tries: int


def search(peer: Peer, pixels: Pixels, target_bytes: float, tolerance: float = TOLERANCE) -> Match:
    """Find a file that has at most `target_bytes`, and as many within the tolerance.

    Where the scale of the peer knows no value between a file that is too small and one that is too large, it is the
    smaller one; where even quality 0 is too large, it is that file.
    """
    per_unit = 1 if peer.whole else _FINEST
    files: dict[int, bytes] = {}

    def log_size(step: int) -> float:
        files[step] = peer.encode(pixels, step / per_unit)
        return math.log(len(files[step]))

    limit, relative = math.log(target_bytes), -math.log(1 - tolerance)
    found = highest_below(log_size, limit, relative, 100 * per_unit) or 0
    return Match(found / per_unit, files[found], len(files))
