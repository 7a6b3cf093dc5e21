"""Metadata of a photo's file: EXIF, profile, XMP, resolution, text; read here, written anywhere.

Metadata is carried as bytes and not rebuilt, so that what nobody here understands, such as a
maker's notes, survives. The one change: a photo that was turned upright says so.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import IO, Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo

from kdsharp.imageio.exif import MARK, described, orientation, parses, reset_orientation

__all__ = ["about", "jpeg_compression", "kept", "png_chunks"]

# A JPEG segment holds 65,533 bytes, headers included.
_SEGMENT = 65_000
# What a PNG says of its colours and in words; everything else concerns the pixels as they were.
_PNG_COLOR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_XMP_IN_PNG = b"XML:com.adobe.xmp\0"
_PLACES = {
    "JPEG": ("exif", "icc_profile", "xmp", "dpi", "comment", "extra"),
    "PNG": ("exif", "icc_profile", "dpi", "pnginfo"),
    "TIFF": ("exif", "icc_profile", "xmp", "dpi"),
    "WEBP": ("exif", "icc_profile", "xmp"),
    "AVIF": ("exif", "icc_profile", "xmp"),
    "HEIF": ("exif", "icc_profile", "xmp"),
    "BMP": ("dpi",),
    "PPM": (),
}


def about(image: Image.Image, file: IO[bytes]) -> dict[str, Any]:
    """What `file` says about its photo, besides the pixels of the loaded `image`, once upright."""
    info, turned = image.info, orientation(image) != 1
    exif = _tiff_exif(image) if image.format == "TIFF" else info.get("exif")
    if exif:
        exif = MARK + reset_orientation(exif.removeprefix(MARK), turned=turned)
    if isinstance(xmp := info.get("xmp"), str):
        xmp = xmp.encode()
    if xmp and turned:
        xmp = re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp)
    found: dict[str, Any] = {"exif": exif, "xmp": xmp, "icc_profile": info.get("icc_profile")}
    found["dpi"] = _dpi(info)
    if isinstance(image, JpegImageFile):
        found["comment"], found["extra"] = info.get("comment"), _segments(image)
    if image.format == "PNG":
        found["chunks"] = [c for c in png_chunks(file) if c[0] in (*_PNG_COLOR, *_PNG_TEXT)]
    if image.format == "WEBP":
        found["lossless"] = _is_lossless(file)
    return {key: value for key, value in found.items() if value}


def kept(found: Mapping[str, Any], file_format: str) -> dict[str, Any]:
    """The part of `found` that the format `file_format` has a place for, as Pillow's arguments."""
    args = {key: found[key] for key in _PLACES[file_format] if key in found}
    if file_format == "PNG":
        args["pnginfo"] = _png_info(found)
    if file_format in ("AVIF", "HEIF") and not parses(args.get("exif", b"")):
        del args["exif"]  # their encoders look into it
    if file_format == "JPEG":
        return {key: v for key, v in args.items() if key in ("icc_profile", "extra") or _fits(v)}
    return args


def jpeg_compression(image: Image.Image) -> dict[str, Any] | None:
    """How a JPEG was compressed, as Pillow's arguments; None for other images."""
    if not isinstance(image, JpegImageFile):
        return None
    tables = list(image.quantization.values())
    if not all(0 < step < 256 for table in tables for step in table):
        return None  # 12-bit tables do not fit a baseline JPEG
    subsampling = get_sampling(image)
    return {
        "qtables": tables,
        "subsampling": subsampling if subsampling in (0, 1, 2) else 0,
        "progressive": bool(image.info.get("progressive")),
    }


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Every chunk of a PNG: its name and its data, unchecked; stops where the file does."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            file.seek(length + 4, 1)
            continue
        yield name, file.read(length)
        file.seek(4, 1)


def _is_lossless(webp: IO[bytes]) -> bool:
    webp.seek(12)
    while len(head := webp.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name in (b"VP8 ", b"VP8L"):
            return bool(name == b"VP8L")
        webp.seek(length + length % 2, 1)
    return False


def _fits(value: Any) -> bool:
    return not isinstance(value, bytes) or len(value) < _SEGMENT


def _dpi(info: Mapping[Any, Any]) -> tuple[float, ...]:
    found = tuple(float(value) for value in info.get("dpi", ()))
    sound = len(found) == 2 and all(math.isfinite(value) and 1 <= value < 65536 for value in found)
    return found if sound else ()


def _tiff_exif(image: Image.Image) -> bytes | None:
    found = Image.Exif()
    try:
        described(image.getexif(), found)
        return found.tobytes() if len(found) else None
    except Exception:  # noqa: BLE001 - values that no EXIF can hold
        return None


def _segments(image: JpegImageFile) -> bytes:
    """The segments of a JPEG that have no name here, such as IPTC, ready to be written again."""
    named = (MARK, b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"MPF\0")
    return b"".join(
        struct.pack(">BBH", 0xFF, 0xE0 + int(marker[3:]), len(data) + 2) + data
        for marker, data in image.applist
        # APP0 is JFIF and APP14 is how the colours are coded: the encoder writes its own.
        if marker.startswith("APP")
        and marker not in ("APP0", "APP14")
        and not data.startswith(named)
    )


def _png_info(found: Mapping[str, Any]) -> PngInfo:
    info, xmp = PngInfo(), found.get("xmp")
    for name, data in found.get("chunks", ()):
        if not (xmp and data.startswith(_XMP_IN_PNG)):
            info.add(name, data)
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return info
