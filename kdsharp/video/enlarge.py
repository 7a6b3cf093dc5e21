"""Enlarge decoded frames: luma by a model that undoes the blur of that, chroma by bicubic alone."""

from typing import Any

import numpy as np

from kdsharp.runtime.enlarge import Enlarger
from kdsharp.runtime.model import LoadedModel
from kdsharp.video.formats import bits
from kdsharp.video.frames import FrameSharpener, plane_view

__all__ = ["FrameEnlarger"]


class FrameEnlarger:
    """Enlarges frames of PyAV `enlarger.times`; may be called from several threads at once."""

    changes = True
    """As that of `FrameSharpener`."""

    def __init__(
        self, enlarger: Enlarger, pixel_format: str, crispening: LoadedModel | None = None
    ) -> None:
        """`crispening`, if there is one, is run on the luma of the large frame."""
        self._enlarger, self._crispening = enlarger, crispening
        self._plain = FrameSharpener(enlarger.model, pixel_format)
        self._depth = bits(pixel_format)

    def __call__(self, frame: Any) -> Any:
        """The frame, in the pixel format, enlarged and sharpened; its times are kept."""
        frame.pict_type = 0  # as in `FrameSharpener`
        frame, times = self._plain.converted(frame), self._enlarger.times
        # The format is named so that no range and no matrix is converted on the way.
        large = frame.reformat(
            frame.width * times, frame.height * times, frame.format.name, interpolation="BICUBIC"
        )
        large.make_writable()
        luma = self._luma(plane_view(frame, 0))
        if self._crispening is not None:
            luma = self._crispening.planes(luma[None], (1 << self._depth) - 1, _TILE)[0]
        plane_view(large, 0)[:] = luma
        return large

    def _luma(self, small: Any) -> Any:
        """(H, W) -> the same, `times` as large; levels of more than 8 bits fill 16 on the way."""
        spare = 16 - self._depth if small.dtype != np.uint8 else 0
        wide = np.ascontiguousarray(small << spare) if spare else np.ascontiguousarray(small)
        out = np.empty([side * self._enlarger.times for side in small.shape], wide.dtype)
        self._enlarger.array(wide, out)
        if not spare:
            return out
        half = 1 << (spare - 1)
        return np.minimum((out.astype(np.uint32) + half) >> spare, (1 << self._depth) - 1).astype(
            out.dtype
        )


_TILE = 2048  # as for frames that keep their size
