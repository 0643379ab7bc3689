"""The .aec container, format version 1: a header and chunks <-> bytes. Little endian, no padding.

    field      offset  size  type  legal range              meaning
    magic           0     4  4s    8B 41 45 43              marks the file; not text, not any other format
    version         4     1  u8    1                        format version
    mode            5     1  u8    0..3                     bit 0: 0 gray, 1 RGB; bit 1: 0 8-bit, 1 16-bit
    quality         6     2  u16   0..10000                 quality setting of the encoder, in hundredths
    width           8     4  u32   1..1048576               pixels; width * height <= 268435456
    height         12     4  u32   1..1048576               pixels
    model          16     4  4s    any                      first bytes of the sha256 of the weights

Chunks follow until the last tile, which ends the file. Offsets count from the start of the chunk, n = length:

    field      offset  size  type  legal range              meaning
    type            0     1  u8    1, 2, 3, 4, 16           what the payload is, see below
    length          1     4  u32   0..limit of the type     bytes of payload
    payload         5     n  ns    any                      content
    crc           5+n     4  u32   any                      CRC-32 of header, type, length and payload

    type  limit of length            how many      payload
    1     16777216                   0 or 1        ICC profile
    2     16777216                   0 or 1        EXIF, from its TIFF header on
    3     16777216                   0 or 1        XMP packet
    4     2 * width * height + 1024  0 or 1        alpha channel
    16    8388608                    rows * cols   latent of one tile of 1024 x 1024 pixels

rows = ceil(height / 1024), cols = ceil(width / 1024). Chunks stand in ascending order of type, tiles in rows
from the top left. The header is part of every checksum, so no byte goes unguarded, and yet a damaged tile can
be told from the intact ones. A plain picture costs 29 bytes on top of its one tile. Readers check each length
against its limit and against what is left before they use it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from aecodec.errors import FormatError, VersionError

MAGIC = b"\x8bAEC"
VERSION = 1
TILE_PX = 1024
MAX_SIDE_PX = 2**20
MAX_PIXELS = 2**28
MAX_QUALITY_HUNDREDTHS = 10_000
MAX_METADATA_BYTES = 2**24
MAX_TILE_BYTES = 2**23

HEADER = struct.Struct("<4sBBHII4s")
CHUNK = struct.Struct("<BI")
CRC = struct.Struct("<I")

TILE = 16
CHUNK_NAMES = {1: "icc", 2: "exif", 3: "xmp", 4: "alpha", TILE: "tile"}

_FETCH_AGAIN = "copy or download the file again"


@dataclass(frozen=True)
class Header:
    """What the first 20 bytes of a file say.

    Attributes:
        width: Columns of the picture, 1..2**20.
        height: Rows of the picture, 1..2**20; at most 2**28 pixels in all.
        channels: 1 for gray, 3 for RGB.
        bit_depth: 8 or 16, of the picture that was encoded.
        quality_hundredths: Quality setting times 100, 0..10000.
        model_id: First 4 bytes of the sha256 of the weights.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    quality_hundredths: int
    model_id: bytes


@dataclass(frozen=True)
class Container:
    """Everything that a file holds.

    Attributes:
        header: Geometry, quality and model.
        tiles: Coded latents, row by row; as many as `tile_grid` says.
        icc: ICC profile.
        exif: EXIF block.
        xmp: XMP packet.
        alpha: Coded alpha channel.
    """

    header: Header
    tiles: tuple[bytes, ...]
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    alpha: bytes | None = None


def tile_grid(width: int, height: int) -> tuple[int, int]:
    """Return the rows and columns of tiles that cover a picture of this size in pixels."""
    return -(-height // TILE_PX), -(-width // TILE_PX)


def pack(container: Container) -> bytes:
    """Write a container as the bytes of a file.

    Raises:
        FormatError: A field is outside its legal range, a part is above its limit, or tiles are missing.
    """
    header = container.header
    head = _pack_header(header)
    rows, columns = tile_grid(header.width, header.height)
    if len(container.tiles) != rows * columns:
        raise FormatError(
            f"{len(container.tiles)} tiles for a picture of {header.width} x {header.height} pixels; "
            f"give all {rows * columns}"
        )
    metadata = ((kind, getattr(container, name)) for kind, name in CHUNK_NAMES.items() if kind != TILE)
    chunks = [(kind, payload) for kind, payload in metadata if payload is not None]
    chunks += [(TILE, payload) for payload in container.tiles]
    parts = [head]
    for kind, payload in chunks:
        limit = _limit(kind, header)
        if len(payload) > limit:
            raise FormatError(
                f"{CHUNK_NAMES[kind]} of {len(payload)} bytes is above the limit of {limit}; leave it out"
            )
        start = CHUNK.pack(kind, len(payload))
        parts += (start, payload, CRC.pack(_crc(head, start, payload)))
    return b"".join(parts)


def unpack(data: bytes) -> Container:
    """Read the bytes of a file and check every one of them.

    Raises:
        VersionError: The file is of a later format version.
        FormatError: It is no .aec file, is cut short or damaged, or breaks a rule of the format.
    """
    header = read_header(data)
    rows, columns = tile_grid(header.width, header.height)
    found: dict[str, bytes] = {}
    tiles: list[bytes] = []
    for kind, payload, intact in _chunks(data, header, rows * columns):
        name = CHUNK_NAMES[kind]
        if kind == TILE:
            tiles.append(payload)
            name = f"tile {len(tiles)} of {rows * columns}"
        else:
            found[name] = payload
        if not intact:
            raise FormatError(f"damaged: the checksum of {name} does not match; {_FETCH_AGAIN}")
    return Container(header, tuple(tiles), **found)


def read_header(data: bytes) -> Header:
    """Read and check the header alone; what follows may be missing or damaged.

    Args:
        data: The file, or at least its first 20 bytes.

    Raises:
        VersionError: The file is of a later format version.
        FormatError: It is no .aec file, is cut short, or a field is outside its legal range.
    """
    start = data[: len(MAGIC)]
    if not start:
        raise FormatError(f"the file is empty; {_FETCH_AGAIN}")
    if not MAGIC.startswith(start):
        raise FormatError(f"not an .aec file (starts with {start.hex(' ')}); give one that aecodec encode made")
    if len(data) > len(MAGIC) and data[len(MAGIC)] > VERSION:
        raise VersionError(f"format version {data[len(MAGIC)]}; this release reads {VERSION}; upgrade aecodec")
    if len(data) < HEADER.size:
        raise FormatError(f"cut short: {len(data)} of {HEADER.size} bytes of header; {_FETCH_AGAIN}")
    _, version, mode, quality, width, height, model_id = HEADER.unpack_from(data)
    if version != VERSION or mode > 3:
        raise FormatError(f"damaged: the header says version {version}, mode {mode}; {_FETCH_AGAIN}")
    header = Header(width, height, 3 if mode & 1 else 1, 16 if mode & 2 else 8, quality, model_id)
    _check_ranges(header, _FETCH_AGAIN)
    return header


def _pack_header(header: Header) -> bytes:
    if header.channels not in (1, 3) or header.bit_depth not in (8, 16) or len(header.model_id) != 4:
        raise FormatError(
            f"{header.channels} channels of {header.bit_depth} bits, model id {header.model_id!r}; "
            "give 1 or 3 channels of 8 or 16 bits and 4 bytes of model id"
        )
    _check_ranges(header, "choose values within the limits")
    mode = (header.channels == 3) | (header.bit_depth == 16) << 1
    return HEADER.pack(MAGIC, VERSION, mode, header.quality_hundredths, header.width, header.height, header.model_id)


def _check_ranges(header: Header, remedy: str) -> None:
    width, height, quality = header.width, header.height, header.quality_hundredths
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX and width * height <= MAX_PIXELS):
        raise FormatError(
            f"a picture of {width} x {height} pixels is outside the format's limits "
            f"(1 to {MAX_SIDE_PX} a side, {MAX_PIXELS} in all); {remedy}"
        )
    if not 0 <= quality <= MAX_QUALITY_HUNDREDTHS:
        raise FormatError(f"a quality of {quality / 100:g} is outside 0 to 100; {remedy}")


def _limit(kind: int, header: Header) -> int:
    """Return the most bytes that a payload of this type may have."""
    if kind == TILE:
        return MAX_TILE_BYTES
    if CHUNK_NAMES[kind] == "alpha":
        return 2 * header.width * header.height + 1024
    return MAX_METADATA_BYTES


def _crc(*parts: bytes) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _chunks(data: bytes, header: Header, tiles: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield type, payload and whether the checksum matches, up to the last tile and the end of the file."""
    head = data[: HEADER.size]
    at = HEADER.size
    last = tile = 0
    while tile < tiles:
        left = len(data) - at - CHUNK.size
        if left < 0:
            raise FormatError(f"cut short: {tile} of {tiles} tiles are there; {_FETCH_AGAIN}")
        kind, length = CHUNK.unpack_from(data, at)
        if kind not in CHUNK_NAMES:
            raise FormatError(f"damaged: unknown chunk type {kind} at byte {at}; {_FETCH_AGAIN}")
        if kind < last or kind == last != TILE:
            raise FormatError(f"damaged: chunk type {kind} at byte {at} follows type {last}; {_FETCH_AGAIN}")
        last = kind
        tile += kind == TILE
        name = f"tile {tile} of {tiles}" if kind == TILE else CHUNK_NAMES[kind]
        if length > _limit(kind, header):
            limit = _limit(kind, header)
            raise FormatError(f"damaged: {name} says {length} bytes, the limit is {limit}; {_FETCH_AGAIN}")
        if length + CRC.size > left:
            left = max(0, left - CRC.size)
            raise FormatError(f"cut short: {name} says {length} bytes, {left} are left; {_FETCH_AGAIN}")
        start, payload = data[at : at + CHUNK.size], data[at + CHUNK.size : at + CHUNK.size + length]
        at += CHUNK.size + length
        yield kind, payload, CRC.unpack_from(data, at)[0] == _crc(head, start, payload)
        at += CRC.size
    if at != len(data):
        raise FormatError(f"damaged: {len(data) - at} bytes follow the last tile; {_FETCH_AGAIN}")
