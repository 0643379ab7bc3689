"""The linear ancestor: block PCA, which is what an autoencoder without nonlinearities learns, as a codec.

A linear autoencoder under squared error spans the subspace of the principal components (Baldi and Hornik 1989,
"Neural networks and principal component analysis"); cutting it to a width is truncated SVD. Here all components of
16 x 16 RGB blocks are rounded with one step, so that those below it vanish, and coded with the product's own range
coder, as Gaussians with one scale per component. The basis is fitted to the pictures that are then coded and is not
counted in the bytes: no linear transform of these blocks does better with this coder. On a few
small pictures the basis holds much of them by heart; from some tens of thousands of blocks on it does not.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aecodec import tables
from aecodec.bench.sources import Pixels
from aecodec.rangecoder import MAX_SYMBOL, Decoder, Encoder, TableModels

# Three photographs of 0.4 megapixels at 26, 30 and 35 dB: 8 x 8 blocks cost 18, 12 and 9 % more.
BLOCK_PX = 16
_HEADER = struct.Struct("<IIfH")  # height, width, step, bytes of the scales
_EMPTY = 255  # in place of a table row: all symbols of the component are zero


@dataclass(frozen=True)
class Basis:
    """Principal components of blocks.

    Attributes:
        mean: [K] float64, K = 3 x block x block.
        components: [K, K] float64, orthonormal columns.
        block: Side of a block in pixels.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    block: int


def fit(pictures: Iterable[Pixels], block: int = BLOCK_PX) -> Basis:
    """Fit the basis to all blocks of pictures [H, W, 3]."""
    size = 3 * block * block
    count, total, products = 0, np.zeros(size), np.zeros((size, size))
    for pixels in pictures:
        blocks = _blocks(pixels, block)
        count += len(blocks)
        total += blocks.sum(0)
        products += blocks.T @ blocks
    mean = total / count
    _, components = np.linalg.eigh(products / count - np.outer(mean, mean))
    return Basis(mean, np.ascontiguousarray(components[:, ::-1]), block)


class LinearCodec:
    """Encode and decode pictures with a basis.

    Args:
        basis: From `fit`.
    """

    def __init__(self, basis: Basis) -> None:
        self._basis = basis
        self._models = TableModels(tables.build())

    def encode(self, pixels: Pixels, quality: float) -> bytes:
        """Encode a picture [H, W, 3]; quality 0 to 100 is a step of 512 to 5.7 levels."""
        height, width = pixels.shape[:2]
        step = float(np.float32(2 ** (9 - 0.065 * quality)))
        latent = (_blocks(pixels, self._basis.block) - self._basis.mean) @ self._basis.components
        symbols = np.rint(latent / step).clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int32).T
        scales = np.sqrt((symbols.astype(np.float64) ** 2).mean(1)).clip(tables.SCALE_BOUND)
        rows = np.rint(np.log2(scales / tables.SCALE_BOUND) * tables.ROWS_PER_OCTAVE).clip(0, tables.ROWS - 1)
        rows = np.where(symbols.any(1), rows, _EMPTY).astype(np.uint8)
        coder = Encoder(self._models)
        used = rows != _EMPTY
        coder.code(np.repeat(rows[used].astype(np.int64), symbols.shape[1]), symbols[used].ravel())
        side = zlib.compress(rows.tobytes(), 9)
        return _HEADER.pack(height, width, step, len(side)) + side + coder.finish()

    def decode(self, data: bytes) -> Pixels:
        """Decode what `encode` returned."""
        height, width, step, side = _HEADER.unpack_from(data)
        rows = np.frombuffer(zlib.decompress(data[_HEADER.size : _HEADER.size + side]), np.uint8)
        down, across = (-(-length // self._basis.block) for length in (height, width))
        symbols = np.zeros((len(rows), down * across), np.int32)
        used = rows != _EMPTY
        coder = Decoder(self._models, data[_HEADER.size + side :])
        coded = coder.code(np.repeat(rows[used].astype(np.int64), symbols.shape[1]))
        symbols[used] = coded.reshape(-1, symbols.shape[1])
        blocks = (symbols.T * step) @ self._basis.components.T + self._basis.mean
        shape = (down, across, self._basis.block, self._basis.block, 3)
        padded = blocks.reshape(shape).swapaxes(1, 2).reshape(down * shape[2], across * shape[2], 3)
        return np.asarray(padded[:height, :width].round().clip(0, 255), np.uint8)


def _blocks(pixels: NDArray[Any], block: int) -> NDArray[np.float64]:
    """[H, W, 3] -> [blocks, 3 x block x block], the borders repeated to whole blocks."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge").astype(np.float64)
    down, across = padded.shape[0] // block, padded.shape[1] // block
    return np.asarray(padded.reshape(down, block, across, block, 3).swapaxes(1, 2).reshape(down * across, -1))
