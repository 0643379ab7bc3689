"""Integer tables of the entropy coder: built once, at export, and shipped with the weights.

All that needs erf or a power is computed here, by one machine, so that no other machine ever has to agree with it in
the last bit. A table row is a Gaussian with a standard deviation of SCALE_BOUND * 2 ** (row / ROWS_PER_OCTAVE),
integrated over steps of one and cut at +-half_width; one more symbol, the last, is the escape to values beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRECISION = 24  # probabilities are multiples of 2 ** -24: what the range coder works with
SCALE_BOUND = 0.11  # smallest standard deviation of a symbol
ROWS_PER_OCTAVE = 8  # a scale off by 1/16 octave costs less than 0.1 % rate
ROWS = 92  # up to a standard deviation of 292
ESCAPE_FLOOR = 2.0**-14  # real tails are heavier than a Gaussian's
FRACTION_BITS = 10  # logarithms and activations of the integer path are multiples of 2 ** -10
EXP2_BITS = 20  # precision of the exp2 table


@dataclass(frozen=True)
class Tables:
    """What the coding path looks up.

    Attributes:
        half_widths: [ROWS] int32.
        counts: [sum(2 * half_widths + 2)] int32, all rows one after the other; each row sums to 2 ** PRECISION.
        exp2: [2 ** FRACTION_BITS] int32, 2 ** (i / 2 ** FRACTION_BITS) in multiples of 2 ** -EXP2_BITS.
    """

    half_widths: NDArray[np.int32]
    counts: NDArray[np.int32]
    exp2: NDArray[np.int32]


def build() -> Tables:
    """Build the tables of format version 1."""
    rows = [_gaussian_counts(SCALE_BOUND * 2 ** (row / ROWS_PER_OCTAVE)) for row in range(ROWS)]
    steps = 1 << FRACTION_BITS
    exp2 = [round(2 ** (i / steps) * (1 << EXP2_BITS)) for i in range(steps)]
    return Tables(
        half_widths=np.array([(len(row) - 2) // 2 for row in rows], np.int32),
        counts=np.concatenate(rows),
        exp2=np.array(exp2, np.int32),
    )


def _gaussian_counts(scale: float) -> NDArray[np.int32]:
    half_width = max(1, math.ceil(5 * scale))

    def below(value: float) -> float:
        return 0.5 * math.erfc(-value / (scale * math.sqrt(2)))

    # By symmetry from the left tail, where erfc keeps its precision.
    mass = [below(-abs(s) + 0.5) - below(-abs(s) - 0.5) for s in range(-half_width, half_width + 1)]
    mass[half_width] = 1 - 2 * below(-0.5)
    mass.append(max(2 * below(-half_width - 0.5), ESCAPE_FLOOR))
    free = (1 << PRECISION) - len(mass)  # every symbol has a count of at least one
    counts = 1 + np.floor(np.array(mass) / sum(mass) * free).astype(np.int64)
    counts[half_width] += (1 << PRECISION) - counts.sum()  # what rounding left over goes to zero, the likeliest
    return counts.astype(np.int32)
