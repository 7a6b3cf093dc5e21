"""Turn pictures the way that they are meant to be seen."""

from typing import cast

import numpy as np
from PIL import Image

from kdsharp.photos.photo import Levels

__all__ = ["ORIENTATION", "orientation", "upright_pixels"]

ORIENTATION = 0x0112
"""EXIF's tag."""

_BAND = 256  # rows that are copied at a time


def orientation(image: Image.Image) -> int:
    """EXIF's orientation of a loaded image, 1..8; 1 where there is none that can be read."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - EXIF that nobody can parse turns nothing
        return 1
    return found if found in range(1, 9) else 1


def upright_pixels(image: Image.Image, turned: int) -> Levels:
    """The pixels of a loaded image of orientation `turned`, 1..8: (H, W) or (H, W, C), upright.

    In bands and into place, because pictures of 100 megapixels have no room for copies.
    """
    bands = len(image.getbands())
    across, down = image.size[::-1] if turned > 4 else image.size
    dtype = np.uint16 if image.mode.startswith("I;16") else np.uint8
    pixels = np.empty((down, across, bands) if bands > 1 else (down, across), dtype)
    stored = pixels.swapaxes(0, 1) if turned > 4 else pixels
    stored = stored[::-1] if turned in (3, 4, 6, 7) else stored
    stored = stored[:, ::-1] if turned in (2, 3, 7, 8) else stored
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        stored[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return cast("Levels", pixels)
