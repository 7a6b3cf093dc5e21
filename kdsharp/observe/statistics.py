"""A picture in a few numbers: size, light, colour, blur, noise, blocks, grid, and routing's shares.

They are what a drift shows in, and what the gain to expect is computed from. Whatever the size, a
picture costs about the same, because large ones are looked at in windows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma
from kdsharp.routing.classifier import degradation_shares, degradations
from kdsharp.routing.phase import CYCLE, FACTORS, Steps, enlarged_from, squared_steps

__all__ = ["FEATURES", "Statistics", "inputs", "measure"]

Statistics = Mapping[str, float]
"""By name: those of `FEATURES`, and `as NAME` for each share of a degradation, from 0 to 1."""

FEATURES: Mapping[str, str] = {
    "size": "pixels, as a power of 2",
    "light": "mean luma, 0 to 1",
    "dark": "share of pixels with luma below 0.1",
    "contrast": "standard deviation of luma, of 1",
    "colour": "mean distance between the largest and the smallest of R, G and B, of 1",
    "warmth": "mean of R minus B, of 1",
    "detail": "mean squared step from pixel to pixel, of 255 levels, as a power of 2",
    "blur": "squared steps over two pixels by those over one, as a power of 2: 0 noise, 2 smooth",
    "blur4": "the same over four pixels by two",
    "noise": "standard deviation of noise in the flattest windows, of 255 levels",
    "blocks": "steps at the borders of 8 pixels by those between, as a power of 2",
    "grid": "steps of even by those of odd pixels, as a power of 2: enlarged by 2 or 4",
    "enlarged": "the factor that the grid shows: 1 where it shows none",
}
"""What is measured, and in which unit."""

_WINDOW, _ACROSS = 96, 4
_SAMPLE = 65_536  # pixels that light and colour are taken from
_DARK = 0.1
_LEAST = 1e-6  # what is flat has no logarithm
_FLAT = 25  # per cent of the windows that noise is measured in
_BLOCK = 8
# Immerkaer, Fast noise variance estimation (1996): blind to planes and slopes.
_MASK_NORM = 6.0


def measure(picture: npt.NDArray[Any]) -> dict[str, float]:
    """Of `picture`, RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; rounded for a record."""
    peak = float(np.iinfo(picture.dtype).max)
    steps = squared_steps(picture)
    found = {"size": np.log2(picture.shape[0] * picture.shape[1])}
    found |= _light(picture, peak) | _texture(picture, peak) | _grid(steps)
    shares = degradation_shares(picture)
    found |= {f"as {name}": share for name, share in zip(degradations(), shares, strict=True)}
    return {name: round(float(value), 4) for name, value in found.items()}


def inputs(statistics: Statistics) -> npt.NDArray[np.float64]:
    """(inputs,): what the gain is computed from: all but the size, which changes nothing of it."""
    names = [name for name in FEATURES if name != "size"]
    names += [f"as {name}" for name in degradations()]
    return np.array([statistics.get(name, 0.0) for name in names])


def _light(picture: npt.NDArray[Any], peak: float) -> dict[str, float]:
    step = max(1, int(np.sqrt(picture.shape[0] * picture.shape[1] / _SAMPLE)))
    some = picture[::step, ::step]
    levels = (luma(some) if some.ndim == 3 else some.astype(np.float32)) / np.float32(peak)
    colour = warmth = 0.0
    if some.ndim == 3:
        rgb = some.astype(np.float32) / np.float32(peak)
        colour = float((rgb.max(axis=2) - rgb.min(axis=2)).mean())
        warmth = float((rgb[..., 0] - rgb[..., 2]).mean())
    return {
        "light": float(levels.mean()),
        "dark": float((levels < _DARK).mean()),
        "contrast": float(levels.std()),
        "colour": colour,
        "warmth": warmth,
    }


def _texture(picture: npt.NDArray[Any], peak: float) -> dict[str, float]:
    """How quickly levels change over one, two and four pixels, and the noise of flat places."""
    height, width = picture.shape[:2]
    tops, lefts = (
        np.unique(np.linspace(0, max(side - _WINDOW, 0), _ACROSS).astype(int))
        for side in (height, width)
    )
    energy, noise = np.zeros(3), []
    for top in tops:
        for left in lefts:
            part = picture[top : top + _WINDOW, left : left + _WINDOW]
            levels = luma(part) if part.ndim == 3 else part.astype(np.float32)
            levels = levels * np.float32(255 / peak)
            energy += [_step_energy(levels, distance) for distance in (1, 2, 4)]
            noise.append(_noise(levels))
    one, two, four = np.maximum(energy / len(noise), _LEAST)
    return {
        "detail": np.log2(one),
        "blur": np.log2(two / one),
        "blur4": np.log2(four / two),
        "noise": np.percentile(noise, _FLAT),
    }


def _step_energy(levels: npt.NDArray[np.float32], distance: int) -> float:
    """Mean squared difference of pixels that are `distance` apart, over rows and columns."""
    if min(levels.shape) <= distance:
        return 0.0
    down = levels[distance:] - levels[:-distance]
    along = levels[:, distance:] - levels[:, :-distance]
    return float((np.square(down).mean() + np.square(along).mean()) / 2)


def _noise(levels: npt.NDArray[np.float32]) -> float:
    if min(levels.shape) < 3:
        return 0.0
    rows = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    second = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.sqrt(np.pi / 2) * np.abs(second).mean() / _MASK_NORM)


def _grid(steps: Steps) -> dict[str, float]:
    if not steps.any():
        return {"blocks": 0.0, "grid": 0.0, "enlarged": 1.0}
    factor = next((one for one in FACTORS if enlarged_from(steps, one) is not None), 1)
    each = np.maximum(steps, _LEAST)
    parity = np.log2(each[:, ::2].sum(axis=1) / each[:, 1::2].sum(axis=1))
    return {
        "blocks": float(_blocks(each)),
        # Only where rows and columns agree: a pattern in one direction is content.
        "grid": float(np.abs(parity).min()),
        "enlarged": float(factor),
    }


def _blocks(steps: Steps) -> float:
    """The clearest of eight places, beside those of the same parity: a grid of 2 is no block."""
    by_place = steps.reshape(2, CYCLE // _BLOCK, _BLOCK).mean(axis=1)
    others = [np.roll(by_place, -distance, axis=1) for distance in (2, 4, 6)]
    return float(np.log2(by_place / np.mean(others, axis=0)).min(axis=0).max())
