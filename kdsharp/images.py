"""Open and save photos: orientation, EXIF, ICC, alpha, 8 and 16 bit.

`read_rgb` is for training and measuring: 8-bit RGB, nothing else. `open_photo` and `save_photo`
are for sharpening: they carry along what a person expects to find in the output again.
"""

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo

from kdsharp.errors import UserError, describe
from kdsharp.files import atomic_file

__all__ = ["SUFFIXES", "Photo", "open_photo", "read_rgb", "save_photo"]

SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"})
"""Lower-case file suffixes that are read and written."""

_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF"}
_READ = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_DEEP = ("I;16", "I;16B", "I;16L")
_PLAIN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_DEEP)
# TIFF keeps EXIF beside the tags that lay out its pixels; only these describe the photo.
_ABOUT = (270, 271, 272, 305, 306, 315, 33432, int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
# A JPEG segment holds 65,533 bytes, headers included.
_SEGMENT = 65_000
_QUALITY = 95


@dataclass(frozen=True)
class Photo:
    """A photo that is opened for sharpening, upright.

    `image` is `L`, `RGB` (8 bit) or `I;16` (16-bit grey); `alpha` is `L` and of the same size, or
    None; `about` has EXIF, ICC profile, XMP and resolution as Pillow's arguments for saving; `jpeg`
    says how a JPEG source was compressed, so that a JPEG output is compressed alike.
    """

    image: Image.Image
    alpha: Image.Image | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    jpeg: Mapping[str, Any] | None = None


def read_rgb(path: Path) -> Image.Image:
    """The photo at `path` as 8-bit RGB, upright.

    Alpha is dropped, grey and palette are expanded, CMYK is converted without its profile, and of
    16 bits the upper 8 are kept (rounded). Raises `UserError` for what is no single whole photo.
    """
    with _opened(path) as image:
        upright = _upright(image)
        if upright.mode in _DEEP:
            levels = np.rint(np.asarray(upright) / np.float32(257))
            return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
        rgb = upright.convert("RGBA") if _has_alpha(upright) else upright
        return _bare(rgb.convert("RGB"))


def open_photo(path: Path) -> Photo:
    """The photo at `path` with all that its sharpened version keeps.

    Raises `UserError` for what is no single whole photo, for CMYK (sharpen before converting) and
    for 16 bits a channel in colour, which Pillow would cut to 8.
    """
    with _opened(path) as image:
        if image.mode == "CMYK":
            raise UserError(f"{path}: is CMYK: convert it to RGB first")
        if image.mode not in _DEEP and any(";16" in str(tile[3]) for tile in image.tile):
            raise UserError(f"{path}: has 16 bits a channel in colour: convert it to 8 bits first")
        jpeg = _jpeg(image)
        upright = _upright(image)
        exif = _tiff_exif(image) if image.format == "TIFF" else upright.info.get("exif")
        about = _about(upright.info, exif)
        if upright.mode in _DEEP:
            deep = np.asarray(upright).astype(np.uint16)  # of either byte order
            return Photo(Image.fromarray(deep), None, about)
        if _has_alpha(upright):
            whole = upright.convert("LA" if upright.mode in ("1", "L", "LA") else "RGBA")
            color = whole.convert("L" if whole.mode == "LA" else "RGB")
            return Photo(_bare(color), whole.getchannel("A"), about)
        mode = "L" if upright.mode in ("1", "L") else "RGB"
        return Photo(_bare(upright.convert(mode)), None, about, jpeg)


def save_photo(photo: Photo, target: Path, *, quality: int | None = None) -> None:
    """Write `photo` to `target` atomically, in the format of its suffix.

    JPEG is compressed with the tables and the chroma subsampling of a JPEG source, else at 95;
    WebP at 95; `quality` (1..100) overrides both. BMP keeps no EXIF, ICC or XMP. Raises `UserError`
    for an unknown suffix and for a format that cannot hold the photo's transparency or 16 bits.
    """
    target = Path(target)
    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"{target}: unknown suffix: choose one of {', '.join(sorted(SUFFIXES))}")
    suffix = target.suffix.lower().removeprefix(".")
    kind = _FORMATS.get(suffix, suffix.upper())
    image = _whole(photo, target, kind)
    options = {**_kept(photo.about, kind), **_compression(photo, kind, quality)}
    encoded = io.BytesIO()
    try:
        image.save(encoded, format=kind, **options)
    except Exception as error:  # encoders, like decoders, raise all sorts of errors
        raise UserError(f"{target}: cannot be written as {kind}: {error}") from error
    try:
        with atomic_file(target) as temporary:
            temporary.write_bytes(encoded.getbuffer())
    except OSError as error:
        error.filename = str(target)  # not the temporary name, which means nothing to anyone
        raise


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """The decoded image; what goes wrong while the block uses it becomes one line."""
    path = Path(path)
    try:
        _check_file(path)
        with Image.open(path, formats=_READ) as image:
            # An MPO is a phone's JPEG with extras behind it: the first picture is the photo.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise UserError(f"{path}: has several frames or pages: give one photo a file")
            if image.mode not in _PLAIN:
                raise UserError(f"{path}: pictures of mode {image.mode} are not supported")
            yield image
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: is no picture in {', '.join(_READ)}") from error
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        if isinstance(error, OSError) and error.filename:
            raise UserError(describe(error)) from error
        raise UserError(f"{path}: cannot be read as a picture: {error}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if not path.is_file():
        raise UserError(f"{path}: is not a file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - EXIF that nobody can parse turns nothing
        return image


def _has_alpha(image: Image.Image) -> bool:
    return image.has_transparency_data and image.mode not in _DEEP


def _bare(image: Image.Image) -> Image.Image:
    """A copy without metadata, which Pillow would otherwise write on its own account."""
    bare = image.copy()
    bare.info = {}
    return bare


def _about(info: Mapping[Any, Any], exif: bytes | None) -> dict[str, Any]:
    dpi = tuple(float(value) for value in info.get("dpi", ()))
    if len(dpi) != 2 or not all(math.isfinite(value) and 1 <= value < 65536 for value in dpi):
        dpi = ()
    if exif:  # JPEG needs the mark, WebP files lack it, and every writer takes it
        exif = b"Exif\0\0" + exif.removeprefix(b"Exif\0\0")
    found = {"exif": exif, "icc_profile": info.get("icc_profile"), "xmp": info.get("xmp")}
    return {key: value for key, value in {**found, "dpi": dpi}.items() if value}


def _tiff_exif(image: Image.Image) -> bytes | None:
    source, kept = image.getexif(), Image.Exif()
    for tag in _ABOUT:
        value = source.get_ifd(tag) if tag > 34000 else source.get(tag)
        if value:
            kept[tag] = value
    return kept.tobytes() if len(kept) else None


def _kept(about: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The part of `about` that the format `kind` has a place for."""
    places = {
        "JPEG": ("exif", "icc_profile", "xmp", "dpi"),
        "PNG": ("exif", "icc_profile", "dpi"),
        "TIFF": ("exif", "icc_profile", "dpi"),
        "WEBP": ("exif", "icc_profile", "xmp"),
        "BMP": ("dpi",),
    }
    kept = {key: about[key] for key in places[kind] if key in about}
    if kind == "PNG" and "xmp" in about:
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", about["xmp"].decode("utf-8", "replace"))
        kept["pnginfo"] = text
    if kind == "JPEG":
        return {k: v for k, v in kept.items() if k not in ("exif", "xmp") or len(v) < _SEGMENT}
    return kept


def _jpeg(image: Image.Image) -> dict[str, Any] | None:
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


def _compression(photo: Photo, kind: str, quality: int | None) -> dict[str, Any]:
    if kind == "TIFF":
        # Pillow cannot write the folders inside EXIF through libtiff, which compresses.
        return {"compression": "raw" if "exif" in photo.about else "tiff_adobe_deflate"}
    if kind == "JPEG" and photo.jpeg and quality is None:
        return {**photo.jpeg, "optimize": True}
    if kind == "JPEG":
        # Above 90, 4:2:0 is what one sees first.
        return {"quality": quality or _QUALITY, "subsampling": 0, "optimize": True}
    return {"quality": quality or _QUALITY} if kind == "WEBP" else {}


def _whole(photo: Photo, target: Path, kind: str) -> Image.Image:
    """The image with its alpha, if the format can hold it."""
    if photo.image.mode == "I;16" and kind not in ("PNG", "TIFF"):
        raise UserError(f"{target}: {kind} cannot hold 16 bits: write .png or .tif")
    if photo.alpha is None or photo.alpha.getextrema() == (255, 255):
        return photo.image
    if kind not in ("PNG", "TIFF", "WEBP"):
        raise UserError(f"{target}: {kind} cannot hold transparency: write .png, .tif or .webp")
    whole = photo.image.convert("LA" if photo.image.mode == "L" else "RGBA")
    whole.putalpha(photo.alpha)
    return whole
