"""Enlarge by bicubic and sharpen, without rounding between the two.

A model folder may hold both in one file, which takes the small picture. Where it does not, and
where colours have to be weighted by transparency first, the picture is enlarged here and then
sharpened; the result is the same.
"""

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.runtime.engine import load_upscaler
from kdsharp.runtime.model import LoadedModel
from kdsharp.runtime.tiles import cut

__all__ = ["REACH", "Enlarger", "bicubic"]

REACH = 2
"""Pixels of a small picture, on each side, that a pixel of the large one is made of."""

_SIDE = 640  # of a tile, in small pixels: 640x360 whole took two thirds of what 256 took

Levels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Small:
    """How far a model looks in the picture before it is enlarged."""

    receptive_radius: int
    grid: int


class Enlarger:
    """A model and the enlarging that it undoes; may be called from several threads at once."""

    def __init__(self, model: LoadedModel) -> None:
        """Raises `UserError` if the model folder's file for both steps in one does not run."""
        self.model, self.times = model, model.card.scale
        self._one_step: Callable[[Any], Any] | None = load_upscaler(model.engine)

    def with_strength(self, strength: float) -> "Enlarger":
        """The same with another strength; nothing is loaded again."""
        other = copy.copy(self)
        other.model = dataclasses.replace(self.model, strength=strength)
        return other

    def array(
        self, small: Levels, out: Levels, alpha: Levels | None = None, side: int = _SIDE
    ) -> None:
        """`small` enlarged and sharpened into `out`, which is `times` as high and as wide.

        RGB (H, W, 3) or grey (H, W), `uint8` or `uint16` both. By `alpha` (H, W), of the same type,
        colours are weighted where it is not all there: a transparent pixel may hide any colour,
        and bicubic would mix that into its neighbours. Opaque places stay as without it. Runs in
        tiles of `side` small pixels a side, so that memory beyond both pictures does not grow with
        them.
        """
        if alpha is not None and (alpha == np.iinfo(alpha.dtype).max).all():
            alpha = None
        for part, tile in cut(small, self._reach(), side):
            seen = None if alpha is None else alpha[tile.read]
            large_CHW = self._large(part, seen)
            peak = np.iinfo(small.dtype).max
            levels_CHW = np.clip(np.rint(large_CHW, out=large_CHW), 0, peak, out=large_CHW)
            keep, write = self._scaled(tile.keep), self._scaled(tile.write)
            kept = levels_CHW[:, *keep]
            out[write] = kept[0] if small.ndim == 2 else kept.transpose(1, 2, 0)

    def _reach(self) -> _Small:
        card, times = self.model.card, self.times
        # Tiles of the enlarged picture have to start at multiples of its grid.
        step = card.grid // math.gcd(card.grid, times)
        return _Small(-(-card.receptive_radius // times) + REACH, step)

    def _scaled(self, window: tuple[slice, slice]) -> tuple[slice, slice]:
        rows, columns = (slice(s.start * self.times, s.stop * self.times) for s in window)
        return rows, columns

    def _large(self, small: Levels, alpha: Levels | None) -> Floats:
        """Without tiles: levels (C, H, W), neither rounded nor clipped."""
        if self._one_step is not None and alpha is None:
            return self._in_one_step(self._one_step, small)
        planes_CHW = _planes(small)
        if alpha is None:
            return self._sharpened(bicubic(planes_CHW, self.times), small)
        peak = np.iinfo(small.dtype).max
        return self._sharpened(_weighted(planes_CHW, alpha, self.times, peak), small)

    def _in_one_step(self, run: Callable[[Any], Any], small: Levels) -> Floats:
        model, peak = self.model, np.float32(np.iinfo(small.dtype).max)
        read_CHW = model.read(small).astype(np.float32)
        sharp_CHW = np.asarray(run(read_CHW[None] / peak))[0] * peak
        if model.strength != 1:
            plain_CHW = bicubic(read_CHW, self.times)
            sharp_CHW = plain_CHW + (sharp_CHW - plain_CHW) * np.float32(model.strength)
        if small.ndim == 2:
            return np.asarray(sharp_CHW.mean(axis=0, keepdims=True))
        if model.card.color == "luma":
            # What is no luma is not sharpened; enlarging is linear, so it may go its own way.
            sharp_CHW = bicubic(_planes(small) - read_CHW, self.times) + sharp_CHW
        return np.asarray(sharp_CHW)

    def _sharpened(self, large_CHW: Floats, small: Levels) -> Floats:
        model, peak = self.model, np.float32(np.iinfo(small.dtype).max)
        large = large_CHW[0] if small.ndim == 2 else large_CHW.transpose(1, 2, 0)
        read_CHW: Floats = np.divide(model.read(large), peak, dtype=np.float32)
        change_CHW = model.engine.run(read_CHW[None])[0] - read_CHW
        if small.ndim == 2:
            change_CHW = change_CHW.mean(axis=0, keepdims=True)
        # Equal steps on R, G and B change luma alone: the chroma differences cancel.
        return np.asarray(large_CHW + change_CHW * (peak * np.float32(model.strength)))


def bicubic(planes_CHW: Floats, times: int) -> Floats:
    """Planes (C, H, W) enlarged as Pillow does, in float32: neither rounded nor clipped."""
    channels, height, width = planes_CHW.shape
    size = (width * times, height * times)
    large_CHW = np.empty((channels, size[1], size[0]), np.float32)
    for index, plane in enumerate(planes_CHW):
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        large_CHW[index] = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    return large_CHW


def _planes(pixels: Levels) -> Floats:
    """(H, W) or (H, W, 3) -> (C, H, W)."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.asarray(planes, np.float32)


def _weighted(planes_CHW: Floats, alpha: Levels, times: int, peak: int) -> Floats:
    """`planes_CHW` enlarged, with colours weighted by `alpha` where that is not all there."""
    large_CHW = bicubic(planes_CHW, times)
    clear = np.repeat(np.repeat(_near(alpha < peak), times, axis=0), times, axis=1)
    if not clear.any():
        return large_CHW
    share = alpha.astype(np.float32) / np.float32(peak)
    weight = bicubic(share[None], times)[0]
    seen = clear & (weight > 1 / peak)  # behind the rest there is nothing to see
    for plane, large in zip(planes_CHW, large_CHW, strict=True):
        color = bicubic((plane * share)[None], times)[0, seen] / weight[seen]
        large[seen] = np.clip(color, 0, peak)  # little weight makes any number of it
    return large_CHW


def _near(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where bicubic, which looks two pixels around, sees one that is."""
    for axis in (0, 1):
        padded = np.pad(there, [(REACH, REACH) if at == axis else (0, 0) for at in (0, 1)])
        length = there.shape[axis]
        shifted = [np.take(padded, range(k, k + length), axis) for k in range(2 * REACH + 1)]
        there = np.logical_or.reduce(shifted)
    return there
