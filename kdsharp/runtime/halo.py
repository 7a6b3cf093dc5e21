"""Keep a sharpened plane free of halos: no pixel leaves the levels of what lies around it."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["REACH", "without_halos"]

REACH = 2
"""Pixels around one that its bounds depend on."""

Plane = npt.NDArray[Any]


def without_halos(before: Plane, after: Plane) -> Plane:
    """`after` (H, W) within bounds by `before`, of the same shape; may be changed in place.

    The upper bound is the highest level of the 3x3 pixels around. Where that is on something
    thinner than two pixels, a line or a grain of texture and no edge of an area, it is as much
    higher as that rises above the rest (an opening by 2x2 pixels): contrast of detail may double,
    and beside an edge, of whatever softness and angle, nothing overshoots. The lower bound is the
    same upside down.
    """
    for sign in (1, -1):
        most, least = (np.maximum, np.minimum) if sign == 1 else (np.minimum, np.maximum)
        highest = _three(before, most)
        areas = _three(_pair(_pair(before, least, 0), most, 1), most)
        # In float32, because twice a level may leave the range of the plane's own type.
        bound = 2 * highest.astype(np.float32) - areas
        least(after, bound, out=after, casting="unsafe")
    return after


def _three(plane: Plane, better: Any) -> Plane:
    """The best of the 3x3 pixels around each."""
    for axis in (0, 1):
        padded = np.pad(plane, [(1, 1) if at == axis else (0, 0) for at in (0, 1)], mode="edge")
        parts = [_shifted(padded, axis, start, plane.shape[axis]) for start in range(3)]
        plane = better(better(parts[0], parts[1]), parts[2])
    return plane


def _pair(plane: Plane, better: Any, before: int) -> Plane:
    """The best of 2x2 pixels, of which each is the first, or with `before` 1 the last."""
    for axis in (0, 1):
        sides = (before, 1 - before)
        padded = np.pad(plane, [sides if at == axis else (0, 0) for at in (0, 1)], mode="edge")
        parts = [_shifted(padded, axis, start, plane.shape[axis]) for start in range(2)]
        plane = better(*parts)
    return plane


def _shifted(padded: Plane, axis: int, start: int, length: int) -> Plane:
    return padded[start : start + length] if axis == 0 else padded[:, start : start + length]
