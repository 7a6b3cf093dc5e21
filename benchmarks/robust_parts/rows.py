"""One photo after one degradation, at full size and, where it was shrunk, small as well."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.front_parts.method import Sample
from kdsharp.degrade import crop_to_multiple, known_recipe
from kdsharp.degrade.builtin import ROWS
from kdsharp.degrade.recipes import Drawn
from kdsharp.degrade.steps import ENLARGE, KINDS
from kdsharp.images import read_rgb

__all__ = ["ROW_NAMES", "SHARP", "degraded", "read_truth"]

SHARP = "sharp"
"""The row to which nothing is done."""

ROW_NAMES = tuple(ROWS)
"""The rows of the table, in its order."""


def read_truth(path: Path, scale: int, side: int | None = None) -> Image.Image:
    """The photo at `path`, cropped to a multiple of `scale`.

    One whose longer side is over `side` pixels, if that is given, is shrunk to it first: the files
    of cameras are compressed and soft at their full size, and so no truth.
    """
    image = read_rgb(path)
    if side and (longer := max(image.size)) > side:
        size = [max(round(pixels * side / longer), 1) for pixels in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    return crop_to_multiple(image, scale)


def degraded(truth: Image.Image, row: str, scale: int, key: str) -> tuple[Sample, bool]:
    """The photo after the recipe `row`, and whether `small` is `low` before it was enlarged.

    `low` is what `kdsharp.degrade.degrade` gives. What a recipe draws follows from `key`, the
    photo's name. Where `truth` was not shrunk by exactly `scale`, `small` is of no use to networks
    that enlarge.
    """
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    steps = known_recipe(row).draw(np.random.default_rng(seed), scale)
    kinds = [step.kind for step in steps]
    cut = kinds.index(ENLARGE) if ENLARGE in kinds else len(steps)
    small = truth
    for step in steps[:cut]:
        small = KINDS[step.kind].run(small, **step.values)
    low = small
    for step in [*steps[cut:], Drawn(ENLARGE, {"kernel": "bicubic"})]:
        extra = {"size": truth.size} if step.kind == ENLARGE else {}
        low = KINDS[step.kind].run(low, **extra, **step.values)
    shrunk = (small.width * scale, small.height * scale) == truth.size and cut >= len(steps) - 1
    return Sample(key, *map(np.asarray, (truth, low, small))), shrunk
