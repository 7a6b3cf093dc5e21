"""The luma of a frame, a small copy of it, and by that where a new scene begins."""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.video.formats import bits, full_range, has_luma_plane
from kdsharp.video.frames import Plane, plane_view

__all__ = ["CELL", "SUM", "Cuts", "Small", "luma_of", "small_of"]

CELL = 4
"""Pixels a side of what becomes one value of a small copy."""

SUM = CELL * CELL
"""Values of a small copy are sums: one level of 255 is so much."""

Small = npt.NDArray[np.int16]
"""(H // `CELL`, W // `CELL`): sums over cells of pixels, of levels of 255, whatever the depth."""

_ABSOLUTE = 8.0  # levels by which a new scene differs on average, at least
_RELATIVE = 4.0  # times what the frames before differed by: noise and motion go on
_LIKE = 0.7  # correlation from which it is the same scene in another light
_MEMORY = 12  # frames before


def luma_of(frame: Any) -> tuple[Plane, int]:
    """The luma of a frame of PyAV of any format, as it is, and of how many bits.

    In studio range too: scaling it to full range would leave gaps between its levels, which look
    like noise.
    """
    if frame.format.is_rgb:
        frame = frame.reformat(format="gray")
    elif not has_luma_plane(frame.format.name):  # packed, as webcams send it
        values = 2 if full_range(frame) else 1
        frame = frame.reformat(format="yuv422p", src_color_range=values, dst_color_range=values)
    return plane_view(frame, 0), bits(frame.format.name)


def small_of(luma: Plane, depth: int) -> Small:
    """The small copy of luma of `depth` bits. Takes 1 ms for 1920x1080."""
    height, width = (side // CELL for side in luma.shape)
    wide = np.uint16 if depth <= 12 else np.uint32
    rows = luma[: height * CELL, : width * CELL].reshape(height, CELL, width * CELL)
    summed = np.add(rows[:, 0], rows[:, 1], dtype=wide)
    summed += rows[:, 2]
    summed += rows[:, 3]
    cells = summed[:, 0::CELL] + summed[:, 1::CELL] + summed[:, 2::CELL] + summed[:, 3::CELL]
    return (cells >> (depth - 8)).astype(np.int16)


class Cuts:
    """Tells, frame by frame, where a new scene begins: the picture is suddenly another.

    One in another light, as under a flash, is the same. A dissolve has no such frame.
    """

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float32] | None = None
        self._usual: deque[float] = deque(maxlen=_MEMORY)

    def __call__(self, small: Small) -> bool:
        """Whether the frame of `small` is the first of a new scene; the very first is none."""
        now, last = _coarse(small), self._last
        self._last = now
        if last is None or last.shape != now.shape or now.size < 2:
            return False
        change = float(np.abs(now - last).mean())
        usual = float(np.median(self._usual)) if self._usual else 0.0
        if change >= max(_ABSOLUTE, _RELATIVE * usual) and _correlation(now, last) < _LIKE:
            self._usual.clear()
            return True
        self._usual.append(change)
        return False


def _coarse(small: Small) -> npt.NDArray[np.float32]:
    """Means of 4x4 values, in levels of 255: what moves a little hardly changes them."""
    height, width = (side // 4 for side in small.shape)
    cells = small[: height * 4, : width * 4].reshape(height, 4, width, 4)
    return np.asarray(cells.mean(axis=(1, 3), dtype=np.float32) / SUM)


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0
