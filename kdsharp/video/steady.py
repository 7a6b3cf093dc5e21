"""Where the picture stands still, what the network makes of it stands still as well.

A codec renews what does not move now and then, and a camera's noise is never the same: a network
that sharpens makes such changes larger, which is seen as flicker. So a still part goes only some of
the way from the frame before to the new one. What is still is seen in the input: the small copies
of the last frames agree, also with those a quarter of a second ago, which a slow pan does not.
"""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.video.frames import Plane
from kdsharp.video.scenes import CELL, SUM, Small

__all__ = ["Steady"]

_SHARE = 48  # of 128 parts of the way that a still part goes
_WHOLE = 128  # 255 * 128 fits into 16 bits
_LEAST, _MOST = 4 * SUM, 16 * SUM  # changes of a cell below which it is still, at a minimum
_CONTRAST = 4  # or this part of what it differs from its neighbours: a codec's errors grow with it
_LAGS = (1, 4, 8)  # frames ago with which a frame is compared
_BLOCK = 2 * CELL  # pixels a side that share one weight

Weights = npt.NDArray[np.int16]


class Steady:
    """Keeps still parts of sharpened frames from flickering; takes frames in their order.

    What comes out follows from the frames alone, not from time or threads.
    """

    def __init__(self, times: int = 1) -> None:
        """`times`: how many times as large as the input sharpened frames are."""
        self._size = _BLOCK * times
        self._seen: deque[Small] = deque(maxlen=max(_LAGS))
        self._before: Plane | None = None

    def __call__(self, luma: Plane, small: Small) -> None:
        """Steady the sharpened `luma` (H, W), in place; `small` is of the frame that went in."""
        weights = self._weights(small)
        self._seen.append(small)
        before = self._before
        if before is not None and weights is not None and before.shape == luma.shape:
            _approach(before, luma, weights, self._size)
        self._before = luma.copy()

    def leave(self, small: Small) -> None:
        """Take note of a frame that nothing is done to; the next begins anew."""
        self._seen.append(small)
        self._before = None

    def _weights(self, small: Small) -> Weights | None:
        """For each block how far to go, of `_WHOLE`; None where nothing is still."""
        if not self._seen or self._seen[-1].shape != small.shape or not small.size:
            self._seen.clear()
            return None
        earlier = [self._seen[-lag] for lag in _LAGS if lag <= len(self._seen)]
        changes = np.max([np.abs(small - one) for one in earlier], axis=0)
        contrast = _spread(small) + _spread(-small)  # the largest less the smallest
        still = np.clip(contrast // _CONTRAST, _LEAST, _MOST)
        # From still to twice as much, a cell goes from its share to the whole way.
        moving = np.clip(changes - still, 0, still).astype(np.int32)
        weights = (_SHARE + moving * (_WHOLE - _SHARE) // still).astype(np.int16)
        blocks = _spread(_pooled(weights))
        return None if (blocks == _WHOLE).all() else blocks


def _approach(before: Plane, luma: Plane, weights: Weights, size: int) -> None:
    """Take `luma` back towards `before`, in blocks of `size` pixels a side."""
    wide = np.int16 if luma.dtype == np.uint8 else np.int32
    last = len(weights) - 1
    columns = np.minimum(np.arange(luma.shape[1]) // size, weights.shape[1] - 1)
    for index, row in enumerate(weights):
        if (row == _WHOLE).all():
            continue
        rows = np.s_[index * size : None if index == last else (index + 1) * size]
        step = np.subtract(luma[rows], before[rows], dtype=wide)
        step *= row[columns]
        step += _WHOLE // 2
        step >>= 7
        luma[rows] = step + before[rows]


def _pooled(values: Small) -> Small:
    """The largest of each 2x2; a last row or column stands for itself."""
    odd = [(0, side % 2) for side in values.shape]
    padded = np.pad(values, odd, mode="edge")
    return np.asarray(padded.reshape(padded.shape[0] // 2, 2, -1, 2).max(axis=(1, 3)))


def _spread(values: Small) -> Small:
    """The largest of each and its eight neighbours: what moves takes its surroundings along."""
    padded: Any = np.pad(values, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.asarray(np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))
