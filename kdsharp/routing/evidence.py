"""What a picture's pixels rule out, whatever a network makes of it: noise leaves no place alone.

Fur and leaves look like noise to the network, and crisp letters like the traces of JPEG. But noise
is everywhere, also where nothing else is; and what was drawn and never stored with losses has no
small differences between neighbours.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_NOISE", "is_drawn", "noise_floor"]

LEAST_NOISE = {
    "native-noise-15": 4.5,
    "native-noise-6": 1.5,
    "native-light": 1.5,
    "native-noise-2": 1.5,
}
"""Levels of noise that a picture has to show in its calmest places, by degradation."""

_BLOCK, _CALMEST = 16, 0.02  # pixels a side; quantile of the blocks
_DARK, _BRIGHT = 16.0, 239.0  # beyond these noise is clipped, and so not seen
_EVEN, _SMALL, _FEW = 0.4, 4.0, 0.12  # share of even neighbours; levels; share of small steps


def noise_floor(windows_NHW: npt.NDArray[np.float32]) -> float:
    """The noise in the calmest blocks of the windows, in levels of 255: what all others have, too.

    After Immerkaer, "Fast noise variance estimation" (1996). Infinite if all is black or white.
    """
    second = windows_NHW[:, :-2] - 2 * windows_NHW[:, 1:-1] + windows_NHW[:, 2:]
    mixed = np.abs(second[..., :-2] - 2 * second[..., 1:-1] + second[..., 2:])
    found = _means(mixed) * np.sqrt(np.pi / 2) / 6
    light = _means(windows_NHW[:, 1:-1, 1:-1])
    seen = found[(light > _DARK) & (light < _BRIGHT)]
    return float(np.quantile(seen, _CALMEST)) if seen.size else float("inf")


def is_drawn(windows_NHW: npt.NDArray[np.float32]) -> bool:
    """Whether neighbours are the same or clearly apart, as in drawings, text and screenshots."""
    steps = np.abs(np.diff(np.rint(windows_NHW), axis=2))
    uneven = steps > 0
    small = uneven & (steps < _SMALL)
    return bool(np.mean(~uneven) > _EVEN and small.sum() < _FEW * max(int(uneven.sum()), 1))


def _means(planes_NHW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    count, height, width = planes_NHW.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    cut = planes_NHW[:, : rows * _BLOCK, : columns * _BLOCK]
    blocks = cut.reshape(count, rows, _BLOCK, columns, _BLOCK)
    return np.asarray(blocks.mean(axis=(2, 4)), np.float32)
