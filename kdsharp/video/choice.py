"""Which sharpener a video needs, by some of its frames."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.auto import AutoSharpener, Gains, expected_gains
from kdsharp.sharpen import Sharpener
from kdsharp.video.formats import bits
from kdsharp.video.frames import FrameSharpener, plane_view

__all__ = ["LiveChoice", "gains_of_frame", "gains_of_video"]

_LOOKS = 5  # frames of a file that are looked at
_EVERY = 2.0  # seconds between the frames of a camera that are looked at
_NEWEST = 0.3  # weight of the newest of them beside those before
_LEAD = 0.1  # dB by which another model has to be ahead, so that they do not take turns


def gains_of_frame(frame: Any) -> Gains:
    """`kdsharp.auto.expected_gains` for a frame of PyAV of any format.

    Luma is taken as it is, in studio range too: scaling it to full range would leave gaps between
    its levels, which look like noise.
    """
    if frame.format.is_rgb:
        frame = frame.reformat(format="gray")
    plane = plane_view(frame, 0)
    return expected_gains((plane >> (bits(frame.format.name) - 8)).astype(np.uint8))


def gains_of_video(source: Path) -> Gains:
    """The mean of `gains_of_frame` over frames from all of a video; none if it has no picture.

    What is wrong with a file is not told here, but where it is read for good.
    """
    import av

    found: list[Gains] = []
    try:
        with av.open(str(source)) as container:
            video = container.streams.video[0]
            for look in range(_LOOKS):
                if container.duration:
                    container.seek(int(container.duration * (look + 0.5) / _LOOKS))
                frame = next(container.decode(video), None)
                if frame is not None:
                    found.append(gains_of_frame(frame))
    except (av.FFmpegError, OSError, IndexError, ValueError):
        pass  # as far as it went
    return _mean(found)


def _mean(found: list[Gains]) -> Gains:
    return (
        {name: float(np.mean([one[name] for one in found])) for name in found[0]} if found else {}
    )


class LiveChoice:
    """The sharpener for each frame of a camera; now and then it may become another one."""

    def __init__(self, sharpeners: AutoSharpener | Sharpener, pixel_format: str) -> None:
        if isinstance(sharpeners, Sharpener):
            sharpeners = AutoSharpener.only(sharpeners)
        self._sharpeners, self._format = sharpeners, pixel_format
        self._ready: dict[str | None, FrameSharpener] = {}
        self._gains: Mapping[str, float] = {}
        self._name, self._next = sharpeners.best({}), 0.0

    def __call__(self, frame: Any) -> FrameSharpener:
        """The one for `frame`; one of strength 0 where there is nothing to mend."""
        if len(self._sharpeners) > 1 and time.monotonic() >= self._next:
            self._look(frame)
            self._next = time.monotonic() + _EVERY
        if self._name not in self._ready:
            name = self._name
            if name is None:
                sharpener = Sharpener(engine=self._sharpeners.first.engine, strength=0)
            else:
                sharpener = self._sharpeners[name]
            self._ready[name] = FrameSharpener(sharpener, self._format)
        return self._ready[self._name]

    def _look(self, frame: Any) -> None:
        newest, old = gains_of_frame(frame), self._gains
        self._gains = {k: old.get(k, v) * (1 - _NEWEST) + v * _NEWEST for k, v in newest.items()}
        best, gain = self._sharpeners.best(self._gains), self._sharpeners.gain
        ahead = gain(best, self._gains) - gain(self._name, self._gains)
        if not old or best is None or ahead > _LEAD:
            self._name = best
