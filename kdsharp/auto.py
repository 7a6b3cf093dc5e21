"""The sharpener that suits a picture, by the picture's own blur."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from kdsharp.blur import measured_scale
from kdsharp.sharpen import Sharpener

__all__ = ["choose"]


def choose(
    sharpeners: Mapping[int, Sharpener], picture: npt.NDArray[Any]
) -> tuple[Sharpener | None, int | None]:
    """Of `sharpeners`, by their scales, the one for `picture`, and its scale; None if it is sharp.

    `picture` is that of `kdsharp.blur.measured_scale`. Of one sharpener that one, whatever the
    picture: its scale was asked for. Of several the one whose scale is nearest to what is measured;
    of two the smaller, which changes less.
    """
    scale = next(iter(sharpeners))
    if len(sharpeners) > 1:
        measured = measured_scale(picture)
        if measured == 1:
            return None, None
        scale = min(sharpeners, key=lambda scale: (abs(scale - measured), scale))
    return sharpeners[scale], scale
