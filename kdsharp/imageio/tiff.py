"""Write TIFF, 8 or 16 bits, with everything that describes the photo.

Pillow writes 16 bits in grey alone, and EXIF only into files that are not compressed. It does write
directories of tags, which is the hard part; strips of pixels are a loop.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.imageio.exif import MARK, described
from kdsharp.imageio.photo import Photo

__all__ = ["write_tiff"]

_HEADER = 8
_STRIP = 1 << 20  # bytes before compression
_LEVEL = 6
_LIMIT = 1 << 32  # offsets have 32 bits
_OFFSETS, _SIZES = 273, 279
_PHOTOMETRIC = {"grey": 1, "RGB": 2, "CMYK": 5}


def write_tiff(photo: Photo, file: IO[bytes], about: Mapping[str, Any]) -> None:
    """Write `photo` and `about` (exif, icc_profile, xmp, dpi) to an empty `file` that can seek.

    Deflate with the horizontal predictor, in strips, which are made one at a time. Raises
    `ValueError` beyond 4 GB, the end of the format.
    """
    height, width = photo.pixels.shape[:2]
    channels = (photo.pixels.shape[2] if photo.pixels.ndim == 3 else 1) + (photo.alpha is not None)
    rows = max(_STRIP // (width * channels * photo.pixels.itemsize), 1)
    count = -(-height // rows)
    tags = _described(about)
    tags[256], tags[257], tags[258] = width, height, (photo.pixels.itemsize * 8,) * channels
    tags[259], tags[262], tags[277] = 8, _PHOTOMETRIC[photo.space], channels
    tags[278], tags[317] = rows, 2
    if photo.alpha is not None:
        tags[338] = 2  # not premultiplied
    # The directory is first written to take its place: how long strips become is known later.
    start = _HEADER + len(_directory(tags, [0] * count))
    file.seek(start)
    sizes = [file.write(zlib.compress(strip, _LEVEL)) for strip in _strips(photo, rows)]
    if start + sum(sizes) >= _LIMIT:
        raise ValueError("TIFF ends at 4 GB")
    file.seek(0)
    file.write(b"II*\0" + _HEADER.to_bytes(4, "little") + _directory(tags, sizes))


def _strips(photo: Photo, rows: int) -> Iterator[bytes]:
    """Strips of `rows` rows: interleaved, low byte first, each pixel less its left neighbour."""
    for top in range(0, len(photo.pixels), rows):
        planes: list[npt.NDArray[Any]] = [np.atleast_3d(photo.pixels[top : top + rows])]
        if photo.alpha is not None:
            planes.append(photo.alpha[top : top + rows, :, None])
        strip = np.concatenate(planes, axis=2)
        strip[:, 1:] -= strip[:, :-1].copy()
        yield strip.astype(strip.dtype.newbyteorder("<"), copy=False).tobytes()


def _directory(tags: Image.Exif, sizes: list[int]) -> bytes:
    # Pillow moves offsets of strips behind the directory.
    tags[_OFFSETS] = tuple(np.cumsum([0, *sizes[:-1]]).tolist())
    tags[_SIZES] = tuple(sizes)
    return tags.tobytes(_HEADER).removeprefix(MARK)[_HEADER:]


def _little() -> Image.Exif:
    tags = Image.Exif()
    tags.endian = "<"  # as the pixels
    return tags


def _described(about: Mapping[str, Any]) -> Image.Exif:
    """The tags that say something of the photo; EXIF that cannot be parsed is left out."""
    tags = _little()
    try:
        found = Image.Exif()
        found.load(about.get("exif", b""))
        described(found, tags)
        tags.tobytes(_HEADER)
    except Exception:  # noqa: BLE001 - a photo is not lost over damaged EXIF
        tags = _little()
    if "icc_profile" in about:
        tags[34675] = about["icc_profile"]
    if "xmp" in about:
        tags[700] = about["xmp"]
    if "dpi" in about:
        tags[282], tags[283] = about["dpi"]
        tags[296] = 2  # inches
    return tags
