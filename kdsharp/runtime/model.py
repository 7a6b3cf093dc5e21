"""One loaded model, how strongly and from where it is applied: to arrays, and planes of video."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.runtime.card import Card
from kdsharp.runtime.engine import Engine
from kdsharp.runtime.tiles import CORNER, Origin, cut, filled, lacking

__all__ = ["MOST", "LoadedModel", "require_strength"]

MOST = 2.0
"""The highest strength: above 1 the change is carried on beyond what the model would add."""

Levels = npt.NDArray[Any]

_ROWS = 64  # so many rows of video are blended at a time, because they stay in the cache


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model; may be called from several threads at once.

    `strength` 0..2 scales what the model adds: 0 changes nothing, and above 1 it adds more than it
    learned to; only the sum is clipped. `origin` is where its grid begins in the pictures that it
    gets. Raises `UserError` for another strength.
    """

    engine: Engine
    strength: float = 1.0
    origin: Origin = CORNER

    def __post_init__(self) -> None:
        require_strength(self.strength)

    @property
    def card(self) -> Card:
        """The model's."""
        return self.engine.card

    def array(self, rgb: Levels, out: Levels) -> None:
        """Sharpen RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`, into `out`.

        `out` has the same shape and type, and may be `rgb`. Runs in tiles, so that memory beyond
        both does not grow with the picture.
        """
        for part, tile in cut(rgb, self.card, origin=self.origin):
            out[tile.write] = self._whole(part)[tile.keep]

    def planes(self, planes_CHW: Levels, peak: int, size: int) -> Levels:
        """Sharpen the planes of a video's frame, as the model reads them; same shape and type.

        `uint8`, or `uint16` with levels of 0..`peak`. Runs in tiles of `size` pixels a side where
        a frame is larger.
        """
        if max(planes_CHW.shape[1:]) <= size:
            return self._from_origin(planes_CHW, peak)
        out_CHW = np.empty_like(planes_CHW)
        for part_HWC, tile in cut(planes_CHW.transpose(1, 2, 0), self.card, size, self.origin):
            done_CHW = self._whole_planes(part_HWC.transpose(2, 0, 1), peak)
            out_CHW[:, *tile.write] = done_CHW[:, *tile.keep]
        return out_CHW

    def _from_origin(self, planes_CHW: Levels, peak: int) -> Levels:
        top, left = lack = lacking(self.card, self.origin)
        if lack == CORNER:
            return self._whole_planes(planes_CHW, peak)
        wider_HWC = filled(planes_CHW.transpose(1, 2, 0), lack)
        return self._whole_planes(wider_HWC.transpose(2, 0, 1), peak)[:, top:, left:]

    def _whole(self, rgb: Levels) -> Levels:
        """Without tiles: (H, W) or (H, W, 3) -> the same, the change added to every channel."""
        peak = np.iinfo(rgb.dtype).max
        change = self._change(rgb)
        # Equal steps on R, G and B change luma alone: the chroma differences cancel.
        sharp = np.add(rgb, change if change.ndim == rgb.ndim else change[..., None])
        return np.asarray(np.clip(sharp, 0, peak, out=sharp), rgb.dtype)

    def _change(self, rgb: Levels) -> Levels:
        """What to add to the levels: whole numbers, signed, (H, W) or (H, W, 3)."""
        peak = np.iinfo(rgb.dtype).max
        change_CHW: Levels
        planes_CHW = self.read(rgb)
        if self.engine.precision == "int8":
            levels_CHW = planes_CHW
            if levels_CHW.dtype != np.uint8:
                levels_CHW = np.rint(planes_CHW * np.float32(255 / peak)).astype(np.uint8)
            sharp_CHW = self.engine.run8(levels_CHW[None])[0]
            change_CHW = np.subtract(sharp_CHW, levels_CHW, dtype=np.int16)
            factor = self.strength * (peak // 255)
        else:
            planes_CHW = np.divide(planes_CHW, peak, dtype=np.float32)
            change_CHW = self.engine.run(planes_CHW[None])[0] - planes_CHW
            factor = self.strength * peak
        change: Levels = change_CHW[0]
        if self.card.color != "luma":
            change = change_CHW.transpose(1, 2, 0) if rgb.ndim == 3 else change_CHW.mean(axis=0)
        if change.dtype == np.int16 and factor == 1:
            return change
        # Signed numbers that hold a sum of two: 16 bits for levels of 8.
        wide = np.int16 if peak == 255 else np.int32
        return np.clip(np.rint(change * np.float32(factor)), -peak, peak).astype(wide)

    def read(self, rgb: Levels) -> Levels:
        """RGB (H, W, 3) or grey (H, W) as the model reads it, (C, H, W).

        Still in the range of `rgb`, and not rounded.
        """
        if self.card.color == "luma":
            return luma(rgb)[None] if rgb.ndim == 3 else rgb[None]
        color = rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)
        return color.transpose(2, 0, 1)

    def _whole_planes(self, planes_CHW: Levels, peak: int) -> Levels:
        """As `planes`, without tiles; up to 1, 8 bits are never made floats: that takes its time.

        Above 1 the network's own rounding and clipping would be carried on with its change.
        """
        narrow = planes_CHW.dtype == np.uint8
        if narrow and (self.strength <= 1 or self.engine.precision == "int8"):
            sharp_CHW = self.engine.run8(planes_CHW[None])[0]
            whole = self.strength == 1
            return sharp_CHW if whole else _blended(planes_CHW, sharp_CHW, self.strength)
        levels_CHW = planes_CHW.astype(np.float32) / np.float32(peak)
        change_CHW = self.engine.run(levels_CHW[None])[0] - levels_CHW
        sharp_CHW = planes_CHW + change_CHW * np.float32(self.strength * peak)
        return np.asarray(np.clip(np.rint(sharp_CHW), 0, peak), planes_CHW.dtype)


def _blended(before: Levels, after: Levels, share: float) -> Levels:
    """`before` and `share` of the way to `after`, in fine steps; (C, H, W), uint8 all."""
    out = np.empty_like(before)
    bits = 7 if share <= 1 else 6  # of the steps: the products are to fit into 16 bits
    weight = np.int16(round(share * (1 << bits)))
    for top in range(0, before.shape[1], _ROWS):
        rows = np.s_[:, top : top + _ROWS]
        step = np.subtract(after[rows], before[rows], dtype=np.int16)
        step *= weight  # at most 255 * 128
        step += 1 << (bits - 1)
        step >>= bits
        step += before[rows]
        out[rows] = step if share <= 1 else np.clip(step, 0, 255)
    return out


def require_strength(strength: float) -> None:
    """Raises `UserError` unless `strength` is from 0 to `MOST`."""
    if not 0 <= strength <= MOST:
        raise UserError(f"strength must be from 0 to {MOST:g}, not {strength}")
