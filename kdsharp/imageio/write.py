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
from kdsharp.imageio.metadata import kept
from kdsharp.imageio.photo import FORMATS, READ_ONLY, USUAL, Photo
from kdsharp.imageio.read import HEIC
from kdsharp.imageio.sixteen_bit import write_16_bit_png
from kdsharp.imageio.tiff import write_tiff

__all__ = ["format_of", "save_photo"]

_QUALITY: Mapping[str, int] = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 90}
_ALPHA = ("PNG", "TIFF", "WEBP", "AVIF", "HEIF")
_16_BIT = ("PNG", "TIFF")
_CMYK = ("JPEG", "TIFF")
_HINT = f"write {USUAL}"


def save_photo(
    photo: Photo,
    target: Path | str | IO[bytes],
    *,
    quality: int | None = None,
    suffix: str | None = None,
) -> None:
    """Write `photo` to a path, atomically, or to a binary file such as standard output.

    The format is that of `suffix`, such as `.png`, else of the path's, else the format that the
    photo came in, or PNG for GIF. JPEG is compressed with the tables and the chroma subsampling of
    a JPEG source, else at 95 without subsampling; WebP is compressed at 95, or without loss if the
    source was; AVIF and HEIC at 90; `quality` (1..100) overrides all of these. BMP keeps no EXIF,
    ICC or XMP, PPM nothing. Raises `UserError`, and writes nothing, for an unknown suffix and for a
    format that cannot hold the photo's transparency, CMYK or 16 bits.
    """
    if isinstance(target, str | Path):
        path = Path(target)
        chosen = format_of(suffix or path.suffix, path)
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
    chosen = format_of(suffix, name) if suffix else _written(photo.file_format)
    _write(photo, encoded, name, chosen, quality)
    target.write(encoded.getbuffer())


def format_of(suffix: str, name: object) -> str:
    """The format that `suffix` stands for, by Pillow's name; `UserError` about `name` for none."""
    wanted = "." + suffix.lower().removeprefix(".")
    if wanted in FORMATS:
        return FORMATS[wanted]
    if instead := READ_ONLY.get(wanted):
        raise UserError(f"{name}: {wanted[1:].upper()} has too few colours: write {instead}")
    raise UserError(f"{name}: {f'unknown suffix {wanted}' if suffix else 'has no suffix'}: {_HINT}")


def _written(file_format: str) -> str:
    return file_format if file_format in FORMATS.values() else "PNG"


class _Unnumbered(io.FileIO):
    """A file that Pillow must write through Python: its own way does not report a full disk."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _write(
    photo: Photo, file: IO[bytes], name: object, file_format: str, quality: int | None
) -> None:
    _require_room(photo, name, file_format)
    if photo.space == "YCbCr" and file_format != "JPEG":
        rgb = np.asarray(_image(photo, opaque=True).convert("RGB"))
        photo = dataclasses.replace(photo, pixels=rgb, space="RGB")
    options = kept(photo.about, file_format)
    sixteen_bit = photo.pixels.dtype == np.uint16
    try:
        if file_format == "TIFF":
            write_tiff(photo, file, options)
        elif sixteen_bit and (photo.space == "RGB" or photo.alpha is not None):
            write_16_bit_png(photo, file, options)
        else:
            image = _image(photo, opaque=file_format not in _ALPHA)
            image.save(
                file, format=file_format, **options, **_compression(photo, file_format, quality)
            )
    except OSError as error:
        if error.errno is not None:
            raise  # a full disk and the like
        raise UserError(f"{name}: cannot be written as {file_format}: {error}") from error
    except Exception as error:  # encoders, like decoders, raise all sorts of errors
        raise UserError(f"{name}: cannot be written as {file_format}: {error}") from error


def _require_room(photo: Photo, name: object, file_format: str) -> None:
    """Raise `UserError` for what the format cannot hold."""
    if photo.pixels.dtype == np.uint16 and file_format not in _16_BIT:
        raise UserError(f"{name}: {file_format} cannot hold 16 bits: write .png or .tif")
    if photo.space == "CMYK" and file_format not in _CMYK:
        raise UserError(f"{name}: {file_format} cannot hold CMYK: write .tif or .jpg")
    if file_format not in _ALPHA and photo.alpha is not None and not _opaque(photo):
        held = ".png, .tif or .webp"
        raise UserError(f"{name}: {file_format} cannot hold transparency: write {held}")
    if file_format == "HEIF":
        try:
            import pillow_heif
        except ImportError as error:
            raise UserError(f"{name}: {HEIC}") from error
        pillow_heif.register_heif_opener()
    if file_format == "AVIF" and file_format not in _savable():
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


def _compression(photo: Photo, file_format: str, quality: int | None) -> dict[str, Any]:
    if file_format not in _QUALITY:
        return {}
    # No `optimize`: it takes three times as long to encode a JPEG, for 1 % of its size.
    if file_format == "JPEG" and photo.jpeg and quality is None:
        return dict(photo.jpeg)
    if file_format == "WEBP" and quality is None and photo.about.get("lossless"):
        return {"lossless": True, "exact": True}
    options: dict[str, Any] = {"quality": quality or _QUALITY[file_format]}
    if file_format == "JPEG":
        # Above 90, 4:2:0 is what one sees first.
        options["subsampling"] = 0
    return options
