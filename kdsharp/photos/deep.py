"""Read 16 bits a channel, which Pillow has room for in grey alone.

Pillow reads 16-bit colour by taking one byte of two, and which one, the upper or the lower, is said
by the name of the file's byte order. So the file is read twice, once in its own order and once in
the other, and no second library of decoders is needed. The tests compare every layout with what
was written.
"""

import sys
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from kdsharp.errors import UserError
from kdsharp.images import identify
from kdsharp.photos.metadata import about
from kdsharp.photos.photo import Photo, Space
from kdsharp.photos.upright import add_lower_bytes, upright_planes

__all__ = ["is_deep", "read_deep"]

Deep = npt.NDArray[np.uint16]

_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L"}


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether the opened, not yet loaded `image` has 16 bits a channel, in grey or colour."""
    return image.mode.startswith("I;16") or any(";16" in _raw(tile) for tile in image.tile)


def read_deep(file: IO[bytes], image: ImageFile.ImageFile, name: str) -> Photo:
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
    planes = upright_planes(image, room_for_16_bits=True)
    kind = str(image.format)
    Image.Image.close(image)  # its pixels would lie beside those of the second reading
    if in_pairs:
        return Photo(*_joined(planes), found, kind)
    if not grey:
        add_lower_bytes(planes, _lower(file, name, raw))
    pixels, alpha = planes
    if alpha is None and key is not None and not isinstance(key, bytes):
        hidden = (pixels == np.asarray(key)).reshape(*pixels.shape[:2], -1).all(axis=2)
        alpha = np.where(hidden, 0, 65535).astype(np.uint16)
    space: Space = "grey" if pixels.ndim == 2 else "RGB" if pixels.shape[2] == 3 else "CMYK"
    return Photo(pixels, space, alpha, found, kind)


def _joined(halves: tuple[Deep, Any]) -> tuple[Any, Space, Any]:
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
