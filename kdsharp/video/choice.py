"""Which model each frame of a video needs, and from where: one for a scene, and no taking turns."""

import threading
from collections import deque
from itertools import islice
from typing import Any

import numpy as np

from kdsharp.errors import UserError
from kdsharp.routing.router import Choice, Look, Router, mean_look
from kdsharp.runtime.model import LoadedModel
from kdsharp.video.frames import FrameSharpener
from kdsharp.video.scenes import Cuts, Small, luma_of
from kdsharp.video.source import VideoSource

__all__ = ["Following", "Ready", "fitted", "helped", "look_at_frame", "looks_at_video"]

_LOOKS = 5  # frames of a file that are looked at before anything is done
_EVERY = 0.5  # seconds between the frames that are looked at on the way
_WINDOW = 8  # looks that speak for a scene: four seconds
_LASTING = 4  # of them there have to be before another model is taken within a scene
_DWELL = 2.0  # seconds that a choice stays at least, unless a new scene begins
_LEAD = 0.1  # dB by which another model has to be ahead, so that they do not take turns
_ALIKE = 0.1  # mixtures none of whose shares differs by more are not changed
_LEAST = 0.05  # dB that a video is to gain on average, or it is left as it is
_READY = 16  # choices that are kept ready


def look_at_frame(frame: Any, router: Router) -> Look:
    """`Router.look` for a frame of PyAV of any format; its luma is taken as it is."""
    luma, depth = luma_of(frame)
    return router.look((luma >> (depth - 8)).astype(np.uint8))


def looks_at_video(video: VideoSource, router: Router) -> list[Look]:
    """`look_at_frame` of frames from all of `video`.

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
    return found


def helped(looks: list[Look], router: Router) -> bool:
    """Whether a video with these looks is likely to gain from the model that each part needs."""
    if len(router) == 1:
        return True
    choices = [(look, router.choice(look)) for look in looks]
    gains = [look.gains.get(choice.model, 0.0) if choice else 0.0 for look, choice in choices]
    return bool(np.mean(gains) >= _LEAST)


def _frame_at(video: VideoSource, seconds: float) -> Any:
    """The first frame from the last key frame before `seconds`; None if there is none to decode."""
    import av

    try:
        video.container.seek(int(seconds / video.stream.time_base), stream=video.stream)
        return next(video.container.decode(video.stream), None)
    except (av.FFmpegError, IndexError):  # the latter where tracks appear in the middle
        return None


class Following:
    """The choice for each frame, which follows scenes, and lasting changes within one.

    A scene keeps its model and the place of its grid. Another is taken where a new scene begins, or
    after looks over two seconds agreed on it; in both cases only if it promises clearly more. It is
    the same for files and live video, and follows from the frames and their times alone.
    """

    def __init__(self, router: Router, before: list[Look] | None = None) -> None:
        """`before` are looks at the video as a whole, in its order: their mean is begun with.

        Unless the first of them and the first frame agree that it begins otherwise.
        """
        self._router, self._cuts = router, Cuts()
        self._seen: deque[Look] = deque((before or [])[:1], _WINDOW)
        self._first, self._begun = True, bool(before)
        self._choice = router.choice(mean_look(before)) if before else None
        self._next = self._since = -np.inf

    def __call__(self, frame: Any, small: Small, seconds: float) -> Choice | None:
        """The choice for `frame`, whose small copy is `small`, at `seconds`; None: leave it.

        Takes the frames in their order.
        """
        cut = self._cuts(small)
        if cut:
            self._seen.clear()
        if cut or seconds >= self._next:
            self._seen.append(look_at_frame(frame, self._router))
            self._next = seconds + _EVERY
            self._consider(seconds, at_once=cut or self._first)
            self._first, self._begun = False, True
        return self._choice

    def _consider(self, seconds: float, *, at_once: bool) -> None:
        settled = len(self._seen) >= _LASTING and seconds - self._since >= _DWELL
        if not (at_once or settled):
            return
        mean = mean_look(self._seen)
        best = self._router.choice(mean)
        if best == self._choice or not self._better(best, mean):
            return
        self._choice, self._since = best, seconds

    def _better(self, best: Choice | None, mean: Look) -> bool:
        """Whether `best` is worth a change: its model is ahead, or its grid or mixture another."""
        held = self._choice
        if not self._begun:
            return True
        if held is None or best is None or held.model != best.model:
            gains = [mean.gains.get(one.model, 0.0) if one else 0.0 for one in (held, best)]
            return gains[1] - gains[0] > _LEAD
        return held.origin != best.origin or not _alike(held, best)


class Ready:
    """What sharpens frames by each choice, made when it is first needed; for several threads."""

    def __init__(
        self,
        router: Router,
        pixel_format: str,
        crispening: LoadedModel | None = None,
        *,
        studio: bool = False,
    ) -> None:
        """`crispening` comes after the model of each frame, if there is one."""
        self._router, self._format, self._studio = router, pixel_format, studio
        self._crispening, self._lock = crispening, threading.Lock()
        self._made: dict[Choice | None, FrameSharpener] = {}

    def __call__(self, choice: Choice | None) -> FrameSharpener:
        """The one for `choice`; for None one of strength 0, which crispens if that is asked for."""
        with self._lock:
            if choice not in self._made:
                if len(self._made) >= _READY:
                    del self._made[next(iter(self._made))]
                self._made[choice] = FrameSharpener(
                    fitted(self._router, choice),
                    self._format,
                    studio=self._studio,
                    crispening=self._crispening,
                )
            return self._made[choice]


def fitted(router: Router, choice: Choice | None) -> LoadedModel:
    """The model of `choice`; of none, one of strength 0."""
    return router.fitted(choice) if choice else LoadedModel(router.first.engine, strength=0)


def _alike(one: Choice, other: Choice) -> bool:
    """Whether their mixtures hardly differ."""
    pairs = zip(one.shares, other.shares, strict=True)
    return all(abs(share - another) <= _ALIKE for share, another in pairs)
