"""Video in, sharpened video out."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from kdsharp.errors import KdsharpError, UserError
from kdsharp.files import atomic_file
from kdsharp.sharpen import Sharpener
from kdsharp.video.frames import FrameSharpener
from kdsharp.video.options import VideoOptions, VideoResult
from kdsharp.video.ordered import ordered_map
from kdsharp.video.source import Source, Unit, open_source
from kdsharp.video.target import Target, open_target

__all__ = ["sharpen_video"]

_AHEAD = 4  # frames that wait between the stages, beside those that are worked on


def sharpen_video(
    source: Path,
    target: Path,
    sharpener: Sharpener,
    options: VideoOptions | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> VideoResult:
    """Sharpen the video at `source` into `target`, whose suffix says what kind of file it is.

    Decoding, the network and encoding run beside each other; the network as many times as
    `sharpener.engine.streams` says. Other tracks, chapters, metadata and every timestamp are kept.
    `progress` is called after each frame with how many are done and how many there ought to be.
    Returns what was written; of a damaged source that is everything that could be read. Raises
    `UserError`, and writes nothing, for a file that is no video, for what cannot be kept, and when
    `target` is `source`.
    """
    source, target = Path(source), Path(target)
    options = options or VideoOptions()
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target}: is the video itself: name another output")
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
            _run(_rejoined(first, units), out, video, sharpener, progress)
    damage, lost = video.damage, out.lost_packets
    if lost and not damage:
        damage = f"is damaged: {lost} packets of other tracks are lost"
    report = f"{source}: {damage}: what could be read is in {target}" if damage else None
    return VideoResult(video.frames, report)


@contextlib.contextmanager
def _named(source: Path, target: Path) -> Iterator[None]:
    """Let errors of FFmpeg speak of the files that a person named."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise KdsharpError(f"{source}: FFmpeg cannot go on: {error.strerror}") from error


def _run(
    units: Generator[Unit],
    out: Target,
    video: Source,
    sharpener: Sharpener,
    progress: Callable[[int, int | None], object] | None,
) -> None:
    """The three stages: `units` are decoded and sharpened in threads, and encoded in this one."""
    sharpen = FrameSharpener(sharpener, out.pixel_format)

    def work(unit: Unit) -> Unit:
        return unit if unit.frame is None else Unit(sharpen(unit.frame), unit.packets)

    workers, done, total = sharpener.engine.streams, 0, video.total
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
