"""High quality -> low quality, by named recipes.

A recipe keeps the picture's size: it shrinks, stores 8 bit, and enlarges again, so that a network
that runs on its output sharpens in place.
"""

from collections.abc import Callable

from PIL import Image

from kdsharp.errors import UserError

__all__ = ["DEGRADATIONS", "crop_to_multiple", "degrade"]


def crop_to_multiple(image: Image.Image, multiple: int) -> Image.Image:
    """Cut the right and lower edge so that both sides are multiples of `multiple`."""
    width, height = (side - side % multiple for side in image.size)
    return image if (width, height) == image.size else image.crop((0, 0, width, height))


def bicubic(image: Image.Image, scale: int) -> Image.Image:
    """Pillow's anti-aliased bicubic (= MATLAB's `imresize`) down by `scale` and up again.

    Both sides of the 8-bit RGB `image` must be multiples of `scale`.
    """
    width, height = image.size
    small = image.resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    return small.resize((width, height), Image.Resampling.BICUBIC)


DEGRADATIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {"bicubic": bicubic}
"""Every recipe by its name: (8-bit RGB image, scale) -> image of the same size."""


def degrade(image: Image.Image, name: str, scale: int) -> Image.Image:
    """Apply the recipe `name` at `scale` to an 8-bit RGB image whose sides are multiples of it.

    Raises `UserError` for an unknown name or an image that is too small or not a multiple.
    """
    if name not in DEGRADATIONS:
        known = ", ".join(DEGRADATIONS)
        raise UserError(f"degradation {name!r} is unknown: choose one of {known}")
    if min(image.size) < scale or any(side % scale for side in image.size):
        raise UserError(f"an image of {image.size} cannot be degraded by scale {scale}: crop first")
    return DEGRADATIONS[name](image, scale)
