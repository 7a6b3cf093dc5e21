"""A camera, a stream or a file that plays at its own rate, as frames that arrive."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.video.formats import import_av

__all__ = ["READING", "Camera", "open_camera"]

READING = 5.0
"""Seconds after which an open stream that says nothing is given up."""

_OPENING = 15.0  # and one that does not open
_LATE = 1.0  # seconds behind after which a file's clock starts anew
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
    "win32": ("dshow", "video={}"),
}


class Camera:
    """What `open_camera` has opened; `width`, `height` and `rate` (frames per second) are its own.

    `paced` says that frames have to be held back until their time, as a file's have.
    """

    def __init__(self, name: str, container: Any, *, paced: bool) -> None:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise UserError(f"{name}: has no video that can be decoded")
        self.name, self.paced = name, paced
        self._container, self._stream = container, container.streams.video[0]
        # Frame threads would hold back as many frames as there are threads.
        self._stream.thread_type = "SLICE"
        self.width, self.height = self._stream.width, self._stream.height
        self.rate = float(self._stream.guessed_rate or self._stream.average_rate or 25)

    def frames(self, stop: threading.Event) -> Iterator[Any]:
        """Frames as they arrive, until the end or `stop`; what cannot be decoded is left out.

        Raises `UserError` where a stream breaks off.
        """
        import av

        started: float | None = None
        demuxed = self._container.demux(self._stream)
        while not stop.is_set():
            try:
                packet = next(demuxed)
            except StopIteration:
                return
            except av.FFmpegError as error:
                raise UserError(f"{self.name}: breaks off: {error.strerror}") from error
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if self.paced and frame.time is not None:
                    started = _wait(started, frame.time, stop)
                yield frame


@contextlib.contextmanager
def open_camera(
    source: str, size: str | None = None, rate: float | None = None
) -> Iterator[Camera]:
    """Open a camera by its number, path or name, a stream by its address, or a file.

    `size` (as `1280x720`) and `rate` are requested from a camera. Raises `UserError` if it does not
    open.
    """
    av = import_av()
    form, name, options = _address(source)
    if form:
        options |= {"video_size": size} if size else {}
        options |= {"framerate": str(rate)} if rate else {}
    try:
        container = av.open(
            name, format=form, container_options=options, timeout=(_OPENING, READING)
        )
    except (av.FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{source}: cannot be opened: {why}") from error
    with container:
        yield Camera(source, container, paced=form is None and "://" not in source)


def _address(source: str) -> tuple[str | None, str, dict[str, str]]:
    """FFmpeg's name of the device's driver (None for a file or a stream), its place, options."""
    driver, pattern = _DEVICES.get(sys.platform, _DEVICES["linux"])
    if source.isdecimal() and sys.platform != "win32":
        return driver, pattern.format(source), {}
    if source.startswith(("/dev/video", "video=")):
        return driver, source, {}
    if "://" in source:
        stream = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
        return None, source, {"fflags": "nobuffer", **stream}
    if not Path(source).is_file():
        raise UserError(
            f"{source}: not a file, an address with :// or a camera: cameras are "
            f"{'0, 1 ...' if sys.platform != 'win32' else 'video=NAME'}"
        )
    return None, f"file:{source}", {"protocol_whitelist": "file"}


def _wait(started: float | None, at: float, stop: threading.Event) -> float:
    """Sleep until a frame of time `at` is due; the moment at which time 0 was, or would have been.

    Where reading is too slow for the file's rate, its clock starts anew instead of falling behind.
    """
    now = time.monotonic()
    if started is None or now - (started + at) > _LATE:
        return now - at
    stop.wait(max(0.0, started + at - now))
    return started
