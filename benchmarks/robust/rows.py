"""One photo after one degradation, at full size and, where it was shrunk, small as well."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.method import Sample
from kdsharp.degrade import crop_to_multiple, known_recipe
from kdsharp.degrade.builtin import ROWS
from kdsharp.degrade.recipes import Drawn, Recipe
from kdsharp.degrade.steps import ENLARGE, STEP_TYPES
from kdsharp.imageio.decode import read_rgb

__all__ = ["ROW_NAMES", "SHARP", "SHIFTED", "degraded", "read_truth", "recipe_of"]

SHARP = "sharp"
"""The row to which nothing is done."""

SHIFTED: Mapping[str, tuple[str, int, int]] = {
    "cropped-01": ("pil-bicubic", 0, 1),
    "cropped-10": ("pil-bicubic", 1, 0),
    "cropped-11": ("pil-bicubic", 1, 1),
    "cropped-jpeg90": ("jpeg90", 1, 1),
    "cropped-jpeg60": ("jpeg60", 1, 1),
}
"""Rows that are another one, with so many rows and columns of the enlarged picture cut away."""

ROW_NAMES = (*(row for row in ROWS if row != SHARP), *SHIFTED, SHARP)
"""The rows of the table, in its order."""


def read_truth(path: Path, scale: int, side: int | None = None) -> Image.Image:
    """The photo at `path`, cropped to a multiple of `scale`.

    One whose longer side is over `side` pixels, if that is given, is shrunk to it first: the files
    of cameras are compressed and soft at their full size, and so not a truth.
    """
    image = read_rgb(path)
    if side and (longer := max(image.size)) > side:
        size = [max(round(pixels * side / longer), 1) for pixels in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    return crop_to_multiple(image, scale)


def recipe_of(row: str) -> Recipe:
    """The recipe of `row`, which may be any that is known. Raises `UserError` for others."""
    return known_recipe(SHIFTED[row][0] if row in SHIFTED else row)


def degraded(truth: Image.Image, row: str, scale: int, key: str) -> tuple[Sample, bool]:
    """The photo after the recipe `row`, and whether `small` is `low` before it was enlarged.

    `low` is what `kdsharp.degrade.degrade` gives. What a recipe draws follows from `key`, the
    photo's name. Where `truth` was not shrunk by exactly `scale`, or was cropped afterwards,
    `small` is of no use to networks that enlarge.
    """
    if row in SHIFTED:
        name, *corner = SHIFTED[row]
        inner = tuple(slice(at, None) for at in corner)
        whole, _ = degraded(truth, name, scale, key)
        return dataclasses.replace(whole, truth=whole.truth[inner], low=whole.low[inner]), False
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    steps = recipe_of(row).draw(np.random.default_rng(seed), scale)
    names = [step.name for step in steps]
    cut = names.index(ENLARGE) if ENLARGE in names else len(steps)
    small = truth
    for step in steps[:cut]:
        small = STEP_TYPES[step.name].run(small, **step.values)
    low = small
    for step in [*steps[cut:], Drawn(ENLARGE, {"kernel": "bicubic"})]:
        extra = {"size": truth.size} if step.name == ENLARGE else {}
        low = STEP_TYPES[step.name].run(low, **extra, **step.values)
    shrunk = (small.width * scale, small.height * scale) == truth.size and cut >= len(steps) - 1
    return Sample(key, *map(np.asarray, (truth, low, small))), shrunk
