"""Turn pictures the way that they are meant to be seen, in little memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.imageio.exif import orientation

__all__ = ["Planes", "add_lower_bytes", "oriented_planes"]

Planes = tuple[npt.NDArray[Any], npt.NDArray[Any] | None]
"""Pixels (H, W) or (H, W, C), and their alpha (H, W) or None."""

_BAND = 256  # rows that are copied at a time: 100 megapixels leave no room for a copy of all


def oriented_planes(image: Image.Image, *, room_for_16_bits: bool = False) -> Planes:
    """The pixels of a loaded image, upright, with its last band as alpha in `LA` and `RGBA`.

    `uint8`, or `uint16` in `I;16` and on demand.
    """
    turned = orientation(image) > 4
    across, down = image.size[::-1] if turned else image.size
    sixteen_bit = room_for_16_bits or image.mode.startswith("I;16")
    dtype = np.uint16 if sixteen_bit else np.uint8
    bands = len(image.getbands()) - _has_alpha(image)
    pixels = np.empty((down, across, bands) if bands > 1 else (down, across), dtype)
    alpha = np.empty((down, across), dtype) if _has_alpha(image) else None
    for levels, place in _bands(image, (pixels, alpha)):
        place[...] = levels
    return pixels, alpha


def add_lower_bytes(planes: Planes, image: Image.Image) -> None:
    """Move levels of 8 bits up in their 16, and those of `image` below them."""
    for levels, place in _bands(image, planes):
        place <<= 8
        place |= levels


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA")


def _bands(
    image: Image.Image, planes: Planes
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """A few rows of the image at a time, with the place of `planes` where they belong."""
    pixels, alpha = (_as_stored(plane, orientation(image)) for plane in planes)
    for top in range(0, image.height, _BAND):
        rows = slice(top, min(top + _BAND, image.height))
        levels = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
        if alpha is not None:
            yield levels[..., -1], alpha[rows]
            levels = levels[..., 0] if pixels.ndim == 2 else levels[..., :-1]
        yield levels, pixels[rows]


def _as_stored(upright: Any, turned: int) -> Any:
    """A view of `upright` in which rows and columns lie as in a file of orientation `turned`."""
    if upright is None:
        return None
    stored = upright.swapaxes(0, 1) if turned > 4 else upright
    stored = stored[::-1] if turned in (3, 4, 6, 7) else stored
    return stored[:, ::-1] if turned in (2, 3, 7, 8) else stored
