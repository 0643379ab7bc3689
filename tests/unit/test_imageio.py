"""Pictures of every kind come in as gray or RGB with all that belongs to them, and go out again unharmed."""

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from aecodec import imageio
from aecodec.errors import FormatError, OutputError, PictureError
from aecodec.imageio import Picture, accepts, format_of, pack_alpha, read, unpack_alpha, write

HEIGHT, WIDTH = 6, 9
RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
ALPHA[0] = 0
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH, 1), dtype=np.uint16)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(bits: int, colour_type: int, rows: list[bytes], *chunks: tuple[bytes, bytes], width: int = 2) -> bytes:
    """A PNG by hand, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def red_cmyk_profile() -> bytes:
    """A CMYK profile (one lut8 table) by which every ink mixture is the same strong red."""
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += bytes(range(256)) * 4 + bytes([136, 208, 195]) * 16 + bytes(range(256)) * 3
    size = 128 + 4 + 12 + len(lut)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s4s", 2024, 1, 1, 0, 0, 0, b"acsp", b"APPL") + bytes(24)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def in_mode(mode: str) -> Image.Image:
    """The random picture in a mode that Pillow has, made so that its expected reading is easy to tell."""
    rgba = Image.fromarray(np.dstack([RGB, ALPHA]))
    if mode in ("La", "LA"):
        return Image.fromarray(np.dstack([GRAY, ALPHA])).convert(mode)
    if mode.startswith("I"):
        raw = DEEP[..., 0].astype({"I;16B": ">u2", "I": "<i4"}.get(mode, "<u2"))
        return Image.frombytes(mode, (WIDTH, HEIGHT), raw.tobytes())
    if mode == "F":
        return Image.new("F", (WIDTH, HEIGHT))
    if mode == "PA":
        return Image.fromarray(RGB).quantize(64).convert("PA")
    return rgba.convert(mode) if mode in ("RGBA", "RGBa") else Image.fromarray(RGB).convert(mode)


@pytest.mark.parametrize(
    ("mode", "channels", "bit_depth", "has_alpha"),
    [
        ("1", 1, 8, False),
        ("L", 1, 8, False),
        ("LA", 1, 8, True),
        ("La", 1, 8, True),
        ("P", 3, 8, False),
        ("PA", 3, 8, True),
        ("RGB", 3, 8, False),
        ("RGBA", 3, 8, True),
        ("RGBa", 3, 8, True),
        ("RGBX", 3, 8, False),
        ("CMYK", 3, 8, False),
        ("YCbCr", 3, 8, False),
        ("LAB", 3, 8, False),
        ("HSV", 3, 8, False),
        ("I;16", 1, 16, False),
        ("I;16L", 1, 16, False),
        ("I;16B", 1, 16, False),
        ("I", 1, 16, False),
    ],
)
def test_every_mode_of_pillow(
    mode: str, channels: int, bit_depth: int, has_alpha: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mode that Pillow may open becomes gray or RGB of the right depth, with its colours and its alpha."""
    image = in_mode(mode)
    monkeypatch.setattr(Image, "open", lambda *_: image)
    picture = read(b"x", "a")
    assert (picture.height, picture.width, picture.channels) == (HEIGHT, WIDTH, channels)
    assert picture.bit_depth == bit_depth
    assert (picture.alpha is not None) == has_alpha
    assert picture.pixels.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
    assert picture.pixels.flags.c_contiguous and picture.pixels.flags.writeable
    if bit_depth == 16:
        np.testing.assert_array_equal(picture.pixels, DEEP)
    elif mode in ("L", "1"):
        np.testing.assert_array_equal(picture.pixels[..., 0], np.array(image.convert("L")))
    elif channels == 3:
        np.testing.assert_array_equal(picture.pixels, np.array(image.convert("RGBA").convert("RGB")))
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(picture.alpha, ALPHA)


def test_float_samples_are_refused_with_a_remedy() -> None:
    """Mode F has no fixed range, so it is not guessed."""
    data = saved(in_mode("F"), "TIFF")
    with pytest.raises(PictureError, match=r"a\.tif: .*\(floating-point samples\): save it with 8 or 16 bits"):
        read(data, "a.tif")


@pytest.mark.parametrize("level", [-1, 65536])
def test_integers_beyond_16_bits_are_refused(level: int) -> None:
    """32-bit samples are 16-bit gray or nothing: they never wrap around."""
    with pytest.raises(PictureError, match=r"samples outside 0 to 65535"):
        read(saved(Image.new("I", (2, 2), level), "TIFF"), "a.tif")


@pytest.mark.parametrize(
    ("image", "transparency", "expected"),
    [
        (Image.new("L", (1, 1), 7), 7, 0),
        (Image.new("L", (1, 1), 7), 8, 255),
        (Image.new("1", (1, 1), 1), 1, 0),
        (Image.new("RGB", (1, 1), (1, 2, 3)), (1, 2, 3), 0),
        (Image.new("RGB", (1, 1), (1, 2, 3)), (1, 2, 4), 255),
        (Image.frombytes("I;16", (1, 1), b"\1\2"), 0x0201, 0),
        (Image.new("P", (1, 1), 1), b"\xff\x40", 0x40),
        (Image.new("P", (1, 1), 0), b"\xff\x40", 255),
    ],
)
def test_colour_keys_and_palette_alpha(image: Image.Image, transparency: object, expected: int) -> None:
    """PNG's tRNS becomes an alpha channel in every mode; the number of channels and the depth stay."""
    if image.mode == "P":
        image.putpalette([10, 20, 30, 40, 50, 60])
    picture = read(saved(image, "PNG", transparency=transparency), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[expected]]
    assert picture.channels == (3 if image.mode in ("RGB", "P") else 1)
    assert picture.bit_depth == (16 if image.mode == "I;16" else 8)


def test_colour_keys_of_other_depths() -> None:
    """Keys of 2-bit gray and 16-bit RGB are scaled as their samples are."""
    two_bits = read(png(2, 0, [b"\x60"], (b"tRNS", b"\0\1")), "a.png")  # levels 1 and 2
    assert two_bits.pixels.ravel().tolist() == [85, 170]
    assert two_bits.alpha is not None and two_bits.alpha.tolist() == [[0, 255]]
    level = b"\x12\x34\x56\x78\x9a\xbc"
    deep = read(png(16, 2, [level + bytes(6)], (b"tRNS", level)), "a.png")
    assert deep.alpha is not None and deep.alpha.tolist() == [[0, 255]]


def test_16_bit_gray_with_alpha_stays_gray() -> None:
    """Pillow opens this kind of PNG as RGBA; it is gray all the same."""
    picture = read(png(16, 4, [b"\x80\0\x40\0" + b"\x10\0\xff\0"]), "a.png")
    assert picture.pixels.tolist() == [[[0x80], [0x10]]]
    assert picture.alpha is not None and picture.alpha.tolist() == [[0x40, 0xFF]]


def test_gray_palette_stays_gray() -> None:
    """A palette of grays is a gray picture, one with a colour in it is not."""
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(1, 4)).convert("P")
    image.putpalette([9, 9, 9, 30, 30, 30, 60, 60, 60, 200, 200, 200])
    picture = read(saved(image, "PNG"), "a.png")
    assert picture.pixels.tolist() == [[[9], [30], [60], [200]]]
    image.putpalette([9, 9, 9, 30, 30, 30, 60, 60, 60, 200, 200, 201])
    assert read(saved(image, "PNG"), "a.png").channels == 3


def test_cmyk_goes_through_its_profile() -> None:
    """With a valid profile CMYK takes its colours from it; a broken one is no reason to fail; neither is kept."""
    image = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    red = read(saved(image, "TIFF", icc_profile=red_cmyk_profile()), "a.tif")
    r, g, b = red.pixels[0, 0].tolist()
    assert r > 200 > 120 > max(g, b)
    assert red.icc is None
    broken = red_cmyk_profile()[:140].ljust(200, b"\0")
    for profile in (None, broken):
        plain = read(saved(image, "TIFF", icc_profile=profile), "a.tif")
        assert plain.pixels[0, 0].tolist() == [0, 255, 255]
        assert plain.icc is None


def test_no_metadata_is_made_up() -> None:
    """A plain picture comes back plain."""
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "JPEG2000", "BMP", "TGA", "PPM"):
        picture = read(write(Picture(RGB), format), "a")
        assert (picture.alpha, picture.icc, picture.exif, picture.xmp) == (None, None, None, None)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG2000", "TGA", "BMP", "PPM"])
@pytest.mark.parametrize("pixels", [GRAY, RGB], ids=["gray", "rgb"])
@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["opaque", "alpha"])
def test_lossless_formats(format: str, pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None) -> None:
    """Pixels, even under full transparency, and alpha come back exactly, or the format is refused."""
    picture = Picture(pixels, alpha)
    if alpha is not None and format in ("BMP", "PPM"):
        with pytest.raises(OutputError, match=r"holds no alpha channel\): use \.png or \.webp"):
            write(picture, format)
        return
    got = read(write(picture, format), "a")
    np.testing.assert_array_equal(*np.broadcast_arrays(got.pixels, pixels))
    assert (got.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(got.alpha, alpha)


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_lossy_formats_keep_full_colour(format: str) -> None:
    """One saturated pixel keeps its colour: no chroma subsampling."""
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[8, 8] = 255, 0, 0
    r, g, b = read(write(Picture(pixels), format), "a").pixels[8, 8].tolist()
    assert r > 225 and g < 30 and b < 30


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG2000", "PPM"])
def test_16_bit_gray_round_trip(format: str) -> None:
    """All 16 bits of gray survive where the format has them."""
    np.testing.assert_array_equal(read(write(Picture(DEEP), format), "a").pixels, DEEP)


def test_16_bits_are_rounded_where_they_must_go() -> None:
    """RGB, alpha or an 8-bit format: samples become the nearest of 8 bits, white stays white."""
    levels = np.array([0, 128, 129, 257, 65406, 65407, 65535], dtype=np.uint16)
    rounded = [0, 0, 1, 1, 254, 255, 255]
    gray = levels.reshape(1, -1, 1)
    alpha = np.full((1, levels.size), 9, dtype=np.uint8)
    for picture, format in [
        (Picture(np.repeat(gray, 3, axis=2)), "PNG"),
        (Picture(gray, alpha), "PNG"),
        (Picture(gray), "WEBP"),
    ]:
        got = read(write(picture, format), "a")
        assert got.pixels[0, :, 0].tolist() == rounded
        assert got.bit_depth == 8


def test_jpeg_refuses_alpha_with_a_remedy() -> None:
    """Alpha is never dropped silently."""
    with pytest.raises(OutputError, match=r"cannot be written as JPEG \(it holds no alpha channel\): use \.png"):
        write(Picture(RGB, ALPHA), "JPEG")


def test_size_beyond_the_format_is_refused() -> None:
    """WebP's limit of 16383 pixels becomes an OutputError."""
    with pytest.raises(OutputError, match="cannot be written as WEBP"):
        write(Picture(np.zeros((1, 16384, 1), dtype=np.uint8)), "WEBP")
    with pytest.raises(OutputError, match="not a known format"):
        write(Picture(RGB), "GIF")


def test_first_frame_of_many() -> None:
    """Of an animation the first picture counts."""
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for format in ("GIF", "PNG", "WEBP", "TIFF"):
        data = saved(frames[0], format, save_all=True, append_images=frames[1:])
        assert read(data, "a").pixels[0, 0].tolist()[2] < 10


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "the file is empty"),
        (b"not a picture at all, but text", "no known picture format"),
        (bytes(1000), "no known picture format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "PostScript is a program"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, fact: str) -> None:
    """One line: name, fact, remedy."""
    with pytest.raises(PictureError) as error:
        read(data, "dir/a.png")
    assert str(error.value).startswith(f"dir/a.png: cannot be read as a picture ({fact}")
    assert "): " in str(error.value)
    assert "\n" not in str(error.value) and "0x" not in str(error.value)


def test_warnings_of_pillow_stay_inside() -> None:
    """An oddity that Pillow warns of (here an animation of no frames) costs neither the picture nor a word."""
    data = png(8, 0, [b"\1\2"], (b"acTL", bytes(8)))
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(BytesIO(data))
    assert read(data, "a.png").pixels.ravel().tolist() == [1, 2]


def test_limit_of_pixels_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our limit holds to the pixel, Pillow's own neither fires nor warns, and its setting is left as it was."""
    monkeypatch.setattr(imageio, "MAX_PIXELS", HEIGHT * WIDTH)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    filters = list(warnings.filters)
    assert read(saved(Image.fromarray(RGB), "PNG"), "a").width == WIDTH
    with pytest.raises(PictureError, match=rf"\(more than {HEIGHT * WIDTH} pixels\): scale it down"):
        read(saved(Image.new("L", (WIDTH + 1, HEIGHT)), "PNG"), "a")
    assert Image.MAX_IMAGE_PIXELS == 3
    assert warnings.filters == filters


@pytest.mark.parametrize("alpha", [ALPHA, np.zeros((1, 1), np.uint8), np.full((300, 5), 255, np.uint8)])
def test_alpha_round_trip(alpha: npt.NDArray[np.uint8]) -> None:
    """Alpha is kept exactly."""
    height, width = alpha.shape
    np.testing.assert_array_equal(unpack_alpha(pack_alpha(alpha), width, height), alpha)


@pytest.mark.parametrize("data", [pack_alpha(ALPHA.T.copy()), write(Picture(RGB), "PNG"), b"", b"\x89PNG"])
def test_alpha_of_another_kind_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size and kind are checked before anything is opened."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(FormatError, match=f"not {WIDTH} x {HEIGHT} 8-bit samples"):
        unpack_alpha(data, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.png", "PNG"), ("dir.x/A.JPG", "JPEG"), ("a.webp", "WEBP"), ("a.tif", "TIFF"), ("a.b.avif", "AVIF")],
)
def test_format_of_a_name(name: str, format: str) -> None:
    """The suffix decides, in upper case as well."""
    assert format_of(name) == format


@pytest.mark.parametrize("name", ["a.xyz", "a.aec", "a", ".png", "a.gif", "a.pdf", "a.ico", "a.psd"])
def test_format_that_cannot_be_written(name: str) -> None:
    """Unknown suffixes, and formats that would shrink or dither a photograph, are refused with what to use."""
    fact = r"(pictures cannot be written as \.\w+|the name has no suffix)"
    with pytest.raises(OutputError, match=rf"^\S+: {fact}; use \.png, "):
        format_of(name)


def test_suffixes_of_pictures() -> None:
    """A walk through a folder takes pictures alone, and everything it takes has a reader in Pillow."""
    assert accepts("a.JPG") and accepts(Path("dir/a.png")) and accepts("a.tiff")
    assert not any(map(accepts, ("a.txt", "a.aec", "a.pdf", "a.eps", "png", "a.mp4", ".png")))
    known = Image.registered_extensions()
    assert all(known[suffix] in Image.OPEN for suffix in imageio.SUFFIXES)
