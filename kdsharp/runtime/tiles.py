"""Cut pictures into tiles whose results, put together, are that of the whole.

A tile reads as far around itself as the model looks, in steps of the model's grid. At the picture's
borders the model's own padding applies, as it does to the whole. A grid need not begin in the
corner: then what lacks in the first of its cells is filled as that padding does it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["CORNER", "Origin", "Reach", "Tile", "cut", "filled", "lacking", "tile_size"]

Origin = tuple[int, int]
"""Row and column where the first whole cell of a model's grid begins."""

CORNER: Origin = (0, 0)
"""Where it begins if nothing says otherwise."""

Window = tuple[slice, slice]
Level = TypeVar("Level", bound=np.generic)

_SMALL, _LARGE = 512, 1024


class Reach(Protocol):
    """How far a model looks, in pixels, and at multiples of what its tiles start: a `Card`, say."""

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on inputs at most that far away."""

    @property
    def grid(self) -> int:
        """1 where tiles may start anywhere."""


@dataclass(frozen=True)
class Tile:
    """One tile: of a model's result on the window `read` of the input, take `keep`, `write` it.

    `read` is of the input; what the model gets may begin before it, by what is `filled`.
    """

    read: Window
    keep: Window
    write: Window


def tile_size(reach: Reach) -> int:
    """A good side of a tile, in pixels: what stays in a CPU's cache, unless halos would rule."""
    return _SMALL if reach.receptive_radius <= _SMALL // 16 else _LARGE


def cut(
    pixels: npt.NDArray[Level], reach: Reach, size: int | None = None, origin: Origin = CORNER
) -> Iterator[tuple[npt.NDArray[Level], Tile]]:
    """Tiles that cover `pixels` (H, W, ...), row by row, each with what the model gets of them.

    Each writes at most `size` pixels a side; None is `tile_size`. They read windows of equal size
    where the picture is larger than one, because engines prepare themselves again for every size.
    Results may be written into `pixels` themselves while this runs: rows that the next tiles read
    are kept aside, a strip of the picture's width at a time.
    """
    above, before = lacking(reach, origin)
    columns = _spans(pixels.shape[1], reach, size, before)
    strip, first = pixels[:0], 0  # the rows from `first`, as they were
    for read, keep, write in _spans(pixels.shape[0], reach, size, above):
        kept = strip[read.start - first : write.start - first]
        strip, first = np.concatenate((kept, pixels[write.start : read.stop])), read.start
        for left, across, to in columns:
            lack = (0 if read.start else above, 0 if left.start else before)
            yield filled(strip[:, left], lack), Tile((read, left), (keep, across), (write, to))


def lacking(reach: Reach, origin: Origin) -> Origin:
    """Rows and columns that the first cells of a grid that begins at `origin` lack."""
    top, left = (-at % reach.grid for at in origin)
    return top, left


def filled(pixels: npt.NDArray[Level], lack: Origin) -> npt.NDArray[Level]:
    """`pixels` (H, W, ...) after as many copies of their first row and column."""
    if lack == CORNER:
        return pixels
    sides = [(lack[0], 0), (lack[1], 0), *[(0, 0)] * (pixels.ndim - 2)]
    return np.pad(pixels, sides, mode="edge")


def _spans(
    side: int, reach: Reach, size: int | None, lack: int
) -> list[tuple[slice, slice, slice]]:
    """Along one side: what to read, what to keep of it, and where that goes.

    `lack` pixels are filled in before the first.
    """
    whole = _aligned(side + lack, reach, size)
    return [
        (
            _moved(read, lack),
            slice(keep.start + (lack if write.start < lack else 0), keep.stop),
            _moved(write, lack),
        )
        for read, keep, write in whole
    ]


def _moved(span: slice, lack: int) -> slice:
    return slice(max(span.start - lack, 0), span.stop - lack)


def _aligned(side: int, reach: Reach, size: int | None) -> list[tuple[slice, slice, slice]]:
    """The same where the grid begins with the side."""
    grid = reach.grid
    halo = -(-reach.receptive_radius // grid) * grid
    largest = max((size or tile_size(reach)) // grid, 1)  # in steps of the grid, as `step`
    count = -(-side // (largest * grid))
    step = -(-side // (count * grid)) * grid
    window, spans = step + 2 * halo, []
    for start in range(0, side, step):
        stop, last = min(start + step, side), max(side - window, 0) // grid * grid
        first = min(max(start - halo, 0), last)
        end = side if first == last else first + window
        spans.append((slice(first, end), slice(start - first, stop - first), slice(start, stop)))
    return spans
