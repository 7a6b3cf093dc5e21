"""A photo in memory: its pixels and what its file says about it; to a Pillow image and back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = [
    "FORMATS",
    "READ_ONLY",
    "SUFFIXES",
    "USUAL",
    "Levels",
    "Photo",
    "Space",
    "image_of",
    "photo_of",
]

FORMATS: Mapping[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
"""Lower-case file suffix -> format, by Pillow's names."""

SUFFIXES: frozenset[str] = frozenset(FORMATS)
"""Lower-case suffixes of the photos that are read and written."""

READ_ONLY: Mapping[str, str] = {".gif": ".png"}
"""Those that are only read, and what is written instead: 256 colours hold no sharpened photo."""

USUAL = ".jpg, .png, .tif or .webp"
"""What errors name instead of them all."""

Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Levels of 0..255 or 0..65535."""

Space = Literal["grey", "RGB", "YCbCr", "CMYK"]


@dataclass(frozen=True)
class Photo:
    """A photo, upright.

    `pixels` are (H, W) for grey, else (H, W, 3) or, for CMYK, (H, W, 4), 0 being no ink. YCbCr is
    JPEG's own, full range. `alpha` is (H, W) of the same type, or None. `about` is what the file
    says beside its pixels, as Pillow's arguments for saving; `file_format` is by
    Pillow's name, and `jpeg` says how a JPEG was compressed, so that one made of it is alike.
    """

    pixels: Levels
    space: Space
    alpha: Levels | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    file_format: str = "PNG"
    jpeg: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, image: Image.Image) -> "Photo":
        """A picture that is not from a file: `L`, `I;16`, `RGB`, or a mode that becomes RGB."""
        plain = image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB")
        return cls(np.array(plain), "grey" if plain.mode != "RGB" else "RGB")


def photo_of(image: object) -> Photo:
    """An image with its alpha, and with its `info` as what a file says of a photo.

    `L`, `RGB` and `I;16`, with alpha too, stay what they are; other modes become RGB. Raises
    `ValueError` if it is not an image.
    """
    if not isinstance(image, Image.Image):
        raise ValueError(f"need a Pillow image, not {type(image).__name__}")
    if image.has_transparency_data and image.mode != "I;16":
        whole = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        photo = Photo.of(whole.convert("L" if whole.mode == "LA" else "RGB"))
        alpha = np.asarray(whole.getchannel("A"))
        return dataclasses.replace(photo, alpha=alpha, about=_info(whole))
    return dataclasses.replace(Photo.of(image), about=_info(image))


def image_of(photo: Photo) -> Image.Image:
    """The image that a photo of grey or RGB is."""
    done = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        done.putalpha(Image.fromarray(photo.alpha))
    done.info.update(photo.about)
    return done


def _info(image: Image.Image) -> dict[str, Any]:
    return {str(key): value for key, value in image.info.items()}
