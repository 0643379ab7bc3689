"""Hostile files: whatever is cut, flipped or claimed ends in an AecodecError, in bounded time and memory."""

import random
import struct
import time
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aecodec.container import MAGIC, Container, Header, pack, read_header, unpack
from aecodec.errors import AecodecError, FormatError, PictureError
from aecodec.imageio import pack_alpha, read, unpack_alpha

FILE = pack(
    Container(
        Header(1025, 700, 3, 8, 4250, b"\xde\xad\xbe\xef"),
        (b"first tile", b"second"),
        icc=b"profile",
        exif=b"MM\0*",
        xmp=b"<xmp/>",
        alpha=b"alpha",
    )
)
RGB = np.random.default_rng(7).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def lying_header(width: int, height: int) -> bytes:
    return MAGIC + struct.pack("<BBHII", 1, 1, 5000, width, height) + b"abcd"


def test_every_truncation_is_refused() -> None:
    """No prefix of a file passes for a whole one."""
    for length in range(len(FILE)):
        with pytest.raises(FormatError):
            unpack(FILE[:length])


def test_every_bit_flip_is_refused() -> None:
    """Each of the file's bits is guarded by a rule or a checksum."""
    for bit in range(8 * len(FILE)):
        damaged = bytearray(FILE)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            unpack(bytes(damaged))


def test_every_inserted_or_lost_byte_is_refused() -> None:
    """A byte too many or too few anywhere is noticed."""
    for at in range(len(FILE) + 1):
        with pytest.raises(FormatError):
            unpack(FILE[:at] + b"\0" + FILE[at:])
        if at < len(FILE):
            with pytest.raises(FormatError):
                unpack(FILE[:at] + FILE[at + 1 :])


def test_lying_lengths_are_refused() -> None:
    """Any length that a chunk may claim, even with a fitting checksum, is held against what is there."""
    head = lying_header(100, 100)
    for kind in (1, 2, 3, 4, 16):
        for length in (1, 2, 255, 2**16, 2**23, 2**23 + 1, 2**24, 2**31, 2**32 - 1):
            start = struct.pack("<BI", kind, length)
            with pytest.raises(FormatError, match="says"):
                unpack(head + start + struct.pack("<I", zlib.crc32(head + start)))


@pytest.mark.parametrize(
    "bomb",
    [
        lying_header(2**32 - 1, 2**32 - 1),
        lying_header(2**20, 2**20),
        lying_header(2**20, 2**8) + bytes(100),
        lying_header(2**14, 2**14) + struct.pack("<BI", 4, 2**29),
        lying_header(2**14, 2**14) + struct.pack("<BI", 16, 2**23) + bytes(1000),
    ],
)
def test_bombs_cost_neither_time_nor_memory(bomb: bytes) -> None:
    """A few bytes that promise a giant picture are refused before anything is allocated for it."""
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(AecodecError):
        unpack(bomb)
    assert time.perf_counter() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_header_reader_stands_any_bytes() -> None:
    """Whatever twenty bytes follow the magic, the header is read or refused, never anything else."""
    for seed in range(2000):
        noise = struct.pack("<IIIII", *(zlib.crc32(bytes([seed % 256, seed // 256, i])) for i in range(5)))
        try:
            header = read_header(MAGIC + b"\1" + noise[: 15 - seed % 3])
        except FormatError:
            continue
        assert 1 <= header.width * header.height <= 2**28


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "JPEG2000", "PPM"])
def test_truncated_pictures_are_refused(format: str) -> None:
    """Half a file is never half a picture."""
    data = saved(Image.fromarray(RGB), format)
    for length in (3, 12, 30, len(data) // 2):
        with pytest.raises(PictureError, match=r"^a: cannot be read as a picture \(.+\): .+"):
            read(data[:length], "a")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "JPEG2000", "TGA"])
def test_damaged_pictures_raise_nothing_else(format: str) -> None:
    """Random damage leads to a picture or to a PictureError, with no warning and no other exception."""
    camera = Image.Exif()
    camera[0x0112], camera[0x010F] = 6, "Maker"
    takes_exif = format in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
    data = saved(Image.fromarray(RGB[:6, :9]), format, **({"exif": camera} if takes_exif else {}))
    chance = random.Random(format)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(min(len(data), 700))] = chance.randrange(256)
        try:
            picture = read(bytes(damaged), "a")
        except PictureError:
            continue
        assert 1 <= picture.width * picture.height <= 2**28


@pytest.mark.parametrize(("width", "height"), [(2**15, 2**15), (2**31 - 1, 2**31 - 1)])
def test_picture_bombs_are_refused_from_the_header(width: int, height: int) -> None:
    """A PNG of a hundred bytes that claims 2**30 pixels and more is not even begun."""
    bomb = bytearray(saved(Image.new("RGB", (1, 1)), "PNG"))
    bomb[16:24] = struct.pack(">II", width, height)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    with pytest.raises(PictureError, match="more than 268435456 pixels"):
        read(bytes(bomb), "a.png")


def test_text_bombs_are_refused() -> None:
    """Compressed text that unfolds to 50 MB is not unfolded."""
    text = PngInfo()
    text.add_text("bomb", "0" * 50_000_000, zip=True)
    data = saved(Image.fromarray(RGB), "PNG", pnginfo=text)
    assert len(data) < 100_000
    with pytest.raises(PictureError, match="MAX_TEXT_CHUNK"):
        read(data, "a.png")


def test_sides_are_limited() -> None:
    """A strip of one row is refused where it is longer than the container can say."""
    with pytest.raises(PictureError, match="1048577 x 1 pixels"):
        read(saved(Image.new("1", (2**20 + 1, 1)), "PNG"), "a.png")


def test_damaged_alpha_is_refused() -> None:
    """Every truncation and every single bit flip is noticed."""
    data = pack_alpha(RGB[:6, :9, 0])
    for length in range(len(data)):
        with pytest.raises(FormatError, match="damaged alpha channel"):
            unpack_alpha(data[:length], 9, 6)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError, match="damaged alpha channel"):
            unpack_alpha(bytes(damaged), 9, 6)
