"""Write PNG of 16 bits in colour or with alpha, which Pillow cannot.

Pillow writes a picture of one pixel with all the metadata; its header and pixels are replaced.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
from PIL import Image

from kdsharp.photos.metadata import png_chunks
from kdsharp.photos.photo import Photo

__all__ = ["write_deep_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
_ROWS = 64
_SUB = 1  # the filter: each byte less that of the pixel to the left


def write_deep_png(photo: Photo, file: IO[bytes], about: Mapping[str, Any]) -> None:
    """Write the 16-bit `photo`, grey or RGB, with Pillow's arguments `about` for its metadata."""
    small = io.BytesIO()
    Image.new("L" if photo.space == "grey" else "RGB", (1, 1)).save(small, "PNG", **about)
    chunks = list(png_chunks(small))
    height, width = photo.pixels.shape[:2]
    channels = (photo.pixels.shape[2] if photo.pixels.ndim == 3 else 1) + (photo.alpha is not None)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    file.write(_SIGNATURE)
    _chunk(file, b"IHDR", header)
    for name, data in chunks:
        if name not in (b"IHDR", b"IEND"):
            _chunk(file, name, data)
    for data in _compressed(photo):
        _chunk(file, b"IDAT", data)
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _compressed(photo: Photo) -> Iterator[bytes]:
    """The zlib stream of all rows, in parts."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    for top in range(0, len(photo.pixels), _ROWS):
        planes = [np.atleast_3d(photo.pixels[top : top + _ROWS])]
        if photo.alpha is not None:
            planes.append(photo.alpha[top : top + _ROWS, :, None])
        rows = np.concatenate(planes, axis=2).astype(">u2")
        levels = rows.view(np.uint8).reshape(len(rows), -1)
        step = 2 * rows.shape[2]
        filtered = np.full((len(rows), levels.shape[1] + 1), _SUB, np.uint8)
        filtered[:, 1 : step + 1] = levels[:, :step]
        np.subtract(levels[:, step:], levels[:, :-step], out=filtered[:, step + 1 :])
        if data := packer.compress(filtered.tobytes()):
            yield data
    yield packer.flush()
