"""Where the grid of an enlarged picture begins: what was enlarged by 2 and cropped is off by one.

Enlarging puts `factor` pixels where there was one, and blurs between them: steps from pixel to
pixel are small within and large across. So their mean squares repeat every `factor` rows and
columns, and where they do the picture was enlarged, and one sees from which row and column.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma
from kdsharp.runtime.tiles import Origin

__all__ = ["CYCLE", "FACTORS", "NO_STEPS", "Steps", "enlarged_from", "squared_steps"]

CYCLE = 24
"""Steps are told apart by row and column modulo this: by every factor, and blocks of 8 pixels."""

Steps = npt.NDArray[np.float64]
"""(2, `CYCLE`): sums of squared steps of luma, of 255 levels, from row to row and from column to
column, by the row or column where they begin. Those of several pictures may be added."""

NO_STEPS: Steps = np.zeros((2, CYCLE))
"""Of a picture that was not looked at, or is too small."""

_SHAPES = {
    2: np.array([-0.35, 0.35]),
    3: np.array([-0.21, -0.21, 0.42]),
    4: np.array([0.08, -0.54, 0.08, 0.38]),
}
FACTORS: Mapping[int, npt.NDArray[np.float64]] = _SHAPES
"""By the factor: logarithms of the steps from each of its pixels to the next, bicubic's means over
photos; their mean is 0."""

_CLEAR = 0.15  # of such a shape has to be there, and more than anywhere else, in both directions
_BLOCKS = 8  # of JPEG, whose borders are steps too
_WHOLE = 600  # a side up to here is looked at as a whole, else in windows
_WINDOW, _ACROSS = 6 * CYCLE + 1, 4
_LEAST = 4 * CYCLE + 1  # pixels a side: fewer show too little
_QUIET = 1e-3  # of the mean step: what is flat has no logarithm


def squared_steps(picture: npt.NDArray[Any]) -> Steps:
    """What `picture` shows of a grid: RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`.

    Takes 3 ms at most, whatever the size: of a larger picture 16 windows are looked at.
    """
    found = np.zeros((2, CYCLE))
    if min(picture.shape[:2]) < _LEAST:
        return found
    rows, columns = (_windows(side) for side in picture.shape[:2])
    for part in (picture[top, left] for top in rows for left in columns):
        levels = luma(part) if part.ndim == 3 else part.astype(np.float32)
        levels /= np.float32(np.iinfo(part.dtype).max / 255)
        for axis in (0, 1):
            found[axis] += _by_place(np.diff(levels, axis=axis), axis)
    return found


def enlarged_from(steps: Steps, factor: int) -> Origin | None:
    """The row and column from which a picture with `steps` was enlarged by `factor`.

    Each is below `factor`. None if it does not show clearly that it was, in both directions, and
    more so than by another factor.
    """
    found = {one: [_place(sums, one) for sums in steps] for one in FACTORS}
    clear = {one: min(clear for clear, _ in places) for one, places in found.items()}
    if clear[factor] < max(_CLEAR, *clear.values()):
        return None
    (_, row), (_, column) = found[factor]
    return row, column


def _windows(side: int) -> list[slice]:
    """Parts of a side that begin at multiples of `CYCLE`."""
    if side <= _WHOLE:
        return [slice(0, side)]
    starts = np.linspace(0, side - _WINDOW, _ACROSS).astype(int) // CYCLE * CYCLE
    return [slice(start, start + _WINDOW) for start in starts]


def _by_place(steps: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float64]:
    """(`CYCLE`,): sums of squares along the other axis, and over whole cycles of this one."""
    sums = np.einsum("ij,ij->i" if axis == 0 else "ij,ij->j", steps, steps).astype(np.float64)
    whole = len(sums) // CYCLE * CYCLE
    return np.asarray(sums[:whole].reshape(-1, CYCLE).sum(axis=0))


def _place(sums: npt.NDArray[np.float64], factor: int) -> tuple[float, int]:
    """At which of `factor` places cells begin, and how clearly: about 1 after bicubic, 0 if not."""
    if not sums.any():
        return 0.0, 0
    cycle = int(np.lcm(factor, _BLOCKS))
    means = sums.reshape(-1, cycle).mean(axis=0) / sums.mean()
    # The lower half of those at each place: borders of blocks are among the others. Four places
    # for a factor of 2, or the smallest steps of a picture enlarged by 4 would decide.
    places = factor if factor > 2 else 2 * factor
    halves = (np.sort(means[place::places]) for place in range(places))
    lower = np.array([half[: max(len(half) // 2, 1)].mean() for half in halves])
    lower = lower.reshape(-1, factor).mean(axis=0)
    logs = np.log(np.maximum(lower, _QUIET))
    logs = np.clip(logs - logs.mean(), -1, 1)
    shape = FACTORS[factor]
    found = [float(logs @ np.roll(shape, place) / (shape @ shape)) for place in range(factor)]
    second, best = np.argsort(found)[-2:]
    return found[best] - max(found[second], 0.0), int(best)
