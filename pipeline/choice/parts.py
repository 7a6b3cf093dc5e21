"""Parts of photos, each after a draw of one of the degradations that routing tells apart."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.color import luma
from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import run_steps
from kdsharp.imageio.decode import read_rgb
from kdsharp.train.dataset.drawings import draw as draw_one

__all__ = ["DEGRADATIONS", "OFTEN", "Part", "draw_parts"]

_SMOOTH = ["bicubic", "area", "bilinear", "lanczos"]
_SCREEN = ["bicubic", "bilinear", "lanczos"]

OFTEN = {"sharp": 4.0, "native-jpeg-90": 1.5, "camera": 1.5, "native-call": 2.0, "any-call": 0.5}
"""How often a degradation is met, where that is not 1."""

_SIDES = (256, 320, 384, 480)
_LARGEST = 1400  # pixels; larger photos are shrunk by one of `_SHRINKS` as well
_SHRINKS = (1.0, 1.5, 2.0)
_SCALE = 2
_DRAWN, _DRAWING = 0.05, 320  # share of drawings and text among the parts; pixels a side


def _small(kernel: Any, *stored: dict[str, Any], scale: Any = 2) -> list[dict[str, Any]]:
    return [
        {"shrink": {"kernel": kernel, "scale": scale}},
        *stored,
        {"enlarge": {"kernel": "bicubic"}},
    ]


def _jpeg(low: int, high: int) -> dict[str, Any]:
    return {"jpeg": {"quality": [low, high]}}


def _any(low: float, high: float) -> list[dict[str, Any]]:
    return [
        {"shrink": {"kernel": _SMOOTH, "scale": [low, high]}},
        {"enlarge": {"kernel": _SCREEN}},
    ]


DEGRADATIONS: dict[str, Any] = {
    "sharp": [],
    "native-jpeg-90": [_jpeg(86, 97)],
    "native-jpeg-75": [_jpeg(65, 86)],
    "native-jpeg-45": [_jpeg(30, 65)],
    "native-jpeg-20": [_jpeg(12, 30)],
    "native-noise-2": [{"noise": {"sigma": [1, 3]}}],
    "native-noise-6": [{"noise": {"sigma": [3, 9]}}],
    "native-noise-15": [{"noise": {"sigma": [9, 20]}}],
    "native-light": ["sensor-light"],
    "native-webp": ["native-webp"],
    "native-soft": ["native-soft"],
    "native-dim": ["native-dim"],
    "native-call": ["native-call"],
    "bicubic": _small("bicubic"),
    "area": _small("area"),
    "cubic": _small("cubic"),
    "bilinear": _small("bilinear"),
    "lanczos": _small("lanczos"),
    "jpeg-95": _small("bicubic", _jpeg(88, 97)),
    "jpeg-85": _small("bicubic", _jpeg(78, 88)),
    "jpeg-65": _small("bicubic", _jpeg(55, 78)),
    "jpeg-40": _small("bicubic", _jpeg(25, 55)),
    "area-jpeg": _small("area", _jpeg(30, 97)),
    "cubic-jpeg": _small("cubic", _jpeg(30, 97)),
    "webp-fine": _small("bicubic", {"webp": {"quality": [75, 97]}}),
    "webp-coarse": _small("bicubic", {"webp": {"quality": [25, 75]}}),
    "noise-low": _small("bicubic", {"noise": {"sigma": [1, 4]}}),
    "noise-high": _small("bicubic", {"noise": {"sigma": [4, 9]}}),
    "call-high": _small("bicubic", {"video": {"kbps": [600, 1500]}}),
    "call-low": _small("bicubic", {"video": {"kbps": [200, 600]}}),
    "camera": ["soft-camera"],
    "blur-light": [{"blur": {"sigma": [0.45, 0.65]}}],
    "blur-low": [{"blur": {"sigma": [0.65, 0.9]}}],
    "blur-mid": [{"blur": {"sigma": [0.9, 1.4]}}],
    "blur-high": [{"blur": {"sigma": [1.4, 2.2]}}],
    "disc": [{"disc": {"radius": [0.8, 2]}}],
    "motion": [{"motion": {"length": [3, 10]}}],
    "x3": _small("bicubic", scale=3),
    "x4": _small("bicubic", scale=4),
    "any-1": _any(1.1, 1.35),
    "any-2": _any(1.35, 1.75),
    "any-3": _any(1.75, 2.4),
    "any-4": _any(2.4, 4),
    "any-jpeg": [
        {"shrink": {"kernel": ["bicubic", "area"], "scale": [1.2, 3]}},
        _jpeg(50, 97),
        {"enlarge": {"kernel": ["bicubic", "bilinear"]}},
    ],
    "any-call": ["videocall"],
    "phone": ["phone"],
}
"""Recipes by the names of the degradations, in their order."""


@dataclass(frozen=True)
class Part:
    """Luma (H, W), uint8, after the recipe of the degradation `label`, and before it."""

    label: int
    low: npt.NDArray[np.uint8]
    high: npt.NDArray[np.uint8]


def draw_parts(
    photos: Sequence[Path], count: int, seed: int, workers: int, done: Callable[[], None]
) -> list[Part]:
    """`count` parts, the photos taking turns; the same with any number of `workers`.

    Some are drawings and text instead: what has seen photos alone takes letters for damage. JPEGs
    are halved first, because their traces are not truth. `done` is called after each.
    """
    names = list(DEGRADATIONS)
    often = np.array([OFTEN.get(name, 1.0) for name in names])
    # Some of the degradations have a name that is built in already.
    own = {f"degradation {name}": steps for name, steps in DEGRADATIONS.items()}
    recipes = [known_recipe(name, own) for name in own]

    def draw(number: int) -> Part:
        path = photos[number % len(photos)]
        key = hashlib.sha256(f"{seed} {number} {path.name}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(key[:8]))
        label = int(random.choice(len(names), p=often / often.sum()))
        drawn = random.random() < _DRAWN
        high = draw_one(random, _DRAWING) if drawn else _part(path, random)
        low = run_steps(recipes[label].draw(random, _SCALE), high)
        done()
        return Part(label, _levels(low), _levels(high))

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(draw, range(count)))


@cache
def _photo(path: Path, shrink: float) -> Image.Image:
    image = read_rgb(path) if shrink == 1 else _photo(path, 1)
    width, height = (round(side / shrink) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS) if shrink > 1 else image


def _part(path: Path, random: np.random.Generator) -> Image.Image:
    image = _photo(path, 1)
    shrink = 2.0 if path.suffix.lower() in (".jpg", ".jpeg") else 1.0
    if max(image.size) / shrink > _LARGEST:
        shrink *= float(random.choice(_SHRINKS))
    image = _photo(path, shrink)
    side = int(random.choice(_SIDES))
    width, height = (min(side, whole) // _SCALE * _SCALE for whole in image.size)
    left, top = (
        int(random.integers(whole - part + 1)) // _SCALE * _SCALE
        for whole, part in ((image.width, width), (image.height, height))
    )
    return image.crop((left, top, left + width, top + height))


def _levels(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.rint(luma(np.asarray(image))).astype(np.uint8)
