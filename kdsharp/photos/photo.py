"""A photo in memory: its pixels, and what its file says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["KINDS", "SUFFIXES", "Levels", "Photo", "Space"]

KINDS: Mapping[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
"""Lower-case file suffix -> format, by Pillow's names."""

SUFFIXES: frozenset[str] = frozenset(KINDS)
"""Lower-case suffixes of the photos that are read and written."""

Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Levels of 0..255 or 0..65535."""

Space = Literal["grey", "RGB", "YCbCr", "CMYK"]


@dataclass(frozen=True)
class Photo:
    """A photo, upright.

    `pixels` are (H, W) for grey, else (H, W, 3) or, for CMYK, (H, W, 4), 0 being no ink. YCbCr is
    JPEG's own, full range. `alpha` is (H, W) of the same type, or None. `about` is what the file
    says beside its pixels, as Pillow's arguments for saving; `kind` is the file's format, and
    `jpeg` how a JPEG was compressed, so that a JPEG made of it is compressed alike.
    """

    pixels: Levels
    space: Space
    alpha: Levels | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "PNG"
    jpeg: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, image: Image.Image) -> "Photo":
        """A picture that comes from no file: `L`, `I;16`, `RGB`, or anything that becomes RGB."""
        plain = image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB")
        return cls(np.array(plain), "grey" if plain.mode != "RGB" else "RGB")
