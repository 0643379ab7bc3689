"""Pictures <-> bytes, through Pillow: pixels, bit depth, alpha, ICC, EXIF and XMP.

Pillow has 16 bits for gray alone: 16-bit RGB and 16-bit gray with alpha come in, and go out, with 8.
"""

import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from aecodec.errors import AecodecError, FormatError, OutputError, PictureError
from aecodec.metadata import exif_of, icc_space, save_options, xmp_of

Plane: TypeAlias = npt.NDArray[np.uint8]
Samples: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

MAX_PIXELS = 2**28
MAX_SIDE_PX = 2**20

SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("apng", "avif", "avifs", "bmp", "dib", "gif", "j2c", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpf"),
        *("jpg", "jpx", "pbm", "pgm", "png", "pnm", "ppm", "qoi", "tga", "tif", "tiff", "webp"),
    )
)

_LOCK = threading.RLock()
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, upright, with what came along with it.

    Attributes:
        pixels: [H, W, C] uint8 or uint16; C = 1 for gray, 3 for RGB.
        alpha: [H, W] uint8, 255 opaque; None without an alpha channel.
        icc: ICC profile for the colours of `pixels`.
        exif: EXIF block from its TIFF header on, orientation 1.
        xmp: XMP packet.
    """

    pixels: Samples
    alpha: Plane | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        return int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """8 or 16 bits per sample."""
        return 8 * self.pixels.dtype.itemsize


@dataclass(frozen=True)
class _Writer:
    alpha: bool
    deep: bool = False
    metadata: bool = False
    options: dict[str, Any] = field(default_factory=dict)


_WRITERS = {
    "PNG": _Writer(alpha=True, deep=True, metadata=True),
    "JPEG": _Writer(alpha=False, metadata=True, options={"quality": 95, "subsampling": "4:4:4"}),
    "WEBP": _Writer(alpha=True, metadata=True, options={"lossless": True, "exact": True}),
    "AVIF": _Writer(alpha=True, metadata=True, options={"quality": 95, "subsampling": "4:4:4"}),
    "TIFF": _Writer(alpha=True, deep=True, metadata=True),  # uncompressed: libtiff takes no EXIF from Pillow
    "JPEG2000": _Writer(alpha=True, deep=True),
    "TGA": _Writer(alpha=True),
    "BMP": _Writer(alpha=False),
    "PPM": _Writer(alpha=False, deep=True),
}


def accepts(path: str | Path) -> bool:
    """Tell by its suffix whether a file in a folder counts as a picture."""
    return Path(path).suffix.lower() in SUFFIXES


def format_of(name: str) -> str:
    """Return Pillow's name of the format that a file name asks for, such as "PNG" for `a.png`.

    Raises:
        OutputError: The suffix is missing, unknown, or of a format that cannot hold any photograph.
    """
    suffix = Path(name).suffix.lower()
    format = Image.registered_extensions().get(suffix)
    if format not in _WRITERS or format not in Image.SAVE:
        fact = f"pictures cannot be written as {suffix}" if suffix else "the name has no suffix"
        raise OutputError(f"{name}: {fact}; use .png, .jpg, .webp, .avif, .tif, .jp2, .tga, .bmp or .ppm")
    return format


def read(data: bytes, name: str) -> Picture:
    """Read the first frame of a picture in any format that Pillow knows, turned upright.

    Palettes, 1-bit, CMYK (through its profile), YCbCr, LAB and HSV become gray or RGB; a profile stays only
    where it fits these; a damaged EXIF block is dropped.

    Args:
        data: The file.
        name: Its path or "standard input", for messages.

    Raises:
        PictureError: The data is empty, truncated, too large, damaged or of no known format or sample type.
    """

    def refuse(fact: str, remedy: str) -> PictureError:
        return PictureError(f"{name}: cannot be read as a picture ({fact}): {remedy}")

    if not data:
        raise refuse("the file is empty", "copy or download it again")
    with _limits(), _failures(refuse):
        image = Image.open(BytesIO(data))
        if image.format == "EPS":
            raise refuse("PostScript is a program, not a picture", "convert it to PNG")
        if not (1 <= image.width <= MAX_SIDE_PX and 1 <= image.height <= MAX_SIDE_PX):
            raise refuse(f"{image.width} x {image.height} pixels", f"sides must have 1 to {MAX_SIDE_PX}")
        image.load()
        if image.mode == "F":
            raise refuse("floating-point samples", "save it with 8 or 16 bits per channel")
        icc, xmp = image.info.get("icc_profile"), xmp_of(image)
        orientation, exif = exif_of(image)
        pixels, alpha = _samples(image, data)
        if pixels.dtype.itemsize > 2:
            if pixels.min() < 0 or pixels.max() > 65535:
                raise refuse("samples outside 0 to 65535", "save it with 8 or 16 bits per channel")
            pixels = pixels.astype(np.uint16)
    space = b"GRAY" if pixels.shape[2] == 1 else b"RGB "
    return Picture(
        pixels=_upright(pixels, orientation),
        alpha=None if alpha is None else _upright(alpha, orientation),
        icc=icc if icc_space(icc) == space else None,
        exif=exif,
        xmp=xmp,
    )


def write(picture: Picture, format: str) -> bytes:
    """Write a picture as the bytes of a file, as good as the format can within reason.

    JPEG and AVIF are of quality 95 without colour subsampling, alpha included; all others are lossless.
    16-bit gray stays so in PNG, TIFF, JPEG 2000 and PPM; all else is rounded to 8. Metadata goes into PNG,
    JPEG, WebP, TIFF and AVIF alone.

    Args:
        picture: The picture.
        format: Pillow's name of the format, as from `format_of`.

    Raises:
        OutputError: The format is unknown here, has no alpha, or cannot take this size or this metadata.
    """

    def refuse(fact: str, remedy: str) -> OutputError:
        return OutputError(f"cannot be written as {format} ({fact}): {remedy}")

    writer = _WRITERS.get(format)
    if writer is None:
        raise refuse("not a known format for photographs", f"use one of {', '.join(_WRITERS)}")
    if picture.alpha is not None and not writer.alpha:
        raise refuse("it holds no alpha channel", "use .png or .webp")
    file = BytesIO()
    with _failures(refuse, "use .png, or leave metadata out"):
        options = dict(writer.options)
        if writer.metadata:
            gray_as_rgb = format == "WEBP" and picture.channels == 1
            icc = None if gray_as_rgb else picture.icc
            options |= save_options(format, icc, picture.exif, picture.xmp)
        _image(picture, writer.deep).save(file, format, **options)
    return file.getvalue()


def pack_alpha(alpha: Plane) -> bytes:
    """Code an alpha channel, [H, W] uint8, without loss, as a gray PNG."""
    file = BytesIO()
    Image.fromarray(alpha).save(file, "PNG", compress_level=9)
    return file.getvalue()


def unpack_alpha(data: bytes, width: int, height: int) -> Plane:
    """Decode what `pack_alpha` made for a picture of this size.

    Returns:
        [height, width] uint8.

    Raises:
        FormatError: The data is damaged or of another size, which is checked before anything is decompressed.
    """

    def refuse(fact: str, remedy: str) -> FormatError:
        return FormatError(f"damaged alpha channel ({fact}); {remedy}")

    # IHDR's name, width, height, then 8 bits, gray, no interlace
    if data[12:29] != b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0):
        raise refuse(f"not {width} x {height} 8-bit samples", "copy or download the file again")
    if not data.endswith(_PNG_END):
        raise refuse("cut short", "copy or download the file again")
    with _limits(), _failures(refuse):
        Image.open(BytesIO(data), formats=("PNG",)).verify()  # the checksums, which load() skips
        return np.array(Image.open(BytesIO(data), formats=("PNG",)), dtype=np.uint8)


@contextmanager
def _limits() -> Iterator[None]:
    """Make Pillow hold MAX_PIXELS in all its plugins, and keep its warnings quiet.

    Both settings are the process's own. They are put back, and a lock keeps threads from doing it crosswise.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _failures(refuse: Callable[[str, str], AecodecError], remedy: str = "copy or download it again") -> Iterator[None]:
    """Turn whatever Pillow raises into an error of ours: damaged files reach nearly all built-in ones."""
    try:
        yield
    except AecodecError:
        raise
    except UnidentifiedImageError as error:
        raise refuse("no known picture format", "give a PNG, JPEG, WebP, TIFF, AVIF or the like") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise refuse(f"more than {MAX_PIXELS} pixels", "scale it down or cut it into parts") from error
    except Exception as error:
        fact = " ".join(str(error).split()) or type(error).__name__
        raise refuse(fact, remedy) from error


def _samples(image: Image.Image, data: bytes) -> tuple[npt.NDArray[Any], Plane | None]:
    """Return gray or RGB samples [H, W, C] and alpha [H, W] of an image in any mode but F."""
    key = None if image.mode in ("P", "PA") else image.info.get("transparency")
    transparent = image.has_transparency_data and key is None
    gray = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
    if image.mode in ("P", "PA"):
        colours = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
        gray = "icc_profile" not in image.info and bool((colours == colours[:, :1]).all())
    if image.format == "PNG":
        # Pillow leaves keys unscaled where it scales samples, and opens 16-bit gray with alpha as RGBA.
        bits, colour_type = data[24], data[25]
        gray = gray or colour_type == 4
        if bits in (2, 4) and isinstance(key, int):
            key *= 255 // (2**bits - 1)
        elif bits == 16 and isinstance(key, tuple):
            key = tuple(level >> 8 for level in key)

    if image.mode == "CMYK":
        image = _cmyk_to_rgb(image)
    elif image.mode not in ("L", "LA", "RGB", "RGBA") and not image.mode.startswith("I"):
        plain = {"1": "L", "La": "LA"}
        image = image.convert(plain.get(image.mode, "RGBA" if transparent else "RGB"))
    samples = np.array(image)
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        samples = samples.astype(np.uint16)  # some are of the other byte order
    alpha = samples[..., -1] if transparent else None
    samples = samples[..., : 1 if gray else 3]
    if isinstance(key, int | tuple):
        alpha = np.where((samples == np.array(key)).all(axis=-1), 0, 255).astype(np.uint8)
    return samples, alpha


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    """Convert CMYK to sRGB through the profile in the file, or plainly where that is missing or broken."""
    icc = image.info.get("icc_profile")
    if icc and icc_space(icc) == b"CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _upright(samples: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn and mirror [H, W, ...] as EXIF orientation 1 to 8 asks; contiguous."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def _image(picture: Picture, deep: bool) -> Image.Image:
    """Make a Pillow image; `deep` allows 16 bits where Pillow has them."""
    pixels: npt.NDArray[Any] = picture.pixels
    if pixels.dtype == np.uint16:
        if deep and picture.channels == 1 and picture.alpha is None:
            size = picture.width, picture.height
            return Image.frombytes("I;16", size, pixels.astype("<u2").tobytes())
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
