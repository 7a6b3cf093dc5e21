"""Video in, sharpened video out."""

import contextlib
import dataclasses
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from kdsharp.errors import KdsharpError, UserError
from kdsharp.files import atomic_file
from kdsharp.routing.router import Look, Routed
from kdsharp.video.choice import Following, Ready, helped, looks_at_video
from kdsharp.video.enlarge import FrameEnlarger
from kdsharp.video.frames import FrameSharpener, plane_view
from kdsharp.video.options import VideoOptions, VideoResult
from kdsharp.video.pace import Pace, Slower
from kdsharp.video.remux import remuxed
from kdsharp.video.scenes import Small, luma_of, small_of
from kdsharp.video.source import Unit, VideoSource, open_source
from kdsharp.video.steady import Steady
from kdsharp.video.target import Target, open_target
from kdsharp.video.threads import ordered_map

__all__ = ["sharpen_video"]

_AHEAD = 4  # frames that wait between the stages, beside those that are worked on


def sharpen_video(
    source: Path,
    target: Path,
    sharpener: Routed,
    options: VideoOptions | None = None,
    progress: Callable[[int, int | None], object] | None = None,
    slower: Slower | None = None,
) -> VideoResult:
    """Sharpen the video at `source` into `target`, whose suffix says what kind of file it is.

    Of several models each scene gets the one that it needs, by some of its frames, which also tell
    where its grid begins; one that none would help stays as it is, and a video of only such scenes
    is copied, into another kind of file too, unless `options` ask for something else. One that
    `options` enlarge gets the model that undoes that, as photos do. What stands still is kept from
    flickering.
    Decoding, the network and encoding run beside each other; the network as many times as the
    engine's `streams`. Other tracks, chapters, metadata and every timestamp are kept.
    `progress` is called after each frame with how many are done and how many there ought to be.
    `slower` says what to do where `options` ask for real time and it is missed.
    Returns what was written; from a damaged source that is everything that could be read. Raises
    `UserError`, and writes nothing, if the file is not a video, if something cannot be kept, and if
    `target` is `source`.
    """
    source, target = Path(source), Path(target)
    options = options or VideoOptions()
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target}: is the video itself: name another output")
    crispening, looks = sharpener.crispening, list[Look]()
    if not options.upscale:
        with open_source(source) as looked_at:
            looks = looks_at_video(looked_at, sharpener.router)
        untouched = crispening is None and not helped(looks, sharpener.router)
        if untouched and options.rewrites_nothing and _copied(source, target):
            return VideoResult(0)
    with open_source(source) as video:
        units = video.units()
        first = next(units)
        if first.frame is None:
            raise UserError(f"{source}: no picture could be decoded")
        with (
            atomic_file(target) as temporary,
            _named(source, target),
            open_target(temporary, video, first.frame, options) as out,
        ):
            stages = _Stages(sharpener, looks, options, out.pixel_format)
            pace = Pace(video.rate, slower) if options.realtime and slower else None
            got = _run(_rejoined(first, units), out, video, stages, pace, progress)
    damage, lost = video.damage, out.lost_packets
    if lost and not damage:
        damage = f"is damaged: {lost} packets of other tracks are lost"
    report = f"{source}: {damage}: what could be read is in {target}" if damage else None
    crisp = crispening.strength if crispening else 0.0
    return VideoResult(video.frames, report, _most(got), crisp, tuple(got))


@dataclass(frozen=True)
class _Task:
    """A unit on its way: what sharpens its frame, if it has one, and the frame's small copy.

    `model` is the name of what it gets, None if it is left as it is.
    """

    unit: Unit
    small: Small | None = None
    single: FrameSharpener | FrameEnlarger | None = None
    model: str | None = None


class _Stages:
    """What is done to frames: `task` and `steady` in their order, what `task` says in threads."""

    def __init__(
        self, sharpener: Routed, looks: list[Look], options: VideoOptions, pixel_format: str
    ) -> None:
        """`looks` are those at the whole video, where the choice is by the picture."""
        self._format, self._times = pixel_format, options.upscale
        self._steady = Steady(self._times or 1) if options.steady else None
        self.workers = sharpener.router.first.engine.streams
        self.take(sharpener, looks)

    def take(self, sharpener: Routed, looks: list[Look] | None = None) -> None:
        """From the next frame on, the models of `sharpener`."""
        router, crispening = sharpener.router, sharpener.crispening
        if self._times:
            chosen = sharpener.enlarging(self._times)
            enlarge = FrameEnlarger(router.enlarger(chosen.model), self._format, crispening)
            self._choose: Callable[[Any, Small], _Chosen] = lambda *_: (enlarge, chosen.model)
            return
        following, ready = Following(router, looks), Ready(router, self._format, crispening)

        def choose(frame: Any, small: Small) -> _Chosen:
            choice = following(frame, small, frame.time or 0.0)
            return ready(choice), choice.model if choice else None

        self._choose = choose

    def task(self, unit: Unit) -> _Task:
        """For a unit with a frame."""
        small = small_of(*luma_of(unit.frame))
        return _Task(unit, small, *self._choose(unit.frame, small))

    def steady(self, task: _Task) -> None:
        """Keep the sharpened frame of `task` from flickering, if that is asked for."""
        if self._steady is None or task.single is None or task.small is None:
            return
        if task.single.changes:
            self._steady(plane_view(task.unit.frame, 0), task.small)
        else:
            self._steady.leave(task.small)


_Chosen = tuple[FrameSharpener | FrameEnlarger, str | None]


def _most(got: list[tuple[str | None, int]]) -> str | None:
    """The model that most frames got; of none, none."""
    counts = Counter[str]()
    for model, frames in got:
        if model is not None:
            counts[model] += frames
    return counts.most_common(1)[0][0] if counts else None


class _MisfitError(Exception):
    """Another kind of file cannot hold what is to be copied."""


def _copied(source: Path, target: Path) -> bool:
    """Write the pictures to `target` as they are, if its kind of file can hold them."""
    with contextlib.suppress(_MisfitError), atomic_file(target) as temporary:
        if source.suffix.lower() == target.suffix.lower():
            shutil.copyfile(source, temporary)
        else:
            with open_source(source) as video:
                if not remuxed(video, temporary):
                    raise _MisfitError
        return True
    return False


@contextlib.contextmanager
def _named(source: Path, target: Path) -> Iterator[None]:
    """Make FFmpeg's errors refer to the files that the user named."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise KdsharpError(f"{source}: FFmpeg cannot continue: {error.strerror}") from error


def _run(
    units: Generator[Unit],
    out: Target,
    video: VideoSource,
    stages: _Stages,
    pace: Pace | None,
    progress: Callable[[int, int | None], object] | None,
) -> list[tuple[str | None, int]]:
    """The three stages: `units` are decoded and sharpened in threads, and encoded in this one.

    Returns which models frames got, in their order, and how many in a row.
    """

    def work(task: _Task) -> _Task:
        if task.single is None:
            return task
        frame = task.single(task.unit.frame)
        return dataclasses.replace(task, unit=Unit(frame, task.unit.packets))

    got, total = list[str | None](), video.total
    tasks, ahead, last = _tasks(units, stages), stages.workers + _AHEAD, time.monotonic()
    with contextlib.closing(ordered_map(tasks, work, stages.workers, ahead)) as sharpened:
        for task in sharpened:
            out.copy(task.unit.packets)
            if task.unit.frame is None:
                continue
            stages.steady(task)
            out.encode(task.unit.frame)
            got.append(task.model)
            if pace:
                before, last = last, time.monotonic()
                if quicker := pace(last - before):
                    stages.take(quicker)
            if progress:
                progress(len(got), total)
    out.encode(None)
    return [(model, len(list(frames))) for model, frames in groupby(got)]


def _tasks(units: Generator[Unit], stages: _Stages) -> Generator[_Task]:
    with contextlib.closing(units):
        for unit in units:
            yield _Task(unit) if unit.frame is None else stages.task(unit)


def _rejoined(first: Unit, rest: Generator[Unit]) -> Generator[Unit]:
    with contextlib.closing(rest):
        yield first
        yield from rest
