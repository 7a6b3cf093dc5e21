"""Decode pictures of others without trusting them, and read them as 8-bit RGB.

`read_rgb` is for training and measuring. Photos that are sharpened and written again, with all that
is in their files, are the business of `kdsharp.photos`.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from kdsharp.errors import UserError, describe

__all__ = [
    "FORMATS",
    "LIMIT",
    "SUFFIXES",
    "decoded",
    "identify",
    "most_megapixels",
    "opened",
    "read_rgb",
]

SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"})
"""Lower-case file suffixes of photos to train on."""

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
"""What `read_rgb` reads, by Pillow's names."""

LIMIT = "KDSHARP_MAX_MEGAPIXELS"
"""The environment variable that raises the limit on a picture's size."""

_MEGAPIXELS = 250.0  # at 4 to 12 bytes a pixel, what an ordinary computer can hold
_DEEP = ("I;16", "I;16B", "I;16L")
_PLAIN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_DEEP)
_OTHER = {"LAB": "CIELAB colours", "F": "floating-point pixels", "I": "32 bits or signed pixels"}
_PLANES = 284  # TIFF's PlanarConfiguration; 2 is one plane after the other


def read_rgb(path: Path) -> Image.Image:
    """The photo at `path` as 8-bit RGB, upright.

    Alpha is dropped, grey and palette are expanded, CMYK is converted without its profile, and of
    16 bits the upper 8 are kept (rounded). Raises `UserError` for what is no single whole photo.
    """
    with opened(Path(path)) as file, decoded(file, path) as image:
        upright = _upright(image)
        if upright.mode in _DEEP:
            levels = np.rint(np.asarray(upright) / np.float32(257))
            return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
        rgb = upright.convert("RGBA") if upright.has_transparency_data else upright
        bare = rgb.convert("RGB").copy()
        bare.info = {}  # which Pillow would otherwise write on its own account
        return bare


def most_megapixels() -> float:
    """How large a picture may be; raises `UserError` where `LIMIT` holds no number."""
    try:
        return float(os.environ.get(LIMIT) or _MEGAPIXELS)
    except ValueError as error:
        raise UserError(f"{LIMIT}={os.environ[LIMIT]!r}: give a number of megapixels") from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file at `path`; `UserError` unless there is one, with something in it, to be read."""
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file")
        if not path.is_file():
            raise UserError(f"{path}: is not a file")
        if path.stat().st_size == 0:
            raise UserError(f"{path}: is empty")
        file = path.open("rb")
    except OSError as error:
        raise UserError(describe(error)) from error
    with file:
        yield file


@contextmanager
def decoded(
    file: IO[bytes], name: object, formats: Sequence[str] = FORMATS
) -> Iterator[ImageFile.ImageFile]:
    """The picture in a binary file that can seek, opened but not loaded; errors call it `name`.

    Whatever goes wrong while the block uses the picture becomes one `UserError`; so do several
    frames, a mode that nothing here understands, and more pixels than `$KDSHARP_MAX_MEGAPIXELS`
    allows, before memory is taken for them.
    """
    try:
        with identify(file, name, formats) as image:
            yield image
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        reason = str(error) or type(error).__name__
        raise UserError(f"{name}: cannot be read as a picture: {reason}") from error


def identify(
    file: IO[bytes], name: object, formats: Sequence[str] = FORMATS
) -> ImageFile.ImageFile:
    """Open and check as `decoded` does, without its guard against other errors."""
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    for kind in formats:
        factory, accepts = Image.OPEN[kind]
        if accepts and accepts(prefix) is not True:
            continue
        file.seek(0)
        # Not Image.open: its limit is a warning, and a setting of the whole process.
        try:
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # Pillow's "not mine"
            continue
        _check(image, name)
        if isinstance(image, TiffImageFile) and image._im is None:
            # It would ask for that setting itself, unless it has its memory already.
            image.im = Image.new(image.mode, image._tile_size).im
        return image
    raise UserError(f"{name}: is no picture in {', '.join(formats)}, or its start is damaged")


def _check(image: ImageFile.ImageFile, name: object) -> None:
    width, height = image.size
    if width * height > (most := most_megapixels()) * 1e6:
        raise UserError(
            f"{name}: {width}x{height} is more than {most:g} megapixels, the guard against "
            f"decompression bombs: set {LIMIT}={-(-width * height // 1_000_000)} if it is sound"
        )
    # An MPO is a phone's JPEG with extras behind it: the first picture is the photo.
    if getattr(image, "n_frames", 1) > 1 and image.format not in ("MPO", "HEIF"):
        raise UserError(f"{name}: has several frames or pages: give one photo a file")
    if image.mode not in _PLAIN:
        what = _OTHER.get(image.mode, f"pixels of mode {image.mode}")
        raise UserError(f"{name}: has {what}: convert it to RGB of 8 or 16 bits first")
    # Pillow would take the bytes of 16-bit planes for pixels of 8 bits.
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) == 2 and max(tags.get(258, (8,))) > 8:
        raise UserError(f"{name}: has 16 bits in separate planes: convert it to interleaved first")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - EXIF that nobody can parse turns nothing
        return image
