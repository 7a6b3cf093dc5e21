"""How blurred a picture is, told from its spectrum: as by which scale of bicubic enlarging.

A picture that was enlarged by s holds nothing finer than s pixels, so its power falls off beyond
1 / (2 s) cycles per pixel. How steeply power falls before that differs between photos; the four
scales therefore are told apart by the shape of the whole curve, with Fisher's linear discriminant
(R. A. Fisher, 1936). `benchmarks/blur.py` fits the numbers below and counts how often they err.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma

__all__ = ["BANDS", "FLOOR", "SCALES", "band_powers", "measured_scale"]

SCALES = (1, 2, 3, 4)
"""What `measured_scale` can answer; 1 is sharp already."""

BANDS = np.linspace(1 / 32, 1 / 2, 9)
"""Edges of the frequency bands, in cycles per pixel."""

FLOOR = 0.5
"""Added to each band's power, in squared levels of 255: below lies the noise of rounding."""

# One row for each of `SCALES`: its weight for each band beyond the first, then its offset.
_WEIGHTS = np.array(
    [
        [-3.45, -6.35, 0.04, 4.09, -3.18, -6.37, -5.95, -12.81],
        [2.59, -8.39, -4.94, 4.97, -6.35, -14.98, -5.98, -42.54],
        [6.02, -19.77, 2.15, -10.71, -12.49, -9.67, 0.68, -63.69],
        [3.29, -20.57, -21.34, 0.16, -6.75, -6.98, -0.95, -75.63],
    ]
)

_SIDE, _LEAST = 256, 32  # of the windows that are looked at, in pixels
_GRID, _KEEP = 6, 12  # windows across and down, and how many of them count


def measured_scale(picture: npt.NDArray[Any]) -> int:
    """Which of `SCALES` made `picture`, RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`.

    1 means that it is as sharp as its pixels allow, or that nothing can be told: it is smaller than
    32 pixels, or flat. Noise and fine grain count as detail. Looks at 36 windows at most, so that a
    large picture costs no more than a small one.
    """
    if min(picture.shape[:2]) < _LEAST:
        return 1
    power = np.log10(band_powers(picture) + FLOOR)
    features = np.append(power[1:] - power[0], 1)
    return SCALES[int(np.argmax(_WEIGHTS @ features))]


def band_powers(picture: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean power of the luma in each band, across and down, where the picture is most detailed.

    In squared levels of 255, white noise of variance 1 gives 1 in every band.
    """
    windows_NHW = _detailed(picture)
    side = windows_NHW.shape[1]
    windows_NHW -= windows_NHW.mean(axis=(1, 2), keepdims=True)
    taper = np.hanning(side).astype(np.float32)
    across = np.abs(np.fft.rfft(windows_NHW * taper, axis=2)) ** 2
    down = np.abs(np.fft.rfft(windows_NHW * taper[:, None], axis=1)) ** 2
    power = (across.mean(axis=(0, 1)) + down.mean(axis=(0, 2))) / (2 * np.square(taper).sum())
    frequency = np.fft.rfftfreq(side)
    inside = [(frequency >= a) & (frequency <= z) for a, z in pairwise(BANDS)]
    return np.array([power[band].mean() for band in inside])


def _detailed(picture: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The windows with the largest steps between neighbours: blur shows there, not in the sky."""
    height, width = picture.shape[:2]
    side = min(_SIDE, height, width)
    tops = np.unique(np.linspace(0, height - side, _GRID).astype(int))
    lefts = np.unique(np.linspace(0, width - side, _GRID).astype(int))
    windows = [
        _luma(picture[top : top + side, left : left + side]) for top in tops for left in lefts
    ]
    steps = [np.abs(np.diff(w, axis=0)).mean() + np.abs(np.diff(w, axis=1)).mean() for w in windows]
    best = np.argsort(steps)[::-1][:_KEEP]
    return np.stack([windows[index] for index in best])


def _luma(window: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """In levels of 255."""
    plane = luma(window) if window.ndim == 3 else window.astype(np.float32)
    return plane / np.float32(np.iinfo(window.dtype).max / 255)
