"""The container holds what it is given, follows its own table, and names each broken rule."""

import re
import struct
import zlib
from dataclasses import replace

import pytest

from aecodec import container
from aecodec.container import Container, Header, pack, read_header, tile_grid, unpack
from aecodec.errors import FormatError, VersionError

PLAIN = Container(Header(640, 480, 3, 8, 5000, b"\x01\x02\x03\x04"), (b"latent",))
FULL = Container(
    Header(2049, 1024, 1, 16, 10000, b"abcd"),
    (b"one", b"", b"three"),
    icc=b"profile",
    exif=b"II*\0",
    xmp=b"<x/>",
    alpha=b"\x89PNG",
)


def chunk(head: bytes, kind: int, payload: bytes, length: int | None = None) -> bytes:
    start = struct.pack("<BI", kind, len(payload) if length is None else length)
    return start + payload + struct.pack("<I", zlib.crc32(head + start + payload))


def head(**changes: object) -> bytes:
    return pack(replace(PLAIN, header=replace(PLAIN.header, **changes)))[:20]


def table(title_line: int) -> list[list[str]]:
    """Rows of the n-th table in the module's docstring, split at runs of two spaces or more."""
    blocks = re.findall(r"(?:^ {4}\S.*\n)+", container.__doc__ or "", re.M)
    return [re.split(r" {2,}", line.strip()) for line in blocks[title_line].splitlines()[1:]]


def test_header_table_is_the_struct() -> None:
    """Offsets, sizes and types in the docstring are those that struct uses, without a gap."""
    codes = {"u8": "B", "u16": "H", "u32": "I", "4s": "4s"}
    rows = [re.split(r"\s+", " ".join(row), maxsplit=4)[:4] for row in table(0)]
    assert "<" + "".join(codes[type_] for *_, type_ in rows) == container.HEADER.format
    at = 0
    for _, offset, size, type_ in rows:
        assert int(offset) == at
        assert int(size) == struct.calcsize("<" + codes[type_])
        at += int(size)
    assert at == container.HEADER.size == 20


def test_header_table_states_the_limits() -> None:
    """The legal ranges in the docstring are those that the code enforces."""
    ranges = dict.fromkeys(("width", "height"), f"1..{container.MAX_SIDE_PX}")
    ranges |= {"quality": f"0..{container.MAX_QUALITY_HUNDREDTHS}", "magic": container.MAGIC.hex(" ").upper()}
    ranges |= {"version": str(container.VERSION), "mode": "0..3", "model": "any"}
    lines = (container.__doc__ or "").splitlines()
    for name, legal in ranges.items():
        line = next(line for line in lines if line.startswith(f"    {name} "))
        assert f"  {legal}  " in line
    assert f"width * height <= {container.MAX_PIXELS}" in (container.__doc__ or "")


def test_chunk_table_is_the_struct() -> None:
    """Chunk fields and the limits of each chunk type in the docstring are those of the code."""
    rows = [re.split(r"\s+", " ".join(row), maxsplit=4)[:4] for row in table(1)]
    assert [row[1:4] for row in rows] == [
        ["0", "1", "u8"],
        ["1", "4", "u32"],
        ["5", "n", "ns"],
        ["5+n", "4", "u32"],
    ]
    assert (container.CHUNK.format, container.CRC.format) == ("<BI", "<I")
    types = {int(row[0]): row[1] for row in table(2)}
    assert set(types) == set(container.CHUNK_NAMES)
    for kind, limit in types.items():
        formula = eval(limit, {"width": 640, "height": 480})
        assert formula == container._limit(kind, PLAIN.header)


def test_golden_bytes() -> None:
    """A plain file is these bytes for ever, 29 more than its tile."""
    golden = bytes.fromhex("8b414543 01 01 8813 80020000 e0010000 01020304 10 06000000 6c6174656e74 c914ba96")
    assert pack(PLAIN) == golden
    assert len(golden) == 29 + len(b"latent")
    assert unpack(golden) == PLAIN


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_round_trip_in_every_mode(channels: int, bit_depth: int) -> None:
    """Gray and RGB, 8 and 16 bits come back as they went in, with all chunks."""
    given = replace(FULL, header=replace(FULL.header, channels=channels, bit_depth=bit_depth))
    assert unpack(pack(given)) == given
    assert read_header(pack(given)) == given.header


@pytest.mark.parametrize("name", ["icc", "exif", "xmp", "alpha"])
def test_each_optional_chunk_alone(name: str) -> None:
    """Every optional part can stand alone, and an empty one is not the same as none."""
    given = replace(PLAIN, **{name: b""})
    assert unpack(pack(given)) == given != PLAIN


def test_tile_grid_rounds_up() -> None:
    """Rows come first, and a single pixel over the edge opens a new tile."""
    assert tile_grid(1, 1) == tile_grid(1024, 1024) == (1, 1)
    assert tile_grid(1025, 1024) == (1, 2)
    assert tile_grid(1024, 3000) == (3, 1)


def test_read_header_needs_no_more_than_the_header() -> None:
    """`info` works on a file whose tiles are missing."""
    assert read_header(pack(FULL)[:20]) == FULL.header


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), r"not an \.aec file \(starts with 89 50 4e 47\)"),
        (b"hello, world, this is text", r"not an \.aec file \(starts with 68 65 6c 6c\)"),
        (b"\x8bA", "cut short: 2 of 20 bytes of header"),
        (head()[:19], "cut short: 19 of 20 bytes of header"),
        (head()[:4] + b"\0" + head()[5:], "damaged: the header says version 0"),
        (head()[:5] + b"\4" + head()[6:], "damaged: the header says version 1, mode 4"),
        (head()[:6] + b"\x11\x27" + head()[8:], "a quality of 100.01 is outside 0 to 100"),
        (head()[:8] + bytes(4) + head()[12:], "a picture of 0 x 480 pixels is outside"),
        (head()[:8] + b"\1\0\x10\0" + head()[12:], "a picture of 1048577 x 480 pixels is outside"),
        (head()[:12] + bytes(4) + head()[16:], "a picture of 640 x 0 pixels is outside"),
        (head()[:8] + struct.pack("<II", 2**20, 257) + head()[16:], "a picture of 1048576 x 257 pixels"),
    ],
)
def test_header_lies_are_named(data: bytes, message: str) -> None:
    """Each field out of range is refused with the value that the file states."""
    with pytest.raises(FormatError, match=message):
        read_header(data)


def test_later_version_says_what_to_do() -> None:
    """A file from the future asks for an upgrade even where its header has another length."""
    with pytest.raises(VersionError, match="format version 3; this release reads 1; upgrade aecodec"):
        unpack(container.MAGIC + b"\3")


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "cut short: 0 of 1 tiles are there"),
        ([chunk(head(), 16, b"x")[:-1]], "cut short: tile 1 of 1 says 1 bytes, 0 are left"),
        ([chunk(head(), 16, b"x" * 9, length=5000)], "cut short: tile 1 of 1 says 5000 bytes, 9 are left"),
        ([chunk(head(), 16, b"x", length=2**23 + 1)], "tile 1 of 1 says 8388609 bytes, the limit is 8388608"),
        ([chunk(head(), 2, b"x", length=2**24 + 1)], "exif says 16777217 bytes, the limit is 16777216"),
        (
            [chunk(head(), 4, b"x", length=640 * 480 * 2 + 1025)],
            "alpha says 615425 bytes, the limit is 615424",
        ),
        ([chunk(head(), 5, b"x")], "unknown chunk type 5 at byte 20"),
        ([chunk(head(), 1, b"x"), chunk(head(), 1, b"x")], "chunk type 1 at byte 30 follows type 1"),
        ([chunk(head(), 3, b"x"), chunk(head(), 2, b"x")], "chunk type 2 at byte 30 follows type 3"),
        ([chunk(head(), 16, b"x"), chunk(head(), 16, b"x")], "10 bytes follow the last tile"),
        ([chunk(head(), 16, b"x"), b"\0"], "1 bytes follow the last tile"),
        ([chunk(head(width=641), 16, b"x")], "the checksum of tile 1 of 1 does not match"),
        ([chunk(head(), 1, b"x")[:-1] + b"?", chunk(head(), 16, b"x")], "the checksum of icc does not match"),
    ],
)
def test_chunk_lies_are_named(chunks: list[bytes], message: str) -> None:
    """Each rule for chunks has a message of its own, with a remedy."""
    with pytest.raises(FormatError, match=f"{message}.*; copy or download the file again"):
        unpack(head() + b"".join(chunks))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "a picture of 0 x 480 pixels"),
        ({"height": 2**20 + 1}, "a picture of 640 x 1048577 pixels"),
        ({"channels": 4}, "4 channels of 8 bits"),
        ({"bit_depth": 12}, "3 channels of 12 bits"),
        ({"quality_hundredths": 10001}, "a quality of 100.01"),
        ({"quality_hundredths": -1}, "a quality of -0.01"),
        ({"model_id": b"abc"}, "model id b'abc'"),
        ({"width": 1025}, "1 tiles for a picture of 1025 x 480 pixels; give all 2"),
    ],
)
def test_pack_refuses_what_unpack_would(changes: dict[str, object], message: str) -> None:
    """No illegal file can be written."""
    with pytest.raises(FormatError, match=message):
        pack(replace(PLAIN, header=replace(PLAIN.header, **changes)))


@pytest.mark.parametrize(
    "changes", [{"icc": bytes(2**24 + 1)}, {"alpha": bytes(615425)}, {"tiles": (bytes(2**23 + 1),)}]
)
def test_pack_refuses_parts_above_their_limit(changes: dict[str, object]) -> None:
    """A part that no reader would take is refused, and one at its limit is not."""
    with pytest.raises(FormatError, match="is above the limit of"):
        pack(replace(PLAIN, **changes))
    at_limit = {name: part[1:] if isinstance(part, bytes) else (part[0][1:],) for name, part in changes.items()}
    assert unpack(pack(replace(PLAIN, **at_limit))) == replace(PLAIN, **at_limit)
