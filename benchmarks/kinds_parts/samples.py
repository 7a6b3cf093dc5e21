"""Parts of photos, each after a draw of one of the kinds."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.kinds_parts.recipes import KINDS, OFTEN
from kdsharp.color import luma
from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import run_steps
from kdsharp.images import read_rgb

__all__ = ["Part", "draw_parts"]

_SIDES = (256, 320, 384, 480)
_LARGEST = 1400  # pixels; larger photos are shrunk by one of `_SHRINKS` as well
_SHRINKS = (1.0, 1.5, 2.0)
_SCALE = 2


@dataclass(frozen=True)
class Part:
    """Luma (H, W), uint8, after the recipe of the kind `label`, and before it."""

    label: int
    low: npt.NDArray[np.uint8]
    high: npt.NDArray[np.uint8]


def draw_parts(
    photos: Sequence[Path], count: int, seed: int, workers: int, done: Callable[[], None]
) -> list[Part]:
    """`count` parts, the photos taking turns; the same with any number of `workers`.

    JPEGs are halved first, because their traces are no truth. `done` is called after each.
    """
    names = list(KINDS)
    often = np.array([OFTEN.get(name, 1.0) for name in names])
    # Some of the kinds have a name that is built in already.
    own = {f"kind {name}": steps for name, steps in KINDS.items()}
    recipes = [known_recipe(name, own) for name in own]

    def draw(number: int) -> Part:
        path = photos[number % len(photos)]
        key = hashlib.sha256(f"{seed} {number} {path.name}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(key[:8]))
        label = int(random.choice(len(names), p=often / often.sum()))
        high = _part(path, random)
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
