"""Write a video: sharpened frames encoded, everything else as it was."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.video.formats import (
    UNKEPT,
    bits,
    display_matrix,
    full_range,
    hdr_parameters,
    side_data,
    working_format,
)
from kdsharp.video.options import VideoOptions
from kdsharp.video.source import VideoSource
from kdsharp.video.threads import ordinary_priority

__all__ = ["Target", "copy_description", "lists_chapters", "muxer_options", "open_target"]

_DROP = {
    "audio": "audio",
    "subtitle": "subtitles",
    "data": "data",
    "attachment": "attachments",
    "video": "pictures",
}
_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION: the last frame keeps its length
_UNSPECIFIED = 2  # of primaries, transfer and matrix
_TURNABLE = {"mp4", "mov", "ipod", "3gp", "matroska", "webm"}
_MP4 = {"mp4", "mov", "ipod", "3gp"}


class Target:
    """An open output; `pixel_format` is what `encode` takes."""

    def __init__(
        self, container: Any, source: VideoSource, frame: Any, options: VideoOptions
    ) -> None:
        options = options.settled(container.format.name, bits(frame.format.name))
        self._container, self._source, self._options = container, source, options
        self._where = str(source.path)
        self._codec = options.chosen
        self._size = tuple(side * (options.upscale or 1) for side in (frame.width, frame.height))
        self._refuse_what_is_lost(frame)
        self.pixel_format = self._pixel_format(frame)
        self._stream = self._video(frame)
        self._copies = {s.index: copy for s in source.others if (copy := self._copy(s))}
        container.metadata.update(source.tags)
        if "chapters" not in options.drop:
            container.set_chapters(source.container.chapters())
        self.lost_packets = 0

    def copy(self, packets: list[Any]) -> None:
        """Write packets of other tracks as they are."""
        import av

        for packet in packets:
            if (stream := self._copies.get(packet.stream.index)) is None:
                continue
            packet.stream = stream
            try:
                self._container.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):
                self.lost_packets += 1  # its times make no sense: the source is damaged

    def encode(self, frame: Any) -> None:
        """Write a sharpened frame; None ends the video."""
        import av

        packets = self._stream.encode(frame)
        try:
            self._container.mux(packets)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            raise UserError(f"{self._where}: is damaged: its timestamps make no sense") from error

    def start(self) -> None:
        """Write what stands before the first frame.

        Raises `UserError` where something does not fit into this kind of file.
        """
        import av

        try:
            with ordinary_priority():
                self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise self._misfit() from error

    def _pixel_format(self, frame: Any) -> str:
        import av

        known = {form.name for form in av.Codec(self._codec.encoder, "w").video_formats or ()}
        drop_alpha = "alpha" in self._options.drop
        try:
            form = working_format(frame.format.name, known, drop_alpha=drop_alpha)
        except UserError as error:
            raise UserError(f"{self._where}: {error}") from error
        # Where chroma has half the lines or columns, these encoders take no odd ones.
        chroma = av.VideoFormat(form, 16, 16)
        steps = 16 // chroma.chroma_width(), 16 // chroma.chroma_height()
        width, height = self._size
        if self._codec.even and (width % steps[0] or height % steps[1]):
            raise UserError(
                f"{self._where}: has {width}x{height} pixels, and "
                f"{self._options.codec} needs even sides: choose --codec vp9 or av1"
            )
        return form

    def _refuse_what_is_lost(self, frame: Any) -> None:
        for name, _ in side_data(frame):
            what = UNKEPT.get(name)
            if what and what not in self._options.drop:
                raise UserError(f"{self._where}: has {name}, which is not kept: --drop {what}")

    def _video(self, frame: Any) -> Any:
        source, name = self._source.stream, self._container.format.name
        try:
            stream = self._container.add_stream(
                self._codec.encoder,
                rate=source.guessed_rate or source.average_rate or Fraction(25),
                options=self._options.encoder_options(self._hdr(frame)),
            )
        except ValueError as error:
            raise UserError(
                f"a {name} file cannot hold {self._options.codec}: name another output, such as "
                ".mkv, or another --codec"
            ) from error
        context = stream.codec_context
        (context.width, context.height), context.pix_fmt = self._size, self.pixel_format
        context.time_base = stream.time_base = source.time_base
        context.flags |= _FRAME_DURATION
        context.thread_type = (
            "FRAME"  # PyAV's default cuts the picture into slices, which costs bits
        )
        context.sample_aspect_ratio = source.sample_aspect_ratio or Fraction(0)
        for tag in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(context, tag, getattr(frame, tag))
        if frame.format.is_rgb:
            context.color_range, context.colorspace = 1, 1  # studio range, BT.709
        elif full_range(frame):
            context.color_range = 2
        if name in _MP4 and self._options.codec == "hevc":
            context.codec_tag = "hvc1"  # Apple's players do not know FFmpeg's own hev1
        self._turn(stream, frame)
        copy_description(stream, source)
        return stream

    def _turn(self, stream: Any, frame: Any) -> None:
        matrix = display_matrix(frame)
        if matrix is None or "rotation" in self._options.drop:
            return
        name = self._container.format.name
        if name not in _TURNABLE:
            raise UserError(
                f"{self._where}: is marked as rotated, which a {name} file cannot hold: name "
                "another output, such as .mp4, or --drop rotation"
            )
        stream.set_display_matrix(matrix)

    def _hdr(self, frame: Any) -> str | None:
        if "hdr" in self._options.drop:
            return None
        text = hdr_parameters(frame, self._codec.own or "x265-params")
        if text and self._codec.own is None:
            able = "av1" if self._container.format.name == "webm" else "hevc"
            raise UserError(
                f"{self._where}: has HDR10's marks, which {self._options.codec} cannot hold: "
                f"choose --codec {able}, or --drop hdr"
            )
        return text

    def _copy(self, source: Any) -> Any:
        """A track like `source`, or None for one to be left out."""
        what = _DROP.get(source.type, "data")
        if what in self._options.drop or lists_chapters(source, self._source):
            return None
        try:
            stream = self._container.add_stream_from_template(source, opaque=True)
        except ValueError as error:
            raise self._misfit(source) from error
        copy_description(stream, source)
        return stream

    def _misfit(self, source: Any = None) -> UserError:
        name = self._container.format.name
        tracks = [source] if source else [s for s in self._source.others if s.index in self._copies]
        listed = ", ".join(_called(track) for track in tracks) or "this video"
        drops = sorted({_DROP.get(track.type, "data") for track in tracks})
        advice = f", or --drop {','.join(drops)}" if drops else ""
        return UserError(
            f"{self._where}: a {name} file cannot hold {listed}: name another output, such as "
            f".mkv{advice}"
        )


@contextlib.contextmanager
def open_target(
    path: Path, source: VideoSource, frame: Any, options: VideoOptions
) -> Iterator[Target]:
    """Open `path` for a video like `source`, whose first frame is `frame`.

    Raises `UserError` for a suffix that FFmpeg does not know, and for what cannot be kept.
    """
    import av

    # SVT-AV1 is chatty on stderr unless it is told not to be.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        container = av.open(f"file:{path}", "w", options=muxer_options(path, source))
    except ValueError as error:
        raise UserError(
            f"{path.suffix or path.name!r} is not a kind of video: name an output that ends with "
            ".mp4, .mkv or .mov"
        ) from error
    with container:
        target = Target(container, source, frame, options)
        target.start()
        yield target


def muxer_options(path: Path, source: VideoSource) -> dict[str, str]:
    """What the muxer of a file like `path` needs to keep all tags of `source`."""
    # Cameras put their position and model under names with dots, which MP4 has a place for only
    # when asked; players find the usual names more easily without.
    dotted = any("." in key for key in source.container.metadata)
    if dotted and path.suffix.lower() in (".mp4", ".mov", ".m4v"):
        return {"movflags": "use_metadata_tags"}
    return {}


def lists_chapters(track: Any, source: VideoSource) -> bool:
    """Whether it is QuickTime's track of text that lists chapters, which the muxer writes anew."""
    return getattr(track, "name", None) == "bin_data" and bool(source.container.chapters())


def copy_description(stream: Any, source: Any) -> None:
    """Give the track `stream` the disposition and the tags of `source`."""
    stream.disposition = source.disposition
    stream.metadata.update(
        {key: value for key, value in source.metadata.items() if key not in ("encoder", "DURATION")}
    )


def _called(track: Any) -> str:
    codec = track.codec_context.name if track.codec_context else "of unknown kind"
    return f"track {track.index} ({track.type}, {codec})"
