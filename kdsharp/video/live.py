"""Live video: the newest frame is sharpened and shown; those that come meanwhile are dropped."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from kdsharp.routing.router import Routed
from kdsharp.video.camera import READING, Camera
from kdsharp.video.choice import Following, Ready
from kdsharp.video.frames import plane_view
from kdsharp.video.pace import Pace, Slower
from kdsharp.video.scenes import luma_of, small_of
from kdsharp.video.steady import Steady

__all__ = ["VIEWS", "Latest", "LiveStats", "Sink", "run_live"]

VIEWS = ("after", "split", "before")
"""What may be shown: the sharpened picture, the original to the left of it, or that alone."""

_FORMAT = "yuv420p"  # of all that is shown and written live
_PATIENCE = READING + 1.0  # seconds: a camera that says nothing lets go after the first of them
_LINE = ((235, 2), (128, 1), (128, 1))  # white between the halves: value and width in each plane

Item = TypeVar("Item")


class Latest(Generic[Item]):
    """Hands over the newest item from one thread to another; older ones are dropped and counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Offer `item` in place of the one that nobody took."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def close(self) -> None:
        """No more will come: whoever waits gets what is there, then None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> Item | None:
        """The newest item; None after `close`, or if none comes within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return item

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        with self._changed:
            return self._closed and self._item is None


@dataclass
class LiveStats:
    """What has happened so far; latencies are in seconds, from a frame's arrival to its display."""

    shown: int = 0
    dropped: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames shown a second, over all the time."""
        return self.shown / self.seconds if self.seconds else 0.0

    def latency(self, share: float = 0.5) -> float:
        """The latency that a `share` (0..1) of the last frames does not exceed; 0 before any."""
        return float(np.quantile(self.latencies, share)) if self.latencies else 0.0

    def __str__(self) -> str:
        return (
            f"{self.fps:.1f} fps, latency {self.latency() * 1000:.0f} ms "
            f"(95 %: {self.latency(0.95) * 1000:.0f}), {self.dropped} dropped"
        )


class Sink(Protocol):
    """Where live video goes: a window, a file, a virtual camera."""

    view: str
    """One of `VIEWS`; may change at any time."""

    def show(self, frame: Any, seconds: float, stats: LiveStats) -> bool:
        """Take a frame (yuv420p) that arrived after `seconds`; False ends it all."""

    def idle(self) -> bool:
        """Called while no frame comes; False ends it all."""


def run_live(
    camera: Camera,
    sharpener: Routed,
    sink: Sink,
    *,
    seconds: float | None = None,
    report: Callable[[LiveStats], object] | None = None,
    steady: bool = True,
    slower: Slower | None = None,
) -> LiveStats:
    """Sharpen what `camera` sees into `sink`, until it ends, `seconds` are over, or Ctrl-C.

    Reading, the network and `sink` (in the calling thread) run beside each other, and each takes
    the newest frame: a frame waits for at most the one before it, however slow they are. Of several
    models each scene gets the one that it needs, as in a file, and what stands still is kept from
    flickering if it is to be `steady`. `slower` says what to do where the network takes longer than
    the camera's frames last. `report` is called about once a second. Raises what reading
    or the network raised.
    """
    stop, failures, start = threading.Event(), list[BaseException](), time.monotonic()
    arrived: Latest[tuple[Any, float]] = Latest()
    done: Latest[tuple[Any, float]] = Latest()
    sharpen = _Sharpening(sharpener, steady=steady)
    pace = Pace(camera.rate, slower) if slower else None

    def read() -> None:
        for frame in camera.frames(stop):
            arrived.put((frame, time.monotonic()))

    def work() -> None:
        while (item := arrived.get()) is not None:
            frame, at = item
            begun = time.monotonic()
            done.put((_viewed(sharpen.of(frame, at - start), frame, sink.view), at))
            if pace and (quicker := pace(time.monotonic() - begun)):
                sharpen.take(quicker)

    def guarded(stage: Callable[[], None], out: Latest[Any]) -> None:
        try:
            stage()
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            failures.append(error)
            arrived.close()
        finally:
            out.close()

    threads = [
        threading.Thread(target=guarded, args=pair, daemon=True)
        for pair in ((read, arrived), (work, done))
    ]
    for thread in threads:
        thread.start()
    try:
        stats = _show(done, arrived, sink, seconds, report)
    finally:
        stop.set()
        arrived.close()
        for thread in threads:
            thread.join(_PATIENCE)
    if failures:
        raise failures[0]
    return stats


def _show(
    done: Latest[tuple[Any, float]],
    arrived: Latest[tuple[Any, float]],
    sink: Sink,
    limit: float | None,
    report: Callable[[LiveStats], object] | None,
) -> LiveStats:
    stats, start, told = LiveStats(), time.monotonic(), 0.0
    try:
        while not done.closed and (limit is None or stats.seconds < limit):
            item = done.get(timeout=0.05)
            stats.seconds = time.monotonic() - start
            stats.dropped = arrived.dropped + done.dropped
            if item is None:
                if not sink.idle():
                    break
                continue
            frame, at = item
            if not sink.show(frame, at - start, stats):
                break
            stats.shown += 1
            stats.latencies = [*stats.latencies[-249:], time.monotonic() - at]
            if report and stats.seconds - told >= 1:
                told = stats.seconds
                report(stats)
    except KeyboardInterrupt:
        pass  # how the user ends it
    return stats


class _Sharpening:
    """What each frame gets, by the frames before it."""

    def __init__(self, sharpener: Routed, *, steady: bool) -> None:
        self._steady = Steady() if steady else None
        self.take(sharpener)

    def take(self, sharpener: Routed) -> None:
        """From the next frame on, the models of `sharpener`."""
        self._following = Following(sharpener.router)
        self._ready = Ready(sharpener.router, _FORMAT, sharpener.crispening, studio=True)

    def of(self, frame: Any, seconds: float) -> "_ForFrame":
        """For `frame`, which arrived at `seconds`."""
        small = small_of(*luma_of(frame))
        single = self._ready(self._following(frame, small, seconds))

        def sharpened(converted: Any) -> Any:
            done = single(converted)
            if self._steady and single.changes:
                self._steady(plane_view(done, 0), small)
            elif self._steady:
                self._steady.leave(small)
            return done

        return _ForFrame(single.converted, sharpened)


@dataclass(frozen=True)
class _ForFrame:
    converted: Callable[[Any], Any]
    sharpened: Callable[[Any], Any]


def _viewed(sharpen: _ForFrame, frame: Any, view: str) -> Any:
    frame = sharpen.converted(frame)
    if view == "before":
        return frame
    if view == "after":
        return sharpen.sharpened(frame)
    kept = [_left(frame, plane).copy() for plane in range(3)]
    done = sharpen.sharpened(frame)
    for plane, half in enumerate(kept):
        _left(done, plane)[:] = half
    for index, (value, wide) in enumerate(_LINE):
        values = plane_view(done, index)
        values[:, values.shape[1] // 2 :][:, :wide] = value
    return done


def _left(frame: Any, index: int) -> Any:
    plane = plane_view(frame, index)
    return plane[:, : plane.shape[1] // 2]
