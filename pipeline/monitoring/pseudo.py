"""Pseudo-truth: production's own pictures, shrunk until sharp, made low again, and measured.

What it measures is real PSNR on production's content; that it was lost as routing says is assumed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.degrade import crop_to_multiple, degrade, known_recipe
from kdsharp.errors import KdsharpError
from kdsharp.imageio.decode import read_rgb
from kdsharp.routing.classifier import degradation_shares, degradations
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.measured import gain_of, part_of

__all__ = ["RECIPES", "Measured", "Pair", "measure_pseudo", "pair_of", "sharp_part"]

RECIPES = {
    "sharp": ("sharp", 2), "native-jpeg-90": ("native-jpeg", 2),
    "native-jpeg-75": ("native-jpeg", 2), "native-jpeg-45": ("native-jpeg", 2),
    "native-jpeg-20": ("native-jpeg", 2), "native-noise-2": ("native-noise", 2),
    "native-noise-6": ("native-noise", 2), "native-noise-15": ("native-noise", 2),
    "native-light": ("native-noise", 2), "native-webp": ("native-webp", 2),
    "native-soft": ("native-soft", 2), "native-dim": ("native-dim", 2),
    "native-call": ("native-call", 2),
    "bicubic": ("bicubic", 2), "area": ("area", 2), "cubic": ("cubic", 2),
    "bilinear": ("bilinear", 2), "lanczos": ("lanczos", 2), "jpeg-95": ("jpeg-fine", 2),
    "jpeg-85": ("jpeg-fine", 2), "jpeg-65": ("jpeg-coarse", 2), "jpeg-40": ("jpeg-coarse", 2),
    "area-jpeg": ("jpeg", 2), "cubic-jpeg": ("jpeg", 2), "webp-fine": ("webp-fine", 2),
    "webp-coarse": ("webp-coarse", 2), "noise-low": ("noisy", 2), "noise-high": ("noisy", 2),
    "call-high": ("streamed", 2), "call-low": ("streamed", 2), "camera": ("soft-camera", 2),
    "blur-light": ("light-gaussian", 2), "blur-low": ("defocused", 2),
    "blur-mid": ("defocused", 2), "blur-high": ("defocused", 2), "disc": ("medium-disc", 2),
    "motion": ("shaken", 2), "x3": ("bicubic", 3), "x4": ("bicubic", 4), "any-1": ("kernels", 1.2),
    "any-2": ("kernels", 1.5), "any-3": ("kernels", 2), "any-4": ("kernels", 3),
    "any-jpeg": ("web", 2), "any-call": ("videocall", 2), "phone": ("phone", 2),
}  # fmt: skip
"""For each degradation that routing tells apart, the recipe and the scale that do it again."""

_SHARP = ("sharp", "native-jpeg-90", "native-noise-2")
_SURE = 0.5  # share of these from which a picture counts as sharp
_SMALLEST, _SIDE = 96, 480  # pixels of the truth, a side
_TIMES = 3  # that a picture is halved at most
_BOX = Image.Resampling.BOX


@dataclass(frozen=True)
class Measured:
    """Of one picture: what it counts as having lost, and the gain after losing it, in dB."""

    picture: str
    degradation: str
    gain: float


@dataclass(frozen=True)
class Pair:
    """Both have one size, multiples of 12; `degradation` is what routing calls the picture."""

    degradation: str
    truth: Image.Image
    low: Image.Image


def measure_pseudo(
    folder: Path,
    pictures: Sequence[str],
    sharpener: Sharpener,
    step: Callable[[], object] = lambda: None,
    seed: int = 0,
) -> list[Measured]:
    """The `pictures` of `folder` that can be made sharp by shrinking; others are left out.

    `step` is called before each.
    """
    found = []
    for number, name in enumerate(pictures):
        step()
        if pair := pair_of(folder / name, seed, number):
            _, gain = gain_of(sharpener, pair.low, pair.truth)
            found.append(Measured(name, pair.degradation, gain))
    return found


def pair_of(picture: Path, seed: int, number: int) -> Pair | None:
    """A truth made from `picture`, and the same made low again; None where that cannot be done."""
    try:
        photo = read_rgb(picture)
        lost = degradations()[int(np.argmax(degradation_shares(np.asarray(photo))))]
        truth = sharp_part(photo, np.random.default_rng([seed, number]))
        if truth is None:
            return None
        recipe, scale = RECIPES[lost]
        return Pair(lost, truth, degrade(truth, known_recipe(recipe), scale, seed + number))
    except KdsharpError:  # not a picture any more, or a recipe whose extra is missing
        return None


def sharp_part(photo: Image.Image, random: np.random.Generator) -> Image.Image | None:
    """A part of `photo` after halving it until routing calls it sharp; None if it never does.

    It is halved once at least, as a truth has to be without the file's own compression.
    """
    for _ in range(_TIMES):
        photo = photo.resize((max(photo.width // 2, 1), max(photo.height // 2, 1)), _BOX)
        if min(photo.size) < _SMALLEST:
            return None
        shares = dict(zip(degradations(), degradation_shares(np.asarray(photo)), strict=True))
        if sum(shares[name] for name in _SHARP) >= _SURE:
            return crop_to_multiple(part_of(photo, _SIDE, random), 12)
    return None
