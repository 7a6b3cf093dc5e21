"""Sharpen decoded frames: their luma as it lies in memory, or their colours."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.runtime.model import LoadedModel
from kdsharp.video.formats import bits, full_range

__all__ = ["FrameSharpener", "plane_view"]

Plane = npt.NDArray[Any]
"""(H, W), uint8, or uint16 with as many bits as the video has."""

_TILE = 2048
"""Larger frames run in tiles of so many pixels a side, so that memory does not grow with them."""

_FULL, _STUDIO = 2, 1  # AVCOL_RANGE_JPEG and AVCOL_RANGE_MPEG


class FrameSharpener:
    """Sharpens frames of PyAV with one model; may be called from several threads at once.

    A luma model reads the luma plane as it is, in studio range too: scaling it to full range first
    is worth 0.03 dB (`python -m benchmarks.video --range`) and costs a pass over the picture.
    A model for RGB reads the frame converted, and what it gives is converted back.
    """

    def __init__(
        self,
        single: LoadedModel,
        pixel_format: str,
        *,
        studio: bool = False,
        crispening: LoadedModel | None = None,
    ) -> None:
        """`single` restores; then `crispening`, of luma too, is run on that, if there is one."""
        self.single, self._crispening = single, crispening
        self.pixel_format, self._studio = pixel_format, studio
        self._peak = (1 << bits(pixel_format)) - 1

    def __call__(self, frame: Any) -> Any:
        """The frame, in `pixel_format`, sharpened; times and side data are its own.

        `frame` itself may be changed.
        """
        # Decoders note whether a frame was I, P or B; an encoder would be bound by it.
        frame.pict_type = 0
        frame = self.converted(frame)
        luma = [single for single in (self.single, self._crispening) if single]
        if self.single.card.color == "rgb":
            if self.single.strength:
                frame = self._rgb(frame)
            luma = luma[1:]
        luma = [single for single in luma if single.strength]
        if not luma:
            return frame
        sharp = plane_view(frame, 0)[None]
        for single in luma:
            sharp = single.planes(sharp, self._peak, _TILE)
        # Only now, because a copy for the network need not be a copy of the decoder's picture.
        frame.make_writable()
        plane_view(frame, 0)[:] = sharp[0]
        return frame

    @property
    def changes(self) -> bool:
        """Whether frames come out with other pixels at all."""
        return any(one.strength for one in (self.single, self._crispening) if one)

    def converted(self, frame: Any) -> Any:
        """`frame` in `pixel_format`; its values are otherwise what they were, but for `studio`."""
        return _converted(frame, self.pixel_format, studio=self._studio)

    def _rgb(self, frame: Any) -> Any:
        depth = bits(self.pixel_format)
        color = frame.reformat(
            format="gbrp" if depth == 8 else f"gbrp{depth}le",
            src_color_range=_range(frame),
            dst_color_range=_FULL,
        )
        order = (2, 0, 1)  # FFmpeg's planes are G, B, R
        planes_CHW = np.stack([plane_view(color, i) for i in order])
        sharp = self.single.planes(planes_CHW, self._peak, _TILE)
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


def plane_view(frame: Any, index: int) -> Plane:
    """A plane of `frame` as an array (H, W) over the same memory, without its padding."""
    plane = frame.planes[index]
    dtype: Any = np.dtype("<u2") if bits(frame.format.name) > 8 else np.uint8
    values = np.frombuffer(plane, dtype)
    return values.reshape(plane.height, -1)[:, : plane.width]


def _converted(frame: Any, pixel_format: str, *, studio: bool) -> Any:
    values = _range(frame)
    wanted = _STUDIO if studio else values
    if frame.format.name == pixel_format and values == wanted:
        return frame
    if not frame.format.is_rgb:
        return frame.reformat(format=pixel_format, src_color_range=values, dst_color_range=wanted)
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
