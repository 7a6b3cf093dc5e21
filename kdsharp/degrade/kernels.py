"""Resampling and blurring of 8-bit RGB pictures."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["KERNELS", "disc_blur", "gaussian_blur", "motion_blur", "resize"]

_PILLOW = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}

KERNELS = (*_PILLOW, "cubic")
"""Pillow's four, which widen when they shrink (anti-alias), and `cubic`, which does not."""

# OpenCV's free parameter of Keys' cubic convolution; Pillow and MATLAB take -0.5.
_A = -0.75
_SIGMAS = 4  # where the Gaussian is cut off, as in SciPy

Floats = npt.NDArray[np.float32]
Tap = tuple[int, int, float]
"""Down, right, weight."""


def resize(image: Image.Image, size: tuple[int, int], kernel: str) -> Image.Image:
    """`image` at `size` (width, height), with one of `KERNELS`.

    `cubic` is what OpenCV calls INTER_CUBIC: four neighbours of each place, however much the
    picture shrinks, so that fine detail aliases.
    """
    if size == image.size:
        return image
    if kernel == "cubic":
        pixels = np.asarray(image, np.float32)
        return _picture(_cubic(_cubic(pixels, size[1], 0), size[0], 1))
    if kernel == "area" and (factors := _whole(image.size, size)):
        return image.reduce(factors)  # rounds once; the two passes of `resize` round twice
    return image.resize(size, _PILLOW[kernel])


def gaussian_blur(image: Image.Image, sigma: float) -> Image.Image:
    """A Gaussian of `sigma` pixels; beyond the border the last pixel goes on."""
    radius = math.ceil(_SIGMAS * sigma)
    offsets = range(-radius, radius + 1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    pixels = np.asarray(image, np.float32)
    pixels = _weighted(pixels, ((o, 0, float(w)) for o, w in zip(offsets, weights, strict=True)))
    pixels = _weighted(pixels, ((0, o, float(w)) for o, w in zip(offsets, weights, strict=True)))
    return _picture(pixels)


def disc_blur(image: Image.Image, radius: float) -> Image.Image:
    """The mean over a disc of `radius` pixels: a lens out of focus. Its rim is anti-aliased."""
    reach = math.ceil(radius + 0.5)
    places = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    weights = [min(max(radius + 0.5 - math.hypot(y, x), 0.0), 1.0) for y, x in places]
    total = sum(weights)
    taps = [(y, x, w / total) for (y, x), w in zip(places, weights, strict=True) if w]
    return _picture(_weighted(np.asarray(image, np.float32), taps))


def motion_blur(image: Image.Image, length: float, angle: float) -> Image.Image:
    """The mean along a line of `length` pixels; `angle` in degrees, 0 is level, 90 upright."""
    return _picture(_weighted(np.asarray(image, np.float32), _line(length, angle)))


def _whole(large: tuple[int, int], small: tuple[int, int]) -> tuple[int, int] | None:
    """How many pixels become one on each side, if that is a whole number."""
    if any(one % other for one, other in zip(large, small, strict=True)):
        return None
    return large[0] // small[0], large[1] // small[1]


def _cubic(pixels: Floats, count: int, axis: int) -> Floats:
    """`pixels` with `count` places along `axis`, each of its four neighbours."""
    last = pixels.shape[axis] - 1
    places = (np.arange(count) + 0.5) * (last + 1) / count - 0.5
    first = np.floor(places).astype(np.int64)
    shape = [1, 1, 1]
    shape[axis] = count
    total = np.float32(0)
    for tap in (-1, 0, 1, 2):
        weights = _keys(np.abs(places - first - tap)).astype(np.float32).reshape(shape)
        total = total + np.take(pixels, np.clip(first + tap, 0, last), axis) * weights
    return np.asarray(total)


def _keys(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cubic convolution (Keys, IEEE TASSP 1981) at a `distance` of 0 to 2."""
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = _A * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)


def _line(length: float, angle: float) -> list[Tap]:
    """Points one pixel apart or less; each gives to the four pixels around it."""
    taps: dict[tuple[int, int], float] = {}
    count = max(math.ceil(length), 1)
    radians = math.radians(angle)
    for place in np.linspace(-(length - 1) / 2, (length - 1) / 2, count):
        # Rounded, so that sin(180 degrees) is 0 and no pixel gets a weight of 1e-17.
        down = round(-place * math.sin(radians), 6)
        right = round(place * math.cos(radians), 6)
        y, x = math.floor(down), math.floor(right)
        for dy, row in ((0, 1 - (down - y)), (1, down - y)):
            for dx, column in ((0, 1 - (right - x)), (1, right - x)):
                if row * column:
                    key = (y + dy, x + dx)
                    taps[key] = taps.get(key, 0.0) + row * column / count
    return [(y, x, weight) for (y, x), weight in taps.items()]


def _weighted(pixels: Floats, taps: Iterable[Tap]) -> Floats:
    """The weighted sum of shifted copies; beyond the border the last pixel goes on."""
    taps = list(taps)
    rim = max(max(abs(y), abs(x)) for y, x, _ in taps)
    padded = np.pad(pixels, ((rim, rim), (rim, rim), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    total, term = np.zeros_like(pixels), np.empty_like(pixels)
    for y, x, weight in taps:
        window = padded[rim + y : rim + y + height, rim + x : rim + x + width]
        total += np.multiply(window, np.float32(weight), out=term)
    return total


def _picture(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
