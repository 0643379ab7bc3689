"""Integer symbols and table rows <-> bytes, on constriction's range coder. No networks, no rounding of floats.

`Encoder.code` and `Decoder.code` have the same signature, so that one loop serves both directions: they cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from aecodec.errors import FormatError
from aecodec.tables import Tables

MAX_SYMBOL = 2**15 - 1  # symbols are clipped to +-this; an escaped value is coded in 16 bits

Symbols = NDArray[np.int32]

_ESCAPED = constriction.stream.model.Uniform(2 * MAX_SYMBOL + 2)


class TableModels:
    """The coder's models, one per table row, made when a row is first used.

    constriction takes probabilities as floats and adds one count to each symbol. Given integer-valued floats of
    `count - 1`, its sums are exact and its scale factor is 1: its integer probabilities are our counts.
    """

    def __init__(self, tables: Tables) -> None:
        self.half_widths = tables.half_widths
        self._ends = np.cumsum(2 * tables.half_widths + 2)
        self._counts = tables.counts
        self._models: dict[int, Any] = {}

    def __getitem__(self, row: int) -> Any:
        if row not in self._models:
            counts = self._counts[self._ends[row] - 2 * self.half_widths[row] - 2 : self._ends[row]]
            self._models[row] = constriction.stream.model.Categorical(
                (counts - 1).astype(np.float64), lazy=False, perfect=False
            )
        return self._models[row]


class Encoder:
    """Write symbols; `finish` returns the payload."""

    def __init__(self, models: TableModels) -> None:
        self._models = models
        self._coder = constriction.stream.queue.RangeEncoder()

    def code(self, rows: NDArray[np.int64], symbols: Symbols | None) -> Symbols:
        """Encode one batch.

        Args:
            rows: [n] table row of each symbol.
            symbols: [n] values within +-MAX_SYMBOL.

        Returns:
            The symbols, as the decoder will have them.
        """
        if symbols is None:
            raise ValueError("an encoder needs symbols")
        half_widths = self._models.half_widths[rows]
        escaped = np.abs(symbols) > half_widths
        shifted = np.where(escaped, 2 * half_widths + 1, symbols + half_widths).astype(np.int32)
        for row, members in _by_row(rows):
            self._coder.encode(np.ascontiguousarray(shifted[members]), self._models[row])
        if escaped.any():
            self._coder.encode((symbols[escaped] + MAX_SYMBOL).astype(np.int32), _ESCAPED)
        return symbols

    def finish(self) -> bytes:
        """Return the payload: little-endian 32-bit words."""
        payload: NDArray[np.uint32] = self._coder.get_compressed()
        return payload.astype("<u4").tobytes()


class Decoder:
    """Read the symbols that an Encoder wrote.

    Args:
        models: The same tables.
        payload: What `Encoder.finish` returned.

    Raises:
        FormatError: The payload cannot come from an Encoder.
    """

    def __init__(self, models: TableModels, payload: bytes) -> None:
        if len(payload) % 4:
            raise FormatError("damaged: a tile's length is no multiple of 4; get the file again")
        self._models = models
        words = np.frombuffer(payload, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def code(self, rows: NDArray[np.int64], symbols: Symbols | None = None) -> Symbols:
        """Decode one batch; `symbols` is not looked at.

        Raises:
            FormatError: The payload is damaged.
        """
        half_widths = self._models.half_widths[rows]
        shifted = np.empty(len(rows), np.int32)
        try:
            for row, members in _by_row(rows):
                shifted[members] = self._coder.decode(self._models[row], len(members))
            decoded = shifted - half_widths
            escaped = shifted == 2 * half_widths + 1
            if escaped.any():
                decoded[escaped] = self._coder.decode(_ESCAPED, int(escaped.sum())) - MAX_SYMBOL
        except AssertionError as error:  # what constriction raises on invalid data
            raise FormatError("damaged: a tile cannot be decoded; get the file again") from error
        return decoded.astype(np.int32)

    def finish(self) -> None:
        """Check that the payload has been used up.

        Raises:
            FormatError: Data is left over.
        """
        if not self._coder.maybe_exhausted():
            raise FormatError("damaged: a tile does not fit its picture; get the file again")


def _by_row(rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each row in use, in ascending order, with the positions that use it, in ascending order."""
    order = np.argsort(rows, kind="stable")
    used, starts = np.unique(rows[order], return_index=True)
    yield from zip(used.tolist(), np.split(order, starts[1:]), strict=False)  # without rows, one empty part is left
