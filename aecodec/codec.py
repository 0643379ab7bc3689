"""Picture <-> bytes of an .aec file: the networks, the exact coding path and the container put together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aecodec import container, imageio, pretrained, tiling
from aecodec.container import TILE_PX, Container, Header
from aecodec.entropy import QUALITY_STEPS, ExactEntropyModel
from aecodec.errors import ModelError, TargetError
from aecodec.imageio import Picture
from aecodec.networks import LATENT_STRIDE, CodecNetwork
from aecodec.pixels import psnr, to_pixels, to_tensor
from aecodec.rangecoder import Decoder, Encoder, TableModels
from aecodec.refine import Refiner
from aecodec.search import highest_below
from aecodec.tables import Tables

TILE = TILE_PX // LATENT_STRIDE  # side of a tile in latent positions
# Receptive fields, from the blocks of g_a and g_s: 104 px on either side, and 4 latent positions.
ANALYSIS_HALO_PX = 112
SYNTHESIS_HALO = 6
SIZE_TOLERANCE = 0.015  # relative
PSNR_TOLERANCE_DB = 0.05
# Steps that refine the latents at efforts 0 to 9. Fewer than 64 do not repay what the random choices disturb.
REFINEMENT_STEPS = (0, 0, 64, 96, 144, 216, 324, 480, 720, 1080)
DEFAULT_EFFORT = 1


@dataclass(frozen=True)
class Analysis:
    """What the encoder knows of a picture at all qualities.

    Attributes:
        x: [3, H, W] in [0, 1], both sides padded to multiples of LATENT_STRIDE.
        latents: For each tile y [M, h, w] and z, from g_a and h_a.
    """

    x: Tensor
    latents: list[tuple[Tensor, Tensor]]


class Codec:
    """Encode pictures to .aec bytes and decode them.

    Example:
        codec = Codec.load()
        data = codec.encode(imageio.read(Path("a.png").read_bytes(), "a.png"), quality=50)
        picture = codec.decode(data)

    Args:
        network: Trained networks.
        tables: Of the same weights file.
        model_id: Of the same weights file, 4 bytes.
        device: For g_a and g_s; the coding path always runs on the CPU.
    """

    def __init__(self, network: CodecNetwork, tables: Tables, model_id: bytes, device: str = "cpu") -> None:
        self.model_id = model_id
        self._device = device
        self._entropy = ExactEntropyModel(network, tables)
        self._models = TableModels(tables)
        self._network = network
        self._refiner: Refiner | None = None  # made when it is needed: it has a copy of the networks
        self._h_a = network.h_a
        self._g_a, self._g_s = network.g_a.to(device), network.g_s.to(device)

    @classmethod
    def load(cls, device: str = "cpu", weights: Path | None = None) -> Codec:
        """Load the shipped weights, or those of a file.

        Raises:
            WeightsError: They are missing or damaged.
        """
        loaded = pretrained.load("codec", weights)
        return cls(cast(CodecNetwork, loaded.network), cast(Tables, loaded.tables), loaded.model_id, device)

    def encode(
        self,
        picture: Picture,
        quality: float = 50.0,
        effort: int = DEFAULT_EFFORT,
        progress: Callable[[int, int], object] | None = None,
    ) -> bytes:
        """Encode a picture as an .aec file.

        Args:
            picture: Any size; gray is coded as gray. Alpha is kept exactly.
            quality: 0 (smallest) to 100, kept in hundredths.
            effort: 0 rounds the latents, 1 weighs rate against error, 2 to 9 refine the latents of this picture by
                64 to 1080 steps, each of which takes longer than all the rest. All decode alike.
            progress: Called after each step with the number of those done and of all.

        Raises:
            ValueError: The quality or the effort is outside its range.
            FormatError: The picture or its metadata is above the limits of the format.
        """
        if not 0 <= quality <= 100:
            raise ValueError(f"quality {quality} is outside 0..100")
        return self._write(picture, self._analyse(picture), round(quality * 100), effort, progress)

    def encode_to_size(
        self,
        picture: Picture,
        limit: int,
        effort: int = DEFAULT_EFFORT,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[bytes, float]:
        """Encode a picture at the highest quality that fits into `limit` bytes, to within 1.5 % of them.

        Args:
            picture: As for `encode`.
            limit: In bytes.
            effort: As for `encode`, at each quality that is tried.
            progress: As for `encode`; starts anew for each quality.

        Returns:
            The file and its quality.

        Raises:
            TargetError: Even quality 0 takes more bytes.
            FormatError: As `encode`.
        """
        analysis = self._analyse(picture)
        files: dict[int, bytes] = {}

        def log_size(quality: int) -> float:
            files[quality] = self._write(picture, analysis, quality, effort, progress)
            return math.log(len(files[quality]))

        found = highest_below(log_size, math.log(max(limit, 1)), SIZE_TOLERANCE, QUALITY_STEPS)
        if found is None:
            bpp = 8 * len(files[0]) / (picture.height * picture.width)
            raise TargetError(f"takes {len(files[0])} bytes ({bpp:.3g} bpp) even at quality 0; raise the target")
        return files[found], found / 100

    def encode_to_psnr(
        self,
        picture: Picture,
        psnr_db: float,
        effort: int = DEFAULT_EFFORT,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[bytes, float]:
        """Encode a picture at the lowest quality that reaches a PSNR of its colours, to within 0.05 dB.

        Args:
            picture: As for `encode`.
            psnr_db: In dB, of the picture as it is decoded.
            effort: As for `encode`, at each quality that is tried.
            progress: As for `encode`; starts anew for each quality.

        Returns:
            The file and its quality.

        Raises:
            TargetError: Even quality 100 does not reach it.
            FormatError: As `encode`.
        """
        analysis = self._analyse(picture)
        files: dict[int, bytes] = {}

        def negative_psnr(steps_from_top: int) -> float:
            quality = QUALITY_STEPS - steps_from_top
            files[quality] = self._write(picture, analysis, quality, effort, progress)
            return -psnr(self.decode(files[quality]).pixels, picture.pixels)

        found = highest_below(negative_psnr, -psnr_db, PSNR_TOLERANCE_DB, QUALITY_STEPS)
        if found is None:
            reached = psnr(self.decode(files[QUALITY_STEPS]).pixels, picture.pixels)
            raise TargetError(f"reaches {reached:.2f} dB at quality 100, not {psnr_db:g} dB; lower the target")
        return files[QUALITY_STEPS - found], (QUALITY_STEPS - found) / 100

    def decode(self, data: bytes) -> Picture:
        """Decode an .aec file.

        Raises:
            FormatError: It is damaged or no .aec file.
            VersionError: It is of a later version.
            ModelError: It was made with other weights.
        """
        file = container.unpack(data)
        header = file.header
        if header.model_id != self.model_id:
            raise ModelError(
                f"made with other weights ({header.model_id.hex()}, these are {self.model_id.hex()}); "
                "decode it with the release, or the --weights, that made it"
            )
        alpha = None if file.alpha is None else imageio.unpack_alpha(file.alpha, header.width, header.height)
        pixels = self._synthesise(self._decode_tiles(file), header)
        return Picture(pixels, alpha=alpha, icc=file.icc, exif=file.exif, xmp=file.xmp)

    @torch.inference_mode()
    def _analyse(self, picture: Picture) -> Analysis:
        """Run g_a and h_a."""
        x = tiling.pad_to_multiple(to_tensor(picture.pixels), LATENT_STRIDE)
        latents = []
        for tile in tiling.tiles(x.shape[1], x.shape[2], TILE_PX, ANALYSIS_HALO_PX):
            y = self._run(self._g_a, tiling.with_halo(x, tile) - 0.5)
            y = tiling.without_halo(y, tile, 1, LATENT_STRIDE)
            z = self._h_a(tiling.channels_last(tiling.pad_to_multiple(y, 4)[None]))[0]
            latents.append((y, z))
        return Analysis(x, latents)

    @torch.inference_mode()
    def _write(
        self,
        picture: Picture,
        analysis: Analysis,
        quality: int,
        effort: int = DEFAULT_EFFORT,
        progress: Callable[[int, int], object] | None = None,
    ) -> bytes:
        """Code the latents of all tiles at a quality in hundredths; return the whole file."""
        if not 0 <= effort < len(REFINEMENT_STEPS):
            raise ValueError(f"effort {effort} is outside 0..{len(REFINEMENT_STEPS) - 1}")
        latents = analysis.latents
        if steps := REFINEMENT_STEPS[effort]:
            latents = self._refine(picture, analysis, quality, steps, progress or (lambda done, total: None))
        payloads = []
        for y, z in latents:
            coder = Encoder(self._models)
            # Refined latents have weighed the rate already.
            self._entropy.code_tile(coder, quality, y.shape[1], y.shape[2], (y, z), weigh_rate=effort == 1)
            payloads.append(coder.finish())
        file = Container(
            Header(picture.width, picture.height, picture.channels, picture.bit_depth, quality, self.model_id),
            tuple(payloads),
            icc=picture.icc,
            exif=picture.exif,
            xmp=picture.xmp,
            alpha=None if picture.alpha is None else imageio.pack_alpha(picture.alpha),
        )
        return container.pack(file)

    def _refine(
        self, picture: Picture, analysis: Analysis, quality: int, steps: int, progress: Callable[[int, int], object]
    ) -> list[tuple[Tensor, Tensor]]:
        """Refine y of all tiles, one after the other, each beside what its neighbours are by then."""
        self._refiner = self._refiner or Refiner(self._network, self._device)
        _, height, width = analysis.x.shape
        tiles = list(tiling.tiles(height, width, TILE_PX, SYNTHESIS_HALO * LATENT_STRIDE))
        plane = torch.empty(self._entropy.config.latent, height // LATENT_STRIDE, width // LATENT_STRIDE)
        owns = []  # views of the plane: what is refined in one tile, its neighbours see
        for tile, (y, _) in zip(tiles, analysis.latents, strict=True):
            around = tiling.with_halo(plane, tile, LATENT_STRIDE)
            owns.append(tiling.without_halo(around, tile, 1, LATENT_STRIDE).copy_(y))
        x = analysis.x[:, : picture.height, : picture.width]
        ticks = count(1)
        for tile, own, (_, z) in zip(tiles, owns, analysis.latents, strict=True):
            around = tiling.with_halo(plane, tile, LATENT_STRIDE)
            own[:] = self._refiner(
                tiling.with_halo(x, tile),
                around,
                z,
                tile,
                quality / 100,
                steps,
                lambda: progress(next(ticks), steps * len(tiles)),
            )
        return [(own, z) for own, (_, z) in zip(owns, analysis.latents, strict=True)]

    @torch.inference_mode()
    def _decode_tiles(self, file: Container) -> Tensor:
        """Decode all tiles to y_hat [M, ceil(H / 16), ceil(W / 16)] float32."""
        height, width = (math.ceil(side / LATENT_STRIDE) for side in (file.header.height, file.header.width))
        y_hat = torch.empty(self._entropy.config.latent, height, width)
        for tile, payload in zip(tiling.tiles(height, width, TILE, 0), file.tiles, strict=True):
            coder = Decoder(self._models, payload)
            y_hat[:, tile.top : tile.bottom, tile.left : tile.right] = self._entropy.code_tile(
                coder, file.header.quality_hundredths, tile.bottom - tile.top, tile.right - tile.left, None
            )
            coder.finish()
        return y_hat

    @torch.inference_mode()
    def _synthesise(self, y_hat: Tensor, header: Header) -> NDArray[Any]:
        """Run g_s tile by tile; return pixels [H, W, C] of the header's depth."""
        dtype = np.dtype(np.uint16 if header.bit_depth == 16 else np.uint8)
        pixels = np.empty((header.height, header.width, header.channels), dtype)
        for tile in tiling.tiles(y_hat.shape[1], y_hat.shape[2], TILE, SYNTHESIS_HALO):
            x_hat = self._run(self._g_s, tiling.with_halo(y_hat, tile)) + 0.5
            x_hat = tiling.without_halo(x_hat, tile, LATENT_STRIDE)
            top, left = tile.top * LATENT_STRIDE, tile.left * LATENT_STRIDE
            area = pixels[top : top + x_hat.shape[1], left : left + x_hat.shape[2]]
            area[:] = to_pixels(x_hat[:, : area.shape[0], : area.shape[1]], header.channels, dtype)
        return pixels

    def _run(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Run g_a or g_s on [C, H, W]."""
        return network(tiling.channels_last(x[None].to(self._device)))[0].cpu()
