"""What comes along with the pixels of a picture, from Pillow and back to it: ICC profile, EXIF and XMP."""

import re
import struct
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

_ORIENTATION = 0x0112
_XMP_TAG = 0x02BC
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>\s*))[2-8]""")
_MAX_JPEG_ICC_BYTES = 255 * 65519  # in 255 markers; Pillow lets their count wrap around

# What TIFF's first directory may say of a photograph. Its other tags describe how its own pixels are stored.
_DESCRIPTIVE_TAGS = (
    *(0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128),  # description, make, model, resolution
    *(0x0131, 0x0132, 0x013B, 0x013C, 0x8298),  # software, date, artist, computer, copyright
    *(0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),  # rating, Windows' title to subject
)


def icc_space(icc: bytes | None) -> bytes:
    """Return the colour space that a profile is for, such as b"RGB ", or b"" where there is no profile."""
    return icc[16:20] if icc and len(icc) >= 128 and icc[36:40] == b"acsp" else b""


def xmp_of(image: Image.Image) -> bytes | None:
    """Return the XMP packet of an open image with its orientation reset to 1, or None."""
    xmp = image.info.get("xmp")
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp and isinstance(xmp, bytes) else None


def exif_of(image: Image.Image) -> tuple[int, bytes | None]:
    """Return how an open image has to be turned, and its EXIF with the orientation reset to 1.

    Returns:
        The orientation, 1 to 8, from EXIF or else from XMP, and the EXIF block from its TIFF header on. For a
        damaged block 1 and None; None as well where nothing but an orientation would be left.
    """
    try:
        tags = image.getexif()
        orientation = tags.get(_ORIENTATION)
        block = image.info.get("exif")
        if not isinstance(block, bytes):
            block = _descriptive(tags).tobytes()
    except Exception:  # damaged data reaches nearly every built-in exception, and the pixels are worth more
        return 1, None
    if not isinstance(orientation, int) or not 1 <= orientation <= 8:
        orientation = 1
    return orientation, _reset_orientation(block)


def save_options(format: str, icc: bytes | None, exif: bytes | None, xmp: bytes | None) -> dict[str, Any]:
    """Return the arguments by which Image.save() writes metadata as PNG, JPEG, WEBP, AVIF or TIFF.

    Raises:
        ValueError: The format cannot take an ICC profile of this size.
    """
    options: dict[str, Any] = {}
    if icc:
        if format == "JPEG" and len(icc) > _MAX_JPEG_ICC_BYTES:
            raise ValueError("ICC profile is too long")
        options["icc_profile"] = icc
    if format == "TIFF":
        tags = Image.Exif()
        tags.load(exif or b"")
        options["exif"] = _descriptive(tags)
        if xmp:
            options["exif"][_XMP_TAG] = xmp
        return options
    if exif:
        options["exif"] = b"Exif\0\0" + exif
    if xmp and format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif xmp:
        options["xmp"] = xmp
    return options


def _descriptive(tags: Image.Exif) -> Image.Exif:
    """Return the tags that tell of the photograph, without those on how some file stores its pixels."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in tags:
            kept[tag] = tags[tag]
    for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if values := tags.get_ifd(group):
            kept.get_ifd(group).update(values)
            kept[group] = values  # the TIFF writer goes by the keys
    return kept


def _reset_orientation(block: bytes) -> bytes | None:
    """Set the orientation to 1 in place, so that maker notes keep their offsets."""
    block = re.sub(rb"^(Exif\0\0)+", b"", block)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    patched, others = bytearray(block), False
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", block, at)[0] == _ORIENTATION:
                struct.pack_into(f"{order}HIHH", patched, at + 2, 3, 1, 1, 0)  # one SHORT: 1
            else:
                others = True
    except struct.error:
        return None
    return bytes(patched) if others else None
