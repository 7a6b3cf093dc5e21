"""Video in, sharpened video out."""

import contextlib
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from kdsharp.errors import KdsharpError, UserError
from kdsharp.files import atomic_file
from kdsharp.routing.router import Choice, Routed
from kdsharp.video.choice import fitted, look_at_video
from kdsharp.video.enlarge import FrameEnlarger
from kdsharp.video.frames import FrameSharpener
from kdsharp.video.options import VideoOptions, VideoResult
from kdsharp.video.remux import remuxed
from kdsharp.video.source import Unit, VideoSource, open_source
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
) -> VideoResult:
    """Sharpen the video at `source` into `target`, whose suffix says what kind of file it is.

    Of several models the one is taken that the video needs, by some of its frames, which also tell
    where its grid begins; a video that none would help is copied, into another kind of file too,
    unless `options` ask for something else. One that `options` enlarge gets the model that undoes
    that, as photos do.
    Decoding, the network and encoding run beside each other; the network as many times as the
    engine's `streams`. Other tracks, chapters, metadata and every timestamp are kept.
    `progress` is called after each frame with how many are done and how many there ought to be.
    Returns what was written; from a damaged source that is everything that could be read. Raises
    `UserError`, and writes nothing, if the file is not a video, if something cannot be kept, and if
    `target` is `source`.
    """
    source, target = Path(source), Path(target)
    options = options or VideoOptions()
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target}: is the video itself: name another output")
    router = sharpener.router
    choice: Choice | None
    if options.upscale:
        choice = sharpener.enlarging(options.upscale)
    else:
        with open_source(source) as looked_at:
            choice = router.choice(look_at_video(looked_at, router))
    crispening = sharpener.crispening
    untouched = choice is None and crispening is None
    if untouched and options == VideoOptions() and _copied(source, target):
        return VideoResult(0)

    def work_in(pixel_format: str) -> Callable[[Any], Any]:
        if choice and options.upscale:
            return FrameEnlarger(router.enlarger(choice.model), pixel_format, crispening)
        return FrameSharpener(fitted(router, choice), pixel_format, crispening=crispening)

    streams = router.first.engine.streams
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
            _run(_rejoined(first, units), out, video, work_in(out.pixel_format), streams, progress)
    damage, lost = video.damage, out.lost_packets
    if lost and not damage:
        damage = f"is damaged: {lost} packets of other tracks are lost"
    report = f"{source}: {damage}: what could be read is in {target}" if damage else None
    crisp = crispening.strength if crispening else 0.0
    return VideoResult(video.frames, report, choice.model if choice else None, crisp)


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
    sharpen: Callable[[Any], Any],
    workers: int,
    progress: Callable[[int, int | None], object] | None,
) -> None:
    """The three stages: `units` are decoded and sharpened in threads, and encoded in this one."""

    def work(unit: Unit) -> Unit:
        return unit if unit.frame is None else Unit(sharpen(unit.frame), unit.packets)

    done, total = 0, video.total
    with contextlib.closing(ordered_map(units, work, workers, workers + _AHEAD)) as sharpened:
        for unit in sharpened:
            out.copy(unit.packets)
            if unit.frame is None:
                continue
            out.encode(unit.frame)
            done += 1
            if progress:
                progress(done, total)
    out.encode(None)


def _rejoined(first: Unit, rest: Generator[Unit]) -> Generator[Unit]:
    with contextlib.closing(rest):
        yield first
        yield from rest
