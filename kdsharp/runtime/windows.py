"""Of a picture the windows that tell most, and the shares of a mixture that follow from them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma

__all__ = ["COUNT", "DETAILED", "SIDE", "Shares", "looked_at", "rounded", "windows"]

SIDE = 64
"""Of a window, in pixels."""

DETAILED = 3 / 4
"""Of the windows that are looked at are the most detailed, and the rest the flattest."""

COUNT = 24
"""Windows of a picture that its mixture follows from."""

Shares = tuple[float, ...]
"""Of each set of kernels in a mixture; they sum up to 1, but for rounding."""

_ACROSS = 8
_DIGITS = 2  # of a share: more tell nobody apart, and alike pictures share what is compiled
_EVEN = 2  # windows begin on the grid of the enlarging


def windows(picture: npt.NDArray[Any], across: int, count: int) -> npt.NDArray[np.float32]:
    """(`count`, `SIDE`, `SIDE`), levels of 255: of a grid of windows those that tell most.

    `across` by `across` of them lie evenly over the luma of `picture`, a smaller one being
    mirrored. The most detailed come first, then the flattest; of a small picture some come twice.
    """
    height, width = picture.shape[:2]
    tops, lefts = (
        np.unique(np.linspace(0, max(side - SIDE, 0), across).astype(int) // _EVEN * _EVEN)
        for side in (height, width)
    )
    cut = [_levels(picture[y : y + SIDE, x : x + SIDE]) for y in tops for x in lefts]
    found = np.stack([_whole(window) for window in cut])
    steps = [np.abs(np.diff(found, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    order = np.argsort(np.sum(steps, axis=0), kind="stable")
    most = round(count * DETAILED)
    return found[
        [*np.resize(order[::-1][:most], most), *np.resize(order[: count - most], count - most)]
    ]


def looked_at(picture: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(`COUNT`, 1, 64, 64) in [0, 1]: the windows of a picture that its mixture follows from."""
    found = windows(picture, _ACROSS, COUNT)[:, None]
    return found if picture.dtype == np.float32 else found / np.float32(255)


def rounded(shares: npt.NDArray[Any]) -> Shares:
    """Shares as they are told apart."""
    return tuple(round(float(share), _DIGITS) for share in shares)


def _levels(window: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    plane = luma(window) if window.ndim == 3 else window.astype(np.float32)
    if window.dtype == np.float32:
        return plane
    return plane / np.float32(np.iinfo(window.dtype).max / 255)


def _whole(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    missing = [(0, SIDE - side) for side in window.shape]
    return np.pad(window, missing, mode="symmetric") if any(map(any, missing)) else window
