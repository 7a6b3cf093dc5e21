"""Which model a video needs, and from where, by some of its frames."""

import time
from itertools import islice
from typing import Any

import numpy as np

from kdsharp.errors import UserError
from kdsharp.routing.router import Choice, Look, Router, mean_look
from kdsharp.runtime.model import LoadedModel
from kdsharp.runtime.windows import rounded
from kdsharp.video.formats import bits, full_range, has_luma_plane
from kdsharp.video.frames import FrameSharpener, plane_view
from kdsharp.video.source import VideoSource

__all__ = ["LiveChoice", "fitted", "look_at_frame", "look_at_video"]

_LOOKS = 5  # frames of a file that are looked at
_EVERY = 2.0  # seconds between the frames of a camera that are looked at
_NEWEST = 0.3  # weight of the newest of them beside those before
_LEAD = 0.1  # dB by which another model has to be ahead, so that they do not take turns
_ALIKE = 0.1  # mixtures none of whose shares differs by more are not changed
_READY = 16  # choices that are kept ready


def look_at_frame(frame: Any, router: Router) -> Look:
    """`Router.look` for a frame of PyAV of any format.

    Luma is taken as it is, in studio range too: scaling it to full range would leave gaps between
    its levels, which look like noise.
    """
    if frame.format.is_rgb:
        frame = frame.reformat(format="gray")
    elif not has_luma_plane(frame.format.name):  # packed, as webcams send it
        values = 2 if full_range(frame) else 1
        frame = frame.reformat(format="yuv422p", src_color_range=values, dst_color_range=values)
    plane = plane_view(frame, 0)
    return router.look((plane >> (bits(frame.format.name) - 8)).astype(np.uint8))


def look_at_video(video: VideoSource, router: Router) -> Look:
    """The mean of `look_at_frame` over frames from all of `video`.

    `video` is then somewhere in its middle: open it anew to read it. A fault on the way costs the
    frames that it hides. Raises `UserError` if there is no frame at all to go by.
    """
    start, end = video.span
    places = [start]  # the last resort
    if end is not None:
        looks = [start + (end - start) * (n + 0.5) / _LOOKS for n in range(_LOOKS)]
        places = [*looks, start]
    frames = (_frame_at(video, place) for place in places)
    found = [look_at_frame(frame, router) for frame in islice(filter(None, frames), _LOOKS)]
    if not found:
        raise UserError(f"{video.path}: no picture could be decoded")
    return mean_look(found)


def _frame_at(video: VideoSource, seconds: float) -> Any:
    """The first frame from the last key frame before `seconds`; None if there is none to decode."""
    import av

    try:
        video.container.seek(int(seconds / video.stream.time_base), stream=video.stream)
        return next(video.container.decode(video.stream), None)
    except (av.FFmpegError, IndexError):  # the latter where tracks appear in the middle
        return None


class LiveChoice:
    """The model for each frame of a camera; now and then it, or its grid, may become another."""

    def __init__(
        self, router: Router, pixel_format: str, crispening: LoadedModel | None = None
    ) -> None:
        """`crispening` comes after the model of each frame, if there is one."""
        self._router, self._format, self._crispening = router, pixel_format, crispening
        self._ready: dict[Choice | None, FrameSharpener] = {}
        self._seen: Look | None = None
        self._choice: Choice | None = None
        self._next = 0.0

    def __call__(self, frame: Any) -> FrameSharpener:
        """The one for `frame`; one of strength 0 where there is nothing to repair."""
        if time.monotonic() >= self._next:
            self._look(frame)
            self._next = time.monotonic() + _EVERY
        if self._choice not in self._ready:
            if len(self._ready) >= _READY:
                del self._ready[next(iter(self._ready))]
            single = fitted(self._router, self._choice)
            self._ready[self._choice] = FrameSharpener(
                single, self._format, studio=True, crispening=self._crispening
            )
        return self._ready[self._choice]

    def _look(self, frame: Any) -> None:
        newest = look_at_frame(frame, self._router)
        old, self._seen = self._seen, newest
        if old is not None:
            self._seen = _blended(old, newest)
        best, gain = self._router.choice(self._seen), self._seen.gains.get
        held = self._choice.model if self._choice else ""
        ahead = gain(best.model if best else "", 0.0) - gain(held, 0.0)
        if self._choice and best and _alike(self._choice, best):
            return
        if old is None or best is None or best.model == held or ahead > _LEAD:
            self._choice = best


def fitted(router: Router, choice: Choice | None) -> LoadedModel:
    """The model of `choice`; of none, one of strength 0."""
    return router.fitted(choice) if choice else LoadedModel(router.first.engine, strength=0)


def _alike(one: Choice, other: Choice) -> bool:
    """Whether only their mixtures differ, and hardly."""
    if not one.shares or (one.model, one.origin) != (other.model, other.origin):
        return False
    pairs = zip(one.shares, other.shares, strict=True)
    return all(abs(share - another) <= _ALIKE for share, another in pairs)


def _blended(old: Look, newest: Look) -> Look:
    gains = {k: old.gains[k] * (1 - _NEWEST) + v * _NEWEST for k, v in newest.gains.items()}
    shares = np.array(old.shares) * (1 - _NEWEST) + np.array(newest.shares) * _NEWEST
    return Look(gains, old.steps * (1 - _NEWEST) + newest.steps * _NEWEST, rounded(shares))
