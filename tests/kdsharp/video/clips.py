"""Small videos made up for tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(height, width, 3) uint8: soft waves that move, with a bright box."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 80 * np.sin((x + index * 2) / (4 + c)) * np.cos(y / (5 + c)) for c in range(3)]
    rgb = np.stack(planes, axis=2)
    rgb[10:20, 10 + index % 20 : 30 + index % 20] = 240
    return rgb.astype(np.uint8)


def frame(index: int, form: str = "yuv420p", width: int = WIDTH, height: int = HEIGHT):
    made = av.VideoFrame.from_ndarray(picture(index, width, height), "rgb24")
    return made.reformat(format=form)


def make_clip(
    path: Path,
    *,
    times: list[int] | None = None,
    time_base: Fraction = Fraction(1, 600),
    codec: str = "libx264",
    form: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    audio: str | None = None,
    options: dict[str, str] | None = None,
    context: dict[str, object] | None = None,
    chapters: bool = False,
    rotation: int | None = None,
    subtitle: bool = False,
    attachment: bool = False,
    file_options: dict[str, str] | None = None,
) -> Path:
    """A video at `path`: `times` in `time_base` (24 frames, evenly), and what else is asked for."""
    times = times if times is not None else [24 * i for i in range(24)]
    with av.open(str(path), "w", options=file_options or {}) as out:
        out.metadata["title"] = "A title, ünïcode"
        out.metadata["creation_time"] = "2020-02-03T04:05:06.000000Z"
        video = out.add_stream(
            codec, rate=25, options={"crf": "18"} if options is None else options
        )
        video.codec_context.time_base = video.time_base = time_base
        video.width, video.height, video.pix_fmt = *size, form
        for name, value in (context or {}).items():
            setattr(video.codec_context, name, value)
        if rotation is not None:
            video.set_display_rotation(rotation)
        sound = out.add_stream(audio, rate=8000, layout="mono") if audio else None
        if sound:
            sound.metadata["language"] = "deu"
        text = out.add_mux_stream("subrip") if subtitle else None
        if attachment:
            out.add_attachment("font.ttf", "font/ttf", b"not really a font")
        if chapters:
            out.set_chapters([_chapter(0, 0, 300, "One"), _chapter(1, 300, 576, "Two")])
        if sound:
            _add_sound(out, sound)
        for index, at in enumerate(times):
            made = frame(index, form, *size)
            made.pts, made.time_base = at, time_base
            out.mux(video.encode(made))
        out.mux(video.encode(None))
        if text:
            packet = av.Packet(b"Hello")
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 100
            packet.duration = 500
            out.mux(packet)
    return path


def packets(path: Path, kind: str) -> list[tuple]:
    """(time, decoding time, duration, bytes) of each packet of the first track of `kind`."""
    with av.open(str(path)) as opened:
        stream = next(s for s in opened.streams if s.type == kind)
        return [
            (p.pts * p.time_base, p.dts * p.time_base, (p.duration or 0) * p.time_base, bytes(p))
            for p in opened.demux(stream)
            if p.size
        ]


def frames(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as opened:
        return list(opened.decode(video=0))


def frame_times(path: Path) -> list[Fraction]:
    return [f.pts * f.time_base for f in frames(path)]


def _add_sound(out, stream) -> None:
    for index in range(8):
        t = (np.arange(1024) + index * 1024) / 8000
        samples = (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)[None]
        made = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        made.sample_rate, made.pts = 8000, index * 1024
        made.time_base = Fraction(1, 8000)
        out.mux(stream.encode(made))
    out.mux(stream.encode(None))


def _chapter(number: int, start: int, end: int, title: str) -> dict:
    base = Fraction(1, 600)
    return {
        "id": number,
        "start": start,
        "end": end,
        "time_base": base,
        "metadata": {"title": title},
    }
