"""Write photos in any format, whole or not at all."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.photos.deep_png import write_deep_png
from kdsharp.photos.metadata import kept
from kdsharp.photos.photo import KINDS, SUFFIXES, Photo
from kdsharp.photos.reading import HEIC
from kdsharp.photos.tiff import write_tiff

__all__ = ["format_of", "save_photo"]

_QUALITY: Mapping[str, int] = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 90}
_ALPHA = ("PNG", "TIFF", "WEBP", "AVIF", "HEIF")
_DEEP = ("PNG", "TIFF")
_CMYK = ("JPEG", "TIFF")


def save_photo(
    photo: Photo,
    target: Path | str | IO[bytes],
    *,
    quality: int | None = None,
    kind: str | None = None,
) -> None:
    """Write `photo` to a path, atomically, or to a binary file such as standard output.

    The format is `kind`, a suffix such as `.png`, else the suffix of the path, else the format that
    the photo came in. JPEG is compressed with the tables and the chroma subsampling of a JPEG
    source, else at 95 without subsampling; WebP is compressed at 95, or without loss if the source
    was; AVIF and HEIC at 90; `quality` (1..100) overrides all of these. BMP keeps no EXIF, ICC or
    XMP. Raises `UserError`, and writes nothing, for an unknown suffix and for a format that cannot
    hold the photo's transparency, CMYK or 16 bits.
    """
    if isinstance(target, str | Path):
        path = Path(target)
        chosen = format_of(kind or path.suffix, path)
        try:
            with (
                atomic_file(path) as temporary,
                io.BufferedWriter(_Unnumbered(temporary, "wb")) as file,
            ):
                _write(photo, file, path, chosen, quality)
        except OSError as error:
            error.filename = str(path)  # not the temporary name, which means nothing to anyone
            raise
        return
    encoded = io.BytesIO()
    name = getattr(target, "name", "the output")
    chosen = format_of(kind, name) if kind else photo.kind
    _write(photo, encoded, name, chosen, quality)
    target.write(encoded.getbuffer())


def format_of(suffix: str, name: object) -> str:
    """The format that `suffix` stands for, by Pillow's name; `UserError` about `name` for none."""
    try:
        return KINDS["." + suffix.lower().removeprefix(".")]
    except KeyError:
        known = ", ".join(sorted(SUFFIXES))
        raise UserError(f"{name}: unknown suffix: choose one of {known}") from None


class _Unnumbered(io.FileIO):
    """A file that Pillow must write to by Python: its own way says nothing of a full disk."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _write(photo: Photo, file: IO[bytes], name: object, kind: str, quality: int | None) -> None:
    _require_room(photo, name, kind)
    if photo.space == "YCbCr" and kind != "JPEG":
        rgb = np.asarray(_image(photo, opaque=True).convert("RGB"))
        photo = dataclasses.replace(photo, pixels=rgb, space="RGB")
    options = kept(photo.about, kind)
    deep = photo.pixels.dtype == np.uint16
    try:
        if kind == "TIFF":
            write_tiff(photo, file, options)
        elif deep and (photo.space == "RGB" or photo.alpha is not None):
            write_deep_png(photo, file, options)
        else:
            image = _image(photo, opaque=kind not in _ALPHA)
            image.save(file, format=kind, **options, **_compression(photo, kind, quality))
    except OSError as error:
        if error.errno is not None:
            raise  # a full disk and the like
        raise UserError(f"{name}: cannot be written as {kind}: {error}") from error
    except Exception as error:  # encoders, like decoders, raise all sorts of errors
        raise UserError(f"{name}: cannot be written as {kind}: {error}") from error


def _require_room(photo: Photo, name: object, kind: str) -> None:
    """Raise `UserError` for what the format cannot hold."""
    if photo.pixels.dtype == np.uint16 and kind not in _DEEP:
        raise UserError(f"{name}: {kind} cannot hold 16 bits: write .png or .tif")
    if photo.space == "CMYK" and kind not in _CMYK:
        raise UserError(f"{name}: {kind} cannot hold CMYK: write .tif or .jpg")
    if kind not in _ALPHA and photo.alpha is not None and not _opaque(photo):
        held = ".png, .tif or .webp"
        raise UserError(f"{name}: {kind} cannot hold transparency: write {held}")
    if kind == "HEIF":
        try:
            import pillow_heif
        except ImportError as error:
            raise UserError(f"{name}: {HEIC}") from error
        pillow_heif.register_heif_opener()
    if kind == "AVIF" and kind not in _savable():
        raise UserError(f"{name}: this Pillow was built without AVIF: install one from PyPI")


def _savable() -> Mapping[str, Any]:
    Image.init()
    return Image.SAVE


def _opaque(photo: Photo) -> bool:
    assert photo.alpha is not None
    return bool(photo.alpha.min() == np.iinfo(photo.alpha.dtype).max)


def _image(photo: Photo, *, opaque: bool) -> Image.Image:
    if photo.space in ("YCbCr", "CMYK"):
        height, width = photo.pixels.shape[:2]
        return Image.frombuffer(photo.space, (width, height), np.ascontiguousarray(photo.pixels))
    image = Image.fromarray(photo.pixels)
    if photo.alpha is not None and not opaque:
        image.putalpha(Image.fromarray(photo.alpha))
    return image


def _compression(photo: Photo, kind: str, quality: int | None) -> dict[str, Any]:
    if kind not in _QUALITY:
        return {}
    # No `optimize`: it takes three times as long to encode a JPEG, for 1 % of its size.
    if kind == "JPEG" and photo.jpeg and quality is None:
        return dict(photo.jpeg)
    if kind == "WEBP" and quality is None and photo.about.get("lossless"):
        return {"lossless": True, "exact": True}
    options: dict[str, Any] = {"quality": quality or _QUALITY[kind]}
    if kind == "JPEG":
        # Above 90, 4:2:0 is what one sees first.
        options["subsampling"] = 0
    return options
