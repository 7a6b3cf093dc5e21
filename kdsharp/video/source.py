"""Read a video: its frames in order with the packets of its other tracks, and what is damaged."""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.video.formats import import_av

__all__ = ["Unit", "VideoSource", "open_source"]

# FFmpeg's names of what `VIDEO_SUFFIXES` stand for.
_FORMATS = "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,mxf,ogg,asf"
_MUXER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")
_COVER = 1024  # AV_DISPOSITION_ATTACHED_PIC
_DECLARING = ("mov", "matroska", "avi")  # these formats write down how long they are
_SECOND = 1_000_000  # of the container's clock
_MISSING = 0.25  # seconds at the end that may be missing without a word
_WAITING = 1 << 26  # bytes of other tracks that may stand before the first frame


@dataclass(frozen=True)
class Unit:
    """A frame and the packets of other tracks that stand before it; at the end, no frame."""

    frame: Any
    packets: list[Any]


class VideoSource:
    """An open video: `stream` is the track to sharpen, `others` the rest.

    `frames` counts what `units` has given so far; `total` is how many there ought to be, None where
    the file does not say.
    """

    def __init__(self, path: Path, container: Any) -> None:
        videos = [s for s in container.streams.video if not s.disposition & _COVER]
        if not videos:
            raise UserError(f"{path}: has no video track")
        if videos[0].codec_context is None:
            raise UserError(f"{path}: its video is of a kind that FFmpeg cannot decode here")
        self.path, self.container, self.stream = path, container, videos[0]
        self.others = [s for s in container.streams if s.index != self.stream.index]
        self.frames, self.total = 0, _expected(container, self.stream)
        self._bad: list[int] = []
        self._ended: str | None = None
        self._seen, self._until = 0, 0.0
        # Frames are independent enough to be decoded in several threads, slices seldom are.
        self.stream.thread_type = "AUTO"

    @property
    def rate(self) -> float:
        """Frames a second, as far as the file tells."""
        return float(self.stream.guessed_rate or self.stream.average_rate or 25)

    @property
    def span(self) -> tuple[float, float | None]:
        """When it begins and ends, in seconds, as the file declares; None if it does not."""
        start, length = (self.container.start_time or 0) / _SECOND, self.container.duration
        if length is None:
            return start, None
        # Matroska declares when it ends, the others how long they are.
        from_zero = self.container.format.name.startswith("matroska")
        return start, length / _SECOND + (0.0 if from_zero else start)

    @property
    def tags(self) -> dict[str, str]:
        """What the file says of itself, without what every muxer writes by itself."""
        return {k: v for k, v in self.container.metadata.items() if k not in _MUXER_TAGS}

    @property
    def damage(self) -> str | None:
        """What was wrong, in words that follow the file's name; None if nothing was."""
        if self._ended:
            known = f" of {self.total}" if self.total and self.total > self.frames else ""
            return f"{self._ended} after frame {self.frames}{known}"
        if self._bad:
            places = "in one place" if len(self._bad) == 1 else f"in {len(self._bad)} places"
            return f"is damaged {places}, first at frame {self._bad[0]}"
        return None

    def units(self) -> Generator[Unit]:
        """Every frame as decoded, in the order of time, each with a time of its own.

        What cannot be decoded is left out and noted. Where the file breaks off, or its frames
        change their size, the units end, and that is noted too. Raises `UserError` where a frame
        is interlaced, and where nothing but other tracks comes.
        """
        packets: list[Any] = []
        waiting, first, last = 0, None, None
        for packet in self._packets():
            if packet.stream.index != self.stream.index:
                if packet.size:
                    packets.append(packet)
                    waiting += packet.size
                if not self.frames and waiting > _WAITING:
                    raise UserError(f"{self.path}: no picture could be decoded")
                continue
            for frame in self._decoded(packet):
                if first is None:
                    first = frame
                if _shape(frame) != _shape(first):
                    self._ended = "changes the size or kind of its pictures"
                    yield Unit(None, packets)
                    return
                self._check(frame)
                last = frame.pts = self._time(frame, last)
                self.frames += 1
                yield Unit(frame, packets)
                packets = []
        self._look_for_an_early_end()
        yield Unit(None, packets)

    def _packets(self) -> Iterator[Any]:
        """What the file holds until it ends or breaks off, then the empty ones that flush."""
        import av

        demuxed = self.container.demux()
        while True:
            try:
                packet = next(demuxed)
            except StopIteration:
                return
            except (av.FFmpegError, IndexError):  # the latter where tracks appear in the middle
                self._ended = "breaks off"
                break
            self._note(packet)
            yield packet
        flush = av.Packet()
        flush.stream = self.stream
        flush.time_base = self.stream.time_base
        yield flush

    def _note(self, packet: Any) -> None:
        at = packet.dts if packet.pts is None else packet.pts
        if at is not None:
            end = float((at + (packet.duration or 0)) * packet.time_base)
            self._until = max(self._until, end)
        if packet.stream.index == self.stream.index and packet.size:
            self._seen += 1

    def _decoded(self, packet: Any) -> list[Any]:
        import av

        try:
            frames = list(packet.decode())
        except av.FFmpegError:
            self._bad.append(self.frames + 1)
            return []
        self._bad += [self.frames + 1 + i for i, frame in enumerate(frames) if frame.is_corrupt]
        return frames

    def _check(self, frame: Any) -> None:
        if frame.interlaced_frame:
            raise UserError(
                f"{self.path}: frame {self.frames + 1} is interlaced: deinterlace it first, for "
                "example with ffmpeg -i IN -vf bwdif OUT"
            )

    def _time(self, frame: Any, last: int | None) -> int:
        """The frame's time; where it has none, or not one after the last, the next there is."""
        at = frame.dts if frame.pts is None else frame.pts
        if last is None:
            return int(at or 0)
        if frame.pts is None or at is None:
            rate, base = self.stream.guessed_rate, self.stream.time_base
            return last + max(1, frame.duration or (round(1 / (rate * base)) if rate else 1))
        if at <= last:
            self._bad.append(self.frames + 1)
        return max(int(at), last + 1)

    def _look_for_an_early_end(self) -> None:
        form = self.container.format.name
        if self._ended or not form.startswith(_DECLARING):
            return
        start, end = self.span
        length = (start if end is None else end) - start
        if form == "avi" and self.stream.average_rate:  # what it says of its length is a guess
            length = max(length, float(self.stream.frames / self.stream.average_rate))
        missing = start + length - self._until > max(_MISSING, length / 1000)
        counted = form.startswith("mov")  # AVI counts empty ones as well
        if missing or (counted and self._seen < self.stream.frames):
            self._ended = "breaks off"


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[VideoSource]:
    """Open the video at `path`. Raises `UserError` if it is not a readable video.

    Only files of a video format are read, whatever their name: neither still pictures nor
    playlists, which name other files.
    """
    av = import_av()
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if not path.is_file():
        raise UserError(f"{path}: not a file")
    try:
        # Named as a file, because FFmpeg takes "a:b.mp4" for a protocol; nothing but files may be
        # opened, because playlists name other things, on other machines.
        container = av.open(
            f"file:{path}",
            container_options={"protocol_whitelist": "file", "format_whitelist": _FORMATS},
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise UserError(f"{path}: permission denied") from error
    except (av.FFmpegError, ValueError) as error:
        raise UserError(f"{path}: not a video that FFmpeg can read, or its start is damaged") from (
            error
        )
    with container:
        yield VideoSource(path, container)


def _expected(container: Any, stream: Any) -> int | None:
    if stream.frames:
        return int(stream.frames)
    rate, length = stream.average_rate, container.duration
    return round(rate * Fraction(length, _SECOND)) if rate and length else None


def _shape(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
