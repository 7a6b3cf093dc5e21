"""Gains that were measured: parts of photos, made worse by a recipe, and what a model gave back."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kdsharp.color import luma_studio
from kdsharp.degrade import crop_to_multiple, degrade, known_recipe
from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES, read_rgb
from kdsharp.metrics import psnr
from kdsharp.observe.statistics import measure
from kdsharp.progress import Progress
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["FITTED", "UNSEEN", "Row", "gain_of", "measure_gains", "part_of", "photos_in"]

FITTED = (
    *("bicubic", "kernels", "soft", "web", "jpeg", "webp", "phone", "noisy", "defocused"),
    *("shaken", "native-jpeg", "native-noise", "native-soft", "jpeg-fine", "jpeg-coarse", "sharp"),
    *("soft-camera", "light-gaussian", "enlarged-little", "fine-jpeg"),
)
"""The recipes that what predicts the gain is fitted on."""

UNSEEN = ("lens-disc", "enlarged-any", "native-dim", "native-webp", "gaussian", "noise5", "x3")
"""Recipes that it is only tested on; `x3` is `bicubic` by 3."""

_SCALE, _BORDER = 2, 4
_SIDE = 288  # of a part of a photo
_MOST = 6.0  # dB either way: what was sharp has no PSNR that a loss could be counted from


@dataclass(frozen=True)
class Row:
    """A part of a `photo` after `recipe`: its statistics, and the gain that was measured, in dB.

    `model` is None where it was left as it is, and its gain is 0.
    """

    photo: str
    recipe: str
    statistics: dict[str, float]
    model: str | None
    gain: float


def photos_in(folder: Path) -> list[Path]:
    """The photos in `folder` and below, sorted; `UserError` where there is none."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{folder}: has no photos: dvc repro acquire makes data/raw, or name --on")
    return found


def measure_gains(
    photos: Sequence[Path],
    recipes: Sequence[str],
    sharpener: Sharpener,
    each: int,
    seed: int,
    *,
    quiet: bool = False,
) -> list[Row]:
    """`each` of the recipes on a part of every photo, drawn by `seed` and the photo's name.

    The same photos and seed give the same rows. Takes about 0.1 s a row and core.
    """
    with (
        Progress(len(photos), "Measuring", "photos", lines=True, quiet=quiet) as progress,
        ThreadPoolExecutor(cores()) as pool,
    ):

        def one(path: Path) -> list[Row]:
            rows = list(_rows(path, recipes, sharpener, each, seed))
            progress.step()
            return rows

        return [row for rows in pool.map(one, photos) for row in rows]


def _rows(
    path: Path, recipes: Sequence[str], sharpener: Sharpener, each: int, seed: int
) -> Iterator[Row]:
    random = np.random.default_rng([seed, zlib.crc32(path.name.encode())])
    truth = part_of(read_rgb(path), _SIDE, random)
    name = hashlib.sha256(np.asarray(truth).tobytes()).hexdigest()[:12]
    for recipe in random.permutation(list(recipes))[:each]:
        scale = 3 if recipe == "x3" else _SCALE
        found = known_recipe("bicubic" if recipe == "x3" else str(recipe))
        low = degrade(truth, found, scale, int(random.integers(2**31)))
        model, gain = gain_of(sharpener, low, truth)
        yield Row(name, str(recipe), measure(np.asarray(low)), model, gain)


def part_of(photo: Image.Image, side: int, random: np.random.Generator) -> Image.Image:
    """A square of `side` pixels at most, its sides multiples of 6."""
    left, top = (int(random.integers(max(length - side, 0) + 1)) for length in photo.size)
    part = photo.crop((left, top, min(left + side, photo.width), min(top + side, photo.height)))
    return crop_to_multiple(part, 6)


def gain_of(sharpener: Sharpener, low: Image.Image, truth: Image.Image) -> tuple[str | None, float]:
    """The model that `low` got, and what it gained in dB of Y-PSNR, -6 to 6; None and 0: none."""
    pixels = np.asarray(low)
    choice = sharpener.choice(pixels)
    if choice is None:
        return None, 0.0
    out: Any = np.empty_like(pixels)
    sharpener.router.fitted(choice).array(pixels, out)
    inner = (slice(_BORDER, -_BORDER),) * 2
    y_truth, y_low, y_out = (luma_studio(np.asarray(p))[inner] for p in (truth, pixels, out))
    gain = psnr(y_out, y_truth) - psnr(y_low, y_truth)
    return choice.model, round(float(np.clip(gain, -_MOST, _MOST)), 4)
