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
from kdsharp.photos.upright import orientation, upright_pixels

__all__ = ["is_deep", "read_deep"]

Deep = npt.NDArray[np.uint16]

_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L"}


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether the opened, not yet loaded `image` has 16 bits a channel, in grey or colour."""
    return image.mode.startswith("I;16") or any(";16" in _raw(tile) for tile in image.tile)


def read_deep(
    file: IO[bytes], image: ImageFile.ImageFile, name: str
) -> tuple[Image.Image, Deep, Deep | None]:
    """The loaded image, for its metadata; pixels (H, W), (H, W, 3) or (H, W, 4) for CMYK; alpha.

    `image` is what `identify` made of `file`. Upright. Raises `UserError` for premultiplied alpha.
    """
    raw = _raw(image.tile[0])
    if raw.startswith("RGBa"):
        raise UserError(f"{name}: has 16 bits with premultiplied alpha: convert it first")
    if raw.startswith("LA;16"):
        # Two channels of two bytes are as long as four of one.
        _set_raw(image, "RGBA")
        image.load()
        halves = _pixels(image)
        both = halves[..., ::2].astype(np.uint16) << 8 | halves[..., 1::2]
        return image, np.ascontiguousarray(both[..., 0]), both[..., 1].copy()
    image.load()
    key, pixels = image.info.get("transparency"), _pixels(image).astype(np.uint16, copy=False)
    if not image.mode.startswith("I;16"):
        pixels <<= 8
        pixels |= _pixels(_lower(file, name, raw))
    if image.mode == "RGBA":
        return image, np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy()
    if key is None or isinstance(key, bytes):
        return image, pixels, None
    hidden = (pixels == np.asarray(key)).reshape(*pixels.shape[:2], -1).all(axis=2)
    return image, pixels, np.where(hidden, 0, 65535).astype(np.uint16)


def _lower(file: IO[bytes], name: str, raw: str) -> ImageFile.ImageFile:
    """The same picture once more, each pixel being the lower byte of its channels."""
    image = identify(file, name)
    order = _NATIVE if raw.endswith("N") else raw[-1]
    _set_raw(image, raw[:-1] + _OTHER[order])
    image.load()
    return image


def _pixels(image: Image.Image) -> npt.NDArray[Any]:
    return upright_pixels(image, orientation(image))


def _raw(tile: Any) -> str:
    """The name of a tile's layout in the file."""
    args = tile.args
    return str(args if isinstance(args, str) else args[0] if args else "")


def _set_raw(image: ImageFile.ImageFile, raw: str) -> None:
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *cast(Any, tile.args)[1:]))
        for tile in image.tile
    ]
