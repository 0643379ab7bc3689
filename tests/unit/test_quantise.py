import numpy as np
import torch

from aecodec import tables
from aecodec.quantise import ERROR_BITS, Quantiser
from aecodec.rangecoder import MAX_SYMBOL
from aecodec.tables import PRECISION


def test_each_choice_is_the_cheaper_one_of_the_nearest_integer_and_the_next_towards_zero() -> None:
    built = tables.build()
    values = torch.linspace(-4, 4, 401, dtype=torch.float64)
    ends = np.cumsum(2 * built.half_widths + 2)
    for row in (0, 20, 40, 60):
        chosen = Quantiser(built)(values, torch.full((401,), row))
        half_width = int(built.half_widths[row])
        bits = PRECISION - np.log2(built.counts[ends[row] - 2 * half_width - 2 : ends[row] - 1])
        for value, symbol in zip(values.tolist(), chosen.tolist(), strict=True):
            nearest = round(value)
            assert symbol in (nearest, nearest - np.sign(nearest))
            if nearest and abs(nearest) <= half_width:
                costs = {
                    s: bits[half_width + s] + ERROR_BITS * (value - s) ** 2
                    for s in (nearest, nearest - np.sign(nearest))
                }
                assert costs[symbol] <= min(costs.values()) + 1e-9


def test_wide_distributions_and_values_beyond_the_table_are_rounded() -> None:
    values = torch.tensor([0.51, -0.51, 30.6, -1e9, 2.5001], dtype=torch.float64)
    wide = Quantiser(tables.build())(values, torch.full((5,), 91))
    assert wide.tolist() == [1, -1, 31, -MAX_SYMBOL, 3]
    narrow = Quantiser(tables.build())(values, torch.zeros(5, dtype=torch.long))
    assert narrow.tolist() == [0, 0, 31, -MAX_SYMBOL, 3]
