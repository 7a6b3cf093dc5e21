"""Kinds of pictures that people have, each drawn anew by a seed and the photo's name."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common.method import Pixels
from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import run_steps
from kdsharp.imageio.decode import read_rgb
from kdsharp.train.dataset.drawings import draw

__all__ = ["ENLARGED", "ROWS", "SCREEN", "SHARP", "degraded"]

_Steps = list[dict[str, Any]]
_MULTIPLE, _LARGEST = 12, 512
_MOVED = 4  # rows and columns less than so many are cropped from what was enlarged

SHARP, SCREEN, ENLARGED = "sharp", "screenshot", "x"
"""The row to which nothing is done; how rows of drawings and text begin, and enlarged ones."""


def _blur(low: float, high: float, *then: dict[str, Any]) -> _Steps:
    return [{"blur": {"sigma": [low, high]}}, *then]


def _noise(low: float, high: float) -> dict[str, Any]:
    return {"noise": {"sigma": [low, high]}}


def _jpeg(low: int, high: int) -> dict[str, Any]:
    return {"jpeg": {"quality": [low, high], "chroma": "4:2:0"}}


def _call(kbps: int) -> _Steps:
    return [{"video": {"codec": "h264", "kbps": kbps}}]


def _enlarged(scale: float, *stored: dict[str, Any]) -> _Steps:
    ends = {"kernel": "bicubic"}
    return [{"shrink": {**ends, "scale": scale}}, *stored, {"enlarge": ends}]


ROWS: Mapping[str, _Steps] = {
    SHARP: [],
    "Gaussian 0.5-0.7": _blur(0.5, 0.7),
    "Gaussian 0.9-1.1": _blur(0.9, 1.1),
    "Gaussian 1.5-1.7": _blur(1.5, 1.7),
    "disc 1-2": [{"disc": {"radius": [1, 2]}}],
    "moved 2-4": [{"motion": {"length": [2, 4]}}],
    "Gaussian 0.9-1.1, JPEG 90-94": _blur(0.9, 1.1, _jpeg(90, 94)),
    "Gaussian 1.5-1.7, JPEG 82-88": _blur(1.5, 1.7, _jpeg(82, 88)),
    "Gaussian 0.6-1, noise 2-4": _blur(0.6, 1, _noise(2, 4)),
    "scan: Gaussian 0.8-1.2, noise 2-4, JPEG 70-85": _blur(0.8, 1.2, _noise(2, 4), _jpeg(70, 85)),
    "camera: Gaussian 0.6-0.8, noise 1-2, JPEG 88-94": _blur(0.6, 0.8, _noise(1, 2), _jpeg(88, 94)),
    "noise 4-6": [_noise(4, 6)],
    "noise 14-16": [_noise(14, 16)],
    "JPEG 18-22": [_jpeg(18, 22)],
    "JPEG 38-42": [_jpeg(38, 42)],
    "JPEG 72-78": [_jpeg(72, 78)],
    "JPEG 60-80, twice": [_jpeg(60, 80), _jpeg(60, 80)],
    "WebP 50-80": [{"webp": {"quality": [50, 80]}}],
    "call, 300 kbit/s": _call(300),
    "call, 600 kbit/s": _call(600),
    "call, 1 Mbit/s": _call(1000),
    "x1.25": _enlarged(1.25),
    "x1.5": _enlarged(1.5),
    "x1.75": _enlarged(1.75),
    "x2": _enlarged(2),
    "x2, JPEG 88-92 before": _enlarged(2, _jpeg(88, 92)),
    "x2, JPEG 58-62 before": _enlarged(2, _jpeg(58, 62)),
    "x2.5": _enlarged(2.5),
    "x3": _enlarged(3),
    "x4": _enlarged(4),
    f"{SCREEN}, sharp": [],
    f"{SCREEN}, Gaussian 0.7-0.9": _blur(0.7, 0.9),
}
"""Recipes by what the table calls them. Calls are at full size, with the bits of 640x360."""


def degraded(path: Path, row: str, seed: int) -> tuple[Pixels, Pixels]:
    """The photo after `row`, and before it: its middle, 512 pixels a side at most.

    In its place is a drawing in the rows that begin with `SCREEN`. What was enlarged begins at any
    row and column.
    """
    key = hashlib.sha256(f"{seed} {row} {path.stem}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8]))
    image = draw(random, 240) if row.startswith(SCREEN) else _middle(read_rgb(path))
    recipe = known_recipe(row, {row: ROWS[row]}) if ROWS[row] else known_recipe("sharp")
    low = run_steps(recipe.draw(random, 2), image)
    y, x = random.integers(_MOVED, size=2) if row[0] == ENLARGED else (0, 0)
    return np.asarray(low)[y:, x:], np.asarray(image)[y:, x:]


def _middle(image: Image.Image) -> Image.Image:
    width, height = (min(side, _LARGEST) // _MULTIPLE * _MULTIPLE for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
