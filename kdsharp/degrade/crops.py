"""Crops of a photo beside the same crops of its degraded version.

A recipe with nothing to draw degrades the photo as a whole, once. Otherwise each crop has its own
values: they are drawn, a window around the crop is degraded, and its inside is taken. So a crop
looks as it would inside a picture, without borders of its own.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.degrade.recipes import Recipe, run_steps

__all__ = ["Pixels", "degraded_crops"]

Pixels = npt.NDArray[np.uint8]
Place = tuple[int, int]

# Pixels on each side of a crop. Kernels and blurs see fewer.
_AROUND = 32
# A codec spreads its bits over a picture, and headers use up those of a small one.
_AROUND_WIDE = 160
# The window begins up to this many steps of the scale further left and up, so that the blocks of
# JPEG and of codecs (8 and 16 small pixels) lie anywhere.
_PHASES = 16


def degraded_crops(
    image: Image.Image,
    places: Sequence[Place],
    size: int,
    recipe: Recipe,
    scale: int,
    seed: Sequence[int],
    shifted: float = 0.0,
) -> tuple[Pixels, Pixels]:
    """The degraded and the untouched squares of side `size` at `places` (top, left), in pixels.

    Both are 8-bit RGB (N, size, size, 3). `image` and `places` lie on multiples of `scale`. What is
    drawn for the n-th place follows from `seed` and n alone. By the share `shifted` the grid of the
    degradation begins at any pixel of a crop, as in a picture that was cut afterwards; not where
    nothing is drawn.
    """
    truth = np.asarray(image)
    high = np.stack([_cut(truth, place, size) for place in places])
    if not recipe.random:
        whole = run_steps(recipe.draw(np.random.default_rng(0), scale), image)
        low = np.asarray(whole)
        return np.stack([_cut(low, place, size) for place in places]), high
    crops = []
    for number, place in enumerate(places):
        random = np.random.default_rng([*seed, number])
        step = 1 if shifted and random.random() < shifted else scale
        crops.append(_degraded(image, place, size, recipe, scale, random, step))
    return np.stack(crops), high


def _degraded(
    image: Image.Image,
    place: Place,
    size: int,
    recipe: Recipe,
    scale: int,
    random: np.random.Generator,
    step: int,
) -> Pixels:
    steps = recipe.draw(random, scale)
    around = _AROUND_WIDE if any(step.wide for step in steps) else _AROUND
    top, left = (
        max(
            start - around // scale * scale - int(random.integers(_PHASES * scale // step)) * step,
            0,
        )
        for start in place
    )
    # The window is whole multiples of the scale as well, for the large and small grids to agree.
    below, right = (
        min(first + -(-(start + size + around - first) // scale) * scale, end)
        for first, start, end in zip((top, left), place, image.size[::-1], strict=True)
    )
    window = run_steps(steps, image.crop((left, top, right, below)))
    return _cut(np.asarray(window), (place[0] - top, place[1] - left), size).copy()


def _cut(pixels: Pixels, place: Place, size: int) -> Pixels:
    top, left = place
    return pixels[top : top + size, left : left + size]
