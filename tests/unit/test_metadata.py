"""ICC profiles, EXIF and XMP come through every format, and turn the picture upright exactly once."""

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from aecodec import metadata
from aecodec.errors import OutputError
from aecodec.imageio import Picture, read, write

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (6, 9, 1), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="1" dc:title="kept"/></x:xmpmeta>'
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]  # what counts is the colour space that it states


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def exif(orientation: int | None = None) -> Image.Exif:
    """EXIF as cameras write it: a tag of IFD0, the Exif IFD and the GPS IFD."""
    block = Image.Exif()
    block[0x010F] = "Maker"
    for group, tags in (0x8769, {0x9286: b"ASCII\0\0\0comment", 0x829A: 0.01}), (0x8825, {1: "N"}):
        block.get_ifd(group).update(tags)
        block[group] = tags
    if orientation:
        block[0x0112] = orientation
    return block


def tags_of(block: bytes | None) -> tuple[dict[int, object], dict[int, object], dict[int, object]]:
    tags = Image.Exif()
    tags.load(block or b"")
    top = {tag: value for tag, value in tags.items() if tag not in (0x8769, 0x8825)}
    return top, tags.get_ifd(0x8769), tags.get_ifd(0x8825)


@pytest.mark.parametrize(
    ("pixels", "icc", "kept"),
    [(RGB, SRGB, True), (RGB, GRAY_ICC, False), (GRAY, GRAY_ICC, True), (GRAY, SRGB, False), (RGB, b"no", False)],
)
def test_profile_is_kept_only_where_it_fits(pixels: npt.NDArray[np.uint8], icc: bytes, kept: bool) -> None:
    """A profile for another colour space would make viewers show wrong colours."""
    data = saved(Image.fromarray(pixels.squeeze()), "PNG", icc_profile=icc)
    assert read(data, "a.png").icc == (icc if kept else None)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_orientation_is_honoured(orientation: int, format: str) -> None:
    """Pixels and alpha are turned as EXIF asks, and the EXIF that is kept no longer asks for it."""
    turn: dict[int, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]] = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    picture = read(saved(image, format, exif=exif(orientation), **options), "a")
    np.testing.assert_array_equal(picture.pixels, turn[orientation](RGB))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, turn[orientation](ALPHA))
    top, shot, gps = tags_of(picture.exif)
    assert top.get(0x0112, 1) == 1
    assert top[0x010F] == "Maker"
    assert shot[0x9286] == b"ASCII\0\0\0comment"
    assert gps == {1: "N"}


def test_exif_is_kept_to_the_byte_but_for_the_orientation() -> None:
    """Offsets inside maker notes stay right, since nothing moves."""
    before = exif(6).tobytes()[6:]
    after = read(saved(Image.fromarray(RGB), "PNG", exif=before), "a.png").exif
    assert after is not None and len(after) == len(before)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(6, 1)]


def test_exif_with_nothing_but_an_orientation_is_dropped() -> None:
    """No empty EXIF block travels along."""
    block = Image.Exif()
    block[0x0112] = 3
    picture = read(saved(Image.fromarray(RGB), "PNG", exif=block), "a.png")
    np.testing.assert_array_equal(picture.pixels, RGB[::-1, ::-1])
    assert picture.exif is None


@pytest.mark.parametrize("block", [b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0"])
def test_damaged_exif_does_not_cost_the_picture(block: bytes) -> None:
    """Pixels are read although the EXIF is broken, and nothing broken is kept."""
    picture = read(saved(Image.fromarray(RGB), "PNG", exif=block), "a.png")
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.exif is None


@pytest.mark.parametrize("value", [b'tiff:Orientation="6"', b"<tiff:Orientation>6</tiff:Orientation>"])
def test_orientation_in_xmp_is_honoured_and_reset(value: bytes) -> None:
    """Where EXIF is silent XMP turns the picture, once."""
    data = saved(Image.fromarray(RGB), "WEBP", lossless=True, xmp=b"<x " + value + b' b="6"/>')
    picture = read(data, "a.webp")
    np.testing.assert_array_equal(picture.pixels, np.rot90(RGB, -1))
    assert picture.xmp == b"<x " + value.replace(b"6", b"1") + b' b="6"/>'


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_metadata_round_trip(format: str) -> None:
    """ICC, EXIF and XMP that are written are read back from the same format."""
    given = Picture(RGB, icc=SRGB, exif=exif().tobytes()[6:], xmp=XMP)
    got = read(write(given, format), "a")
    assert (got.icc, got.xmp) == (given.icc, given.xmp)
    assert tags_of(got.exif) == tags_of(given.exif)
    assert got.pixels.shape == RGB.shape


@pytest.mark.parametrize(
    "large", [{"exif": b"II*\0" + bytes(70000)}, {"xmp": bytes(70000)}, {"icc": bytes(255 * 65519 + 1)}]
)
def test_metadata_beyond_jpeg_markers_is_refused(large: dict[str, bytes]) -> None:
    """What JPEG's markers cannot hold is an error with a remedy, not a traceback and not a broken file."""
    with pytest.raises(OutputError, match=r"too long\): use \.png, or leave metadata out"):
        write(Picture(RGB, **large), "JPEG")


def test_tiff_tags_of_the_old_pixels_do_not_reach_the_new() -> None:
    """Cameras write the size of their own picture into EXIF; TIFF would take it for its own."""
    block = exif()
    block[0x0100], block[0x0101], block[0x0106] = 4000, 3000, 0
    got = read(write(Picture(RGB, exif=block.tobytes()[6:]), "TIFF"), "a.tif")
    np.testing.assert_array_equal(got.pixels, RGB)


def test_reset_needs_no_end_of_directory() -> None:
    """An EXIF block that stops right after its tags, as some cameras write it, is still read."""
    tag = struct.Struct("<HHIHH")
    start, other = b"II*\0" + struct.pack("<IH", 8, 2), tag.pack(0x0100, 3, 1, 8, 0)
    turned, upright = tag.pack(0x0112, 3, 1, 8, 0), tag.pack(0x0112, 3, 1, 1, 0)
    assert metadata._reset_orientation(start + turned + other) == start + upright + other
