"""Cut pictures into tiles whose results, put together, are that of the whole.

A tile reads as far around itself as the model looks, in steps of the model's grid. At the picture's
borders the model's own padding applies, as it does to the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kdsharp.card import Card
from kdsharp.engine import Engine, Planes

__all__ = ["Tile", "cut", "run_tiled", "tile_size", "tiles"]

Window = tuple[slice, slice]
Level = TypeVar("Level", bound=np.generic)

_SMALL, _LARGE = 512, 1024


@dataclass(frozen=True)
class Tile:
    """One tile: `read` this window of the input, take `keep` of the result, `write` it."""

    read: Window
    keep: Window
    write: Window


def tile_size(card: Card) -> int:
    """A good side of a tile, in pixels: what stays in a CPU's cache, unless halos would rule."""
    return _SMALL if card.receptive_radius <= _SMALL // 16 else _LARGE


def tiles(height: int, width: int, card: Card, size: int | None = None) -> Iterator[Tile]:
    """Windows that cover the picture, row by row, each writing at most `size` pixels a side.

    `size` None is `tile_size`. They read windows of equal size where the picture is larger than
    one, because engines prepare themselves anew for every size.
    """
    columns = _spans(width, card, size)
    for rows in _spans(height, card, size):
        for column in columns:
            yield Tile(*((rows[i], column[i]) for i in range(3)))


def cut(
    pixels: npt.NDArray[Level], card: Card, size: int | None = None
) -> Iterator[tuple[npt.NDArray[Level], Tile]]:
    """What each of the `tiles` reads of `pixels` (H, W, ...), with the tile.

    Results may be written into `pixels` themselves while this runs: rows that the next tiles read
    are kept aside, a strip of the picture's width at a time.
    """
    columns = _spans(pixels.shape[1], card, size)
    strip, first = pixels[:0], 0  # the rows from `first`, as they were
    for read, keep, write in _spans(pixels.shape[0], card, size):
        kept = strip[read.start - first : write.start - first]
        strip, first = np.concatenate((kept, pixels[write.start : read.stop])), read.start
        for left, across, to in columns:
            yield strip[:, left], Tile((read, left), (keep, across), (write, to))


def run_tiled(engine: Engine, planes_NCHW: Planes, size: int | None = None) -> Planes:
    """`engine.run` in tiles of `size` pixels, equal to the whole within float noise.

    Memory beyond input and output is bounded by the tile.
    """
    out_NCHW = np.empty_like(planes_NCHW, dtype=np.float32)
    height, width = planes_NCHW.shape[2:]
    for part in tiles(height, width, engine.card, size):
        done = engine.run(planes_NCHW[:, :, *part.read])
        out_NCHW[:, :, *part.write] = done[:, :, *part.keep]
    return out_NCHW


def _spans(side: int, card: Card, size: int | None) -> list[tuple[slice, slice, slice]]:
    """Along one side: what to read, what to keep of it, and where that goes."""
    grid = card.grid
    halo = -(-card.receptive_radius // grid) * grid
    largest = max((size or tile_size(card)) // grid, 1)  # in steps of the grid, as `step`
    count = -(-side // (largest * grid))
    step = -(-side // (count * grid)) * grid
    window, spans = step + 2 * halo, []
    for start in range(0, side, step):
        stop, last = min(start + step, side), max(side - window, 0) // grid * grid
        first = min(max(start - halo, 0), last)
        end = side if first == last else first + window
        spans.append((slice(first, end), slice(start - first, stop - first), slice(start, stop)))
    return spans
