"""Open photos of any format and depth, with all that their sharpened versions keep."""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import FORMATS, decoded, opened
from kdsharp.imageio.metadata import about, jpeg_compression
from kdsharp.imageio.orientation import oriented_planes
from kdsharp.imageio.photo import Photo, Space
from kdsharp.imageio.sixteen_bit import is_16_bit, read_16_bit

__all__ = ["HEIC", "Header", "open_photo", "read_header"]

HEIC = 'HEIC needs an extra: pip install "kdsharp[heic]"'

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_SPACES: dict[str, Space] = {"RGB": "RGB", "RGBA": "RGB", "YCbCr": "YCbCr", "CMYK": "CMYK"}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a photo say: its size as stored, and its format by Pillow's name."""

    width: int
    height: int
    file_format: str


def read_header(file: IO[bytes], *, name: str = "the photo") -> Header:
    """The header of the photo in a binary file that can seek; no pixel is decoded.

    Raises `UserError` for what `open_photo` refuses before it decodes.
    """
    with decoded(file, name, _formats(file, name)) as image:
        return Header(image.width, image.height, str(image.format))


def open_photo(
    source: Path | str | IO[bytes], *, name: str | None = None, ycbcr: bool = False
) -> Photo:
    """The photo in a file, upright, with all that its sharpened version keeps.

    `source` is a path or a binary file, such as standard input, which errors call `name`. With
    `ycbcr` a JPEG that is coded so comes in its own YCbCr: no colour is converted, and what is
    done to luma leaves the chroma as it is. A palette becomes RGB; AVIF and HEIC are read at 8
    bits. Raises `UserError` if it is not a single, whole photo, and for pixels that cannot
    be kept: floating point, CIELAB, 16 bits in separate planes or with premultiplied alpha.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        with opened(path) as file:
            return _read(file, str(name or path), ycbcr)
    if not source.seekable():
        source = io.BytesIO(source.read())
    return _read(source, str(name or getattr(source, "name", "the photo")), ycbcr)


def _read(file: IO[bytes], name: str, ycbcr: bool) -> Photo:
    with decoded(file, name, _formats(file, name)) as image:
        if is_16_bit(image):
            return read_16_bit(file, image, name)
        compression = jpeg_compression(image)
        if ycbcr and _is_ycbcr(image):
            image.draft("YCbCr", image.size)
        image.load()
        plain = _plain(image)
        pixels, alpha = oriented_planes(plain)
        space = _SPACES.get(plain.mode, "grey")
        file_format = "JPEG" if image.format == "MPO" else str(image.format)
        return Photo(pixels, space, alpha, about(image, file), file_format, compression)


def _formats(file: IO[bytes], name: str) -> Sequence[str]:
    """The formats that may be read; HEIC only where needed, because it is an extra."""
    file.seek(0)
    if (start := file.read(12)) == b"":
        raise UserError(f"{name}: is empty")
    if start[4:8] != b"ftyp" or start[8:] not in _BRANDS:
        return (*FORMATS, "AVIF")
    if not importlib.util.find_spec("pillow_heif"):
        raise UserError(f"{name}: {HEIC}")
    import pillow_heif

    pillow_heif.register_heif_opener()
    return ("AVIF", "HEIF")


def _is_ycbcr(image: Any) -> bool:
    """As libjpeg decides it; a JPEG of three colours may hold RGB."""
    if image.format not in ("JPEG", "MPO") or image.mode != "RGB":
        return False
    if "jfif" in image.info:
        return True
    if "adobe_transform" in image.info:
        return bool(image.info["adobe_transform"] == 1)
    return bytes(component[0] for component in image.layer) != b"RGB"


def _plain(image: Image.Image) -> Image.Image:
    """In a mode whose bands are the photo's: grey, RGB, YCbCr of a JPEG, CMYK, and alpha."""
    if image.mode == "CMYK" or (image.mode == "YCbCr" and image.format in ("JPEG", "MPO")):
        return image
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    mode += "A" if image.has_transparency_data else ""
    # Pillow copies even what is converted to what it is.
    return image if image.mode == mode else image.convert(mode)
