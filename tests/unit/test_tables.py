import hashlib

import numpy as np

from aecodec import tables


def rows() -> list[np.ndarray]:
    built = tables.build()
    ends = np.cumsum(2 * built.half_widths + 2)
    return np.split(built.counts, ends[:-1])


def test_every_row_sums_to_the_coder_s_precision_and_gives_each_symbol_a_count() -> None:
    assert len(rows()) == tables.ROWS
    for row in rows():
        assert row.sum() == 2**tables.PRECISION
        assert row.min() >= 1


def test_rows_are_symmetric_and_have_the_standard_deviation_that_they_stand_for() -> None:
    for n, row in enumerate(rows()):
        body = row[:-1]
        assert np.array_equal(body, body[::-1])
        values = np.arange(len(body)) - len(body) // 2
        measured = np.sqrt((body * values**2).sum() / body.sum())
        scale = tables.SCALE_BOUND * 2 ** (n / tables.ROWS_PER_OCTAVE)
        if scale > 1:  # below, integration over steps of one changes the variance by more than 1/12
            assert abs(measured / np.hypot(scale, 12**-0.5) - 1) < 0.01


def test_the_exp2_table_is_within_half_a_step() -> None:
    table = tables.build().exp2
    exact = 2.0 ** (np.arange(len(table)) / len(table)) * 2**tables.EXP2_BITS
    assert np.abs(table - exact).max() <= 0.5


def test_the_tables_of_format_1_are_what_they_always_were() -> None:
    built = tables.build()
    digest = hashlib.sha256(built.half_widths.tobytes() + built.counts.tobytes() + built.exp2.tobytes())
    assert digest.hexdigest() == "a1959126e52724b4a8d8bb8e0651017a4d9f400287f7a6b82568fb61178ff80d"
