"""Decode pictures from anywhere without trusting them, and read them as 8-bit RGB.

`read_rgb` is for training and measuring. Photos that are sharpened and written again, with all that
is in their files, are the business of `kdsharp.imageio.read` and `write`.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile, ImageOps, _imaging
from PIL.TiffImagePlugin import TiffImageFile

from kdsharp.errors import UserError, describe
from kdsharp.imageio.exif import orientation

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

SUFFIXES: frozenset[str] = frozenset(
    (
        *(".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp"),
        *(".ppm", ".pgm"),
    )
)
"""Lower-case file suffixes of photos to train on."""

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""What `read_rgb` reads, by Pillow's names."""

LIMIT = "KDSHARP_MAX_MEGAPIXELS"
"""The environment variable that raises the limit on a picture's size."""

_MEGAPIXELS = 250.0  # at 4 to 12 bytes a pixel, what an ordinary computer can hold
_16_BIT = ("I;16", "I;16B", "I;16L")
_PLAIN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_16_BIT)
_OTHER = {"LAB": "CIELAB colours", "F": "floating-point pixels", "I": "32 bits or signed pixels"}
_PLANES = 284  # TIFF's PlanarConfiguration; 2 is one plane after the other


def read_rgb(path: Path) -> Image.Image:
    """The photo at `path` as 8-bit RGB, upright.

    Alpha is dropped, grey and palette are expanded, CMYK is converted without its profile, and of
    16 bits the upper 8 are kept (rounded). Raises `UserError` if it is not a single, whole photo.
    """
    with opened(Path(path)) as file, decoded(file, path) as image:
        upright = _upright(image)
        if upright.mode in _16_BIT:
            levels = np.rint(np.asarray(upright) / np.float32(257))
            return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
        rgb = upright.convert("RGBA") if upright.has_transparency_data else upright
        bare = rgb.convert("RGB")  # a copy in any case
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
    """The file at `path`; `UserError` unless it exists, is not empty and can be read."""
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file")
        if not path.is_file():
            raise UserError(f"{path}: not a file")
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

    Any error while the block uses the picture becomes one `UserError`. So do several frames, a mode
    that nothing here understands, and more pixels than `$KDSHARP_MAX_MEGAPIXELS` allows, before
    memory is allocated for them.
    """
    try:
        with identify(file, name, formats) as image:
            yield image
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        reason = str(error) or type(error).__name__
        if reason.startswith("decoder error"):  # and a number that means nothing to anyone
            reason = "it is damaged"
        raise UserError(f"{name}: cannot be read as a picture: {reason}") from error


def identify(
    file: IO[bytes], name: object, formats: Sequence[str] = FORMATS
) -> ImageFile.ImageFile:
    """Open and check as `decoded` does, without its guard against other errors."""
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    for file_format in formats:
        factory, accepts = Image.OPEN[file_format]
        if accepts and accepts(prefix) is not True:
            continue
        file.seek(0)
        # Not Image.open: its limit is a warning, and a setting of the whole process.
        try:
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # Pillow's "not mine"
            continue
        _check(image, name)
        if isinstance(image, TiffImageFile):
            _silence_libtiff()
        if isinstance(image, TiffImageFile) and image._im is None:
            # It would ask for that setting itself, unless it has its memory already.
            image.im = Image.new(image.mode, image._tile_size).im
        return image
    raise UserError(f"{name}: not a picture in {', '.join(formats)}, or its start is damaged")


@cache
def _silence_libtiff() -> None:
    """Keep what libtiff says of damaged files from stderr: Pillow raises an error for each.

    Pillow silences its warnings alone. Where its libtiff cannot be reached, nothing changes.
    """
    with contextlib.suppress(OSError, AttributeError):
        handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        handler(None)


def _check(image: ImageFile.ImageFile, name: object) -> None:
    width, height = image.size
    if width * height > (most := most_megapixels()) * 1e6:
        raise UserError(
            f"{name}: {width}x{height} is more than {most:g} megapixels, the guard against "
            f"decompression bombs: set {LIMIT}={-(-width * height // 1_000_000)} if you trust it"
        )
    # An MPO is a phone's JPEG with extras behind it: the first picture is the photo.
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "GIF":
        raise UserError(
            f"{name}: is animated, {frames} frames: make it a video, for example with ffmpeg -i "
            "IN.gif OUT.mp4, or save one frame as PNG"
        )
    if frames > 1 and image.format not in ("MPO", "HEIF"):
        raise UserError(f"{name}: has several frames or pages: save each as a file of its own")
    if image.format == "PPM" and (image.mode == "I" or _wide(image)):
        raise UserError(f"{name}: has more than 8 bits, not read from PPM: make it PNG or TIFF")
    if image.mode not in _PLAIN:
        what = _OTHER.get(image.mode, f"pixels of mode {image.mode}")
        raise UserError(f"{name}: has {what}: convert it to RGB of 8 or 16 bits first")
    # Pillow would take the bytes of 16-bit planes for pixels of 8 bits.
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) == 2 and max(tags.get(258, (8,))) > 8:
        raise UserError(f"{name}: has 16 bits in separate planes: convert it to interleaved first")


def _wide(image: ImageFile.ImageFile) -> bool:
    """Whether the levels of a PPM go beyond 255: of colour, Pillow would keep 8 bits."""
    args = image.tile[0].args
    return isinstance(args, tuple) and isinstance(args[-1], int) and args[-1] > 255


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        # Which would copy what already is upright, and of 48 megapixels that is 190 MB.
        return image if orientation(image) == 1 else ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - EXIF that nobody can parse turns nothing
        return image
