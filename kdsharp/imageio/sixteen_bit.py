"""Read and write 16 bits a channel, which Pillow has room for in grey alone.

Pillow reads 16-bit colour by taking one byte of two, and which one, the upper or the lower, is said
by the name of the file's byte order. So the file is read twice, once in its own order and once in
the other, and no second library of decoders is needed. The tests compare every layout with what
was written.

Of PNG, Pillow writes a picture of one pixel with all the metadata; its header and pixels are
replaced.
"""

import io
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from kdsharp.errors import UserError
from kdsharp.imageio.decode import identify
from kdsharp.imageio.metadata import about, png_chunks
from kdsharp.imageio.orientation import add_lower_bytes, oriented_planes
from kdsharp.imageio.photo import Photo, Space

__all__ = ["is_16_bit", "read_16_bit", "write_16_bit_png"]

Uint16 = npt.NDArray[np.uint16]

_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L"}

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
_ROWS = 64
_SUB = 1  # the filter: each byte less that of the pixel to the left


def is_16_bit(image: ImageFile.ImageFile) -> bool:
    """Whether the opened, not yet loaded `image` has 16 bits a channel, in grey or colour."""
    return image.mode.startswith("I;16") or any(";16" in _raw(tile) for tile in image.tile)


def read_16_bit(file: IO[bytes], image: ImageFile.ImageFile, name: str) -> Photo:
    """The photo in `file`, of which `image` is what `identify` made: grey, RGB or CMYK.

    Raises `UserError` for premultiplied alpha. Closes `image`.
    """
    raw = _raw(image.tile[0])
    if raw.startswith("RGBa"):
        raise UserError(f"{name}: has 16 bits with premultiplied alpha: convert it first")
    if in_pairs := raw.startswith("LA;16"):
        _set_raw(image, "RGBA")  # two channels of two bytes are as long as four of one
    image.load()
    found, key = about(image, file), image.info.get("transparency")
    grey = image.mode.startswith("I;16")
    planes = oriented_planes(image, room_for_16_bits=True)
    file_format = str(image.format)
    Image.Image.close(image)  # its pixels would lie beside those of the second reading
    if in_pairs:
        return Photo(*_joined(planes), found, file_format)
    if not grey:
        add_lower_bytes(planes, _lower(file, name, raw))
    pixels, alpha = planes
    if alpha is None and key is not None and not isinstance(key, bytes):
        hidden = (pixels == np.asarray(key)).reshape(*pixels.shape[:2], -1).all(axis=2)
        alpha = np.where(hidden, 0, 65535).astype(np.uint16)
    space: Space = "grey" if pixels.ndim == 2 else "RGB" if pixels.shape[2] == 3 else "CMYK"
    return Photo(pixels, space, alpha, found, file_format)


def _joined(halves: tuple[Uint16, Any]) -> tuple[Any, Space, Any]:
    """Grey and alpha from their bytes: upper and lower of grey, upper of alpha; lower of alpha."""
    upper, last = halves
    return upper[..., 0] << 8 | upper[..., 1], "grey", upper[..., 2] << 8 | last


def _lower(file: IO[bytes], name: str, raw: str) -> ImageFile.ImageFile:
    """The same picture once more, each pixel being the lower byte of its channels."""
    image = identify(file, name)
    order = _NATIVE if raw.endswith("N") else raw[-1]
    _set_raw(image, raw[:-1] + _OTHER[order])
    image.load()
    return image


def _raw(tile: Any) -> str:
    """The name of a tile's layout in the file."""
    args = tile.args
    return str(args if isinstance(args, str) else args[0] if args else "")


def _set_raw(image: ImageFile.ImageFile, raw: str) -> None:
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *cast(Any, tile.args)[1:]))
        for tile in image.tile
    ]


def write_16_bit_png(photo: Photo, file: IO[bytes], about: Mapping[str, Any]) -> None:
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
