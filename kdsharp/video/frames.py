"""Sharpen decoded frames: their luma as it lies in memory, or their colours."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.engine import Engine
from kdsharp.sharpen import Sharpener
from kdsharp.tiles import tiles
from kdsharp.video.formats import bits, full_range

__all__ = ["FrameSharpener", "plane_view"]

Plane = npt.NDArray[Any]
"""(H, W), uint8, or uint16 with as many bits as the video has."""

_TILE = 2048
"""Larger frames run in tiles of so many pixels a side, so that memory does not grow with them."""

_FULL, _STUDIO = 2, 1  # AVCOL_RANGE_JPEG and AVCOL_RANGE_MPEG
_ROWS = 64  # so many rows are blended at a time, because they stay in the cache


class FrameSharpener:
    """Sharpens frames of PyAV with `sharpener`; may be called from several threads at once.

    A luma model reads the luma plane as it is, in studio range too: scaling it to full range first
    is worth 0.03 dB (`python benchmarks/video.py --range`) and costs a pass over the picture.
    A model for RGB reads the frame converted, and what it gives is converted back.
    """

    def __init__(self, sharpener: Sharpener, pixel_format: str) -> None:
        self.engine, self.strength = sharpener.engine, sharpener.strength
        self.pixel_format = pixel_format
        self._peak = (1 << bits(pixel_format)) - 1

    def __call__(self, frame: Any) -> Any:
        """The frame, in `pixel_format`, sharpened; times and side data are its own.

        `frame` itself may be changed.
        """
        # Decoders know what kind a frame was; an encoder would be bound by it.
        frame.pict_type = 0
        frame = self.converted(frame)
        if self.strength == 0:
            return frame
        if self.engine.card.color == "rgb":
            return self._rgb(frame)
        sharp = self._planes(plane_view(frame, 0)[None])[0]
        # Only now, because a copy for the network need not be a copy of the decoder's picture.
        frame.make_writable()
        plane_view(frame, 0)[:] = sharp
        return frame

    def converted(self, frame: Any) -> Any:
        """`frame` in `pixel_format`; its values are otherwise what they were."""
        return _converted(frame, self.pixel_format)

    def _rgb(self, frame: Any) -> Any:
        depth = bits(self.pixel_format)
        color = frame.reformat(
            format="gbrp" if depth == 8 else f"gbrp{depth}le",
            src_color_range=_range(frame),
            dst_color_range=_FULL,
        )
        order = (2, 0, 1)  # FFmpeg's planes are G, B, R
        sharp = self._planes(np.stack([plane_view(color, i) for i in order]))
        color.make_writable()
        for plane, at in zip(sharp, order, strict=True):
            plane_view(color, at)[:] = plane
        back = color.reformat(
            format=self.pixel_format,
            dst_colorspace=frame.colorspace,
            src_color_range=_FULL,
            dst_color_range=_range(frame),
        )
        back.color_range, back.colorspace = frame.color_range, frame.colorspace
        return back

    def _planes(self, planes_CHW: Plane) -> Plane:
        """(C, H, W) -> the same, sharpened; in tiles if it is large."""
        height, width = planes_CHW.shape[1:]
        if max(height, width) <= _TILE:
            return self._whole(planes_CHW)
        out = np.empty_like(planes_CHW)
        for tile in tiles(height, width, self.engine.card, _TILE):
            done = self._whole(planes_CHW[:, *tile.read])
            out[:, *tile.write] = done[:, *tile.keep]
        return out

    def _whole(self, planes_CHW: Plane) -> Plane:
        if planes_CHW.dtype == np.uint8:
            sharp = self.engine.run8(planes_CHW[None])[0]
            return sharp if self.strength == 1 else _blend(planes_CHW, sharp, self.strength)
        return _run_deep(self.engine, planes_CHW, self._peak, self.strength)


def plane_view(frame: Any, index: int) -> Plane:
    """A plane of `frame` as an array (H, W) over the same memory, without its padding."""
    plane = frame.planes[index]
    kind: Any = np.dtype("<u2") if bits(frame.format.name) > 8 else np.uint8
    values = np.frombuffer(plane, kind)
    return values.reshape(plane.height, -1)[:, : plane.width]


def _converted(frame: Any, pixel_format: str) -> Any:
    if frame.format.name == pixel_format:
        return frame
    if not frame.format.is_rgb:
        return frame.reformat(
            format=pixel_format, src_color_range=_range(frame), dst_color_range=_range(frame)
        )
    done = frame.reformat(
        format=pixel_format,
        dst_colorspace="ITU709",
        src_color_range=_FULL,
        dst_color_range=_STUDIO,
    )
    done.colorspace, done.color_range = 1, _STUDIO  # AVCOL_SPC_BT709
    return done


def _range(frame: Any) -> int:
    return _FULL if full_range(frame) else _STUDIO


def _blend(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], share: float) -> Plane:
    """`before` and `share` of the way to `after`, in steps of 1/128; (C, H, W) all."""
    out = np.empty_like(before)
    weight = np.int16(round(share * 128))
    for top in range(0, before.shape[1], _ROWS):
        rows = np.s_[:, top : top + _ROWS]
        step = np.subtract(after[rows], before[rows], dtype=np.int16)
        step *= weight  # at most 255 * 128, which 16 bits hold
        step += 64
        step >>= 7
        step += before[rows]
        out[rows] = step
    return out


def _run_deep(engine: Engine, planes_CHW: Plane, peak: int, share: float) -> Plane:
    planes = planes_CHW.astype(np.float32) / np.float32(peak)
    change = engine.run(planes[None])[0] - planes
    sharp = planes_CHW + change * np.float32(share * peak)
    return np.asarray(np.clip(np.rint(sharp), 0, peak), np.uint16)
