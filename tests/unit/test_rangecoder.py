import numpy as np
import pytest

from aecodec import tables
from aecodec.errors import FormatError
from aecodec.rangecoder import MAX_SYMBOL, Decoder, Encoder, TableModels

MODELS = TableModels(tables.build())


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random rows, and symbols that follow them."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, tables.ROWS, count)
    symbols = np.round(rng.normal(0, tables.SCALE_BOUND * 2 ** (rows / tables.ROWS_PER_OCTAVE)))
    return rows, symbols.astype(np.int32)


def encoded(*batches: tuple[np.ndarray, np.ndarray]) -> bytes:
    encoder = Encoder(MODELS)
    for rows, symbols in batches:
        encoder.code(rows, symbols)
    return encoder.finish()


def test_batches_come_back_as_they_were_and_use_up_the_payload() -> None:
    batches = [drawn(n, n) for n in (1, 5000, 0, 300)]
    decoder = Decoder(MODELS, encoded(*batches))
    for rows, symbols in batches:
        assert np.array_equal(decoder.code(rows), symbols)
    decoder.finish()


def test_the_size_is_the_entropy_under_the_tables() -> None:
    rows, symbols = drawn(20000)
    built = tables.build()
    starts = np.cumsum(2 * built.half_widths + 2) - (2 * built.half_widths + 2)
    inside = np.abs(symbols) <= built.half_widths[rows]
    rows, symbols = rows[inside], symbols[inside]
    counts = built.counts[starts[rows] + symbols + built.half_widths[rows]]
    bits = (tables.PRECISION - np.log2(counts)).sum()
    assert 0 <= 8 * len(encoded((rows, symbols))) - bits <= 64


def test_values_beyond_the_table_are_escaped_up_to_the_limit() -> None:
    symbols = np.array([MAX_SYMBOL, -MAX_SYMBOL, 0, 2, -2, 700], np.int32)
    rows = np.array([0, 5, 0, 0, 0, tables.ROWS - 1])
    decoder = Decoder(MODELS, encoded((rows, symbols)))
    assert np.array_equal(decoder.code(rows), symbols)


def test_known_symbols_give_the_words_that_they_always_gave() -> None:
    symbols = np.arange(-8, 8, dtype=np.int32)
    assert encoded((np.arange(16) * 5, symbols)).hex() == "ffffffff000700fd200000102d6a76c7e18928dc50e6c1950094ac46"


def test_left_over_data_is_noticed() -> None:
    rows, symbols = drawn(2000)
    decoder = Decoder(MODELS, encoded((rows, symbols)))
    decoder.code(rows[:1000])
    with pytest.raises(FormatError, match="does not fit"):
        decoder.finish()


@pytest.mark.parametrize("payload", [b"", b"\xff" * 8, b"\x00" * 4, b"\xff" * 400])
def test_garbage_gives_symbols_or_a_format_error_never_anything_else(payload: bytes) -> None:
    try:
        symbols = Decoder(MODELS, payload).code(drawn(500)[0])
    except FormatError:
        return
    assert np.abs(symbols).max() <= MAX_SYMBOL + 1


def test_a_payload_of_broken_words_is_refused() -> None:
    with pytest.raises(FormatError, match="multiple of 4"):
        Decoder(MODELS, b"abc")
