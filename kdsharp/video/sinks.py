"""Where live video goes: a window, a file, or a camera that other programs see."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.video.camera import Camera
from kdsharp.video.live import VIEWS, LiveStats
from kdsharp.video.options import VideoOptions
from kdsharp.video.threads import ordinary_priority

__all__ = ["FileSink", "VirtualCameraSink", "WindowSink", "file_sink", "virtual_camera", "window"]

_CLOCK = Fraction(1, 90_000)
_BITS = 8  # of live frames
_MARGIN = 120  # pixels of the screen that windows' frames and bars take


class FileSink:
    """Encodes each frame at the time at which it arrived."""

    def __init__(self, container: Any, stream: Any, view: str) -> None:
        self.view = view
        self._container, self._stream, self._last = container, stream, -1

    def show(self, frame: Any, seconds: float, stats: LiveStats) -> bool:  # noqa: ARG002
        """Encode `frame`; never the end."""
        self._last = max(round(seconds / _CLOCK), self._last + 1)
        frame.pts, frame.time_base, frame.pict_type = self._last, _CLOCK, 0
        self._container.mux(self._stream.encode(frame))
        return True

    def idle(self) -> bool:
        """Nothing to do."""
        return True

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextlib.contextmanager
def file_sink(path: Path, camera: Camera, options: VideoOptions, view: str) -> Iterator[FileSink]:
    """A new video at `path`, which appears there when the block ends without an error.

    Raises `UserError` for an unknown kind of file, or one that cannot hold the codec.
    """
    import av

    with atomic_file(path) as temporary:
        try:
            container = av.open(f"file:{temporary}", "w")
            options = options.settled(container.format.name, _BITS)
            stream: Any = container.add_stream(
                options.chosen.encoder,
                rate=Fraction(camera.rate).limit_denominator(1001),
                options=options.encoder_options(),
            )
        except ValueError as error:
            raise UserError(
                f"{path}: cannot hold {options.codec}: name a file that ends with .mp4 or .mkv"
            ) from error
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = camera.width, camera.height, "yuv420p"
        context.time_base = stream.time_base = _CLOCK
        context.color_range = 1  # AVCOL_RANGE_MPEG, which live frames are brought to
        context.thread_type = "FRAME"
        with container:
            try:
                with ordinary_priority():
                    container.start_encoding()
            except av.FFmpegError as error:
                raise UserError(
                    f"{path}: {camera.width}x{camera.height} pixels cannot be encoded with "
                    f"{options.codec}, which may need even sides"
                ) from error
            sink = FileSink(container, stream, view)
            yield sink
            sink.finish()


class VirtualCameraSink:
    """Sends each frame to a camera that exists in software."""

    def __init__(self, device: Any, view: str) -> None:
        self.view, self._device = view, device

    def show(self, frame: Any, seconds: float, stats: LiveStats) -> bool:  # noqa: ARG002
        """Send `frame`; never the end."""
        self._device.send(frame.to_ndarray().ravel())
        return True

    def idle(self) -> bool:
        """Nothing to do."""
        return True


@contextlib.contextmanager
def virtual_camera(camera: Camera, view: str) -> Iterator[VirtualCameraSink]:
    """A virtual camera as large as `camera`: v4l2loopback on Linux, OBS elsewhere.

    Raises `UserError` if pyvirtualcam or such a device is missing.
    """
    try:
        import pyvirtualcam
    except ImportError as error:
        raise UserError(
            'a virtual camera needs pyvirtualcam: pip install "kdsharp[camera]"'
        ) from error
    try:
        device = pyvirtualcam.Camera(
            camera.width, camera.height, camera.rate, fmt=pyvirtualcam.PixelFormat.I420
        )
    except RuntimeError as error:
        raise UserError(
            "there is no virtual camera: on Linux run modprobe v4l2loopback, elsewhere install OBS"
        ) from error
    with device:
        yield VirtualCameraSink(device, view)


class WindowSink:
    """A window with the picture and a line of figures; space changes the view, q closes it."""

    def __init__(self, root: Any, view: str) -> None:
        import tkinter

        from PIL import ImageTk

        self.view, self._root, self._open = view, root, True
        self._photo_of: Any = ImageTk.PhotoImage
        self._photo: Any = None
        self._picture = tkinter.Label(root, borderwidth=0)
        self._line = tkinter.Label(root, anchor="w", font="TkFixedFont")
        self._picture.pack()
        self._line.pack(fill="x")
        root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("q", "<Escape>"):
            root.bind(key, self._close)
        root.bind("<space>", self._next_view)

    def show(self, frame: Any, seconds: float, stats: LiveStats) -> bool:  # noqa: ARG002
        """Draw `frame` and the figures; False once the window is closed."""
        room = self._root.winfo_screenwidth(), self._root.winfo_screenheight() - _MARGIN
        scale = min(1.0, room[0] / frame.width, room[1] / frame.height)
        size = round(frame.width * scale), round(frame.height * scale)
        image = frame.reformat(*size, format="rgb24").to_image()
        if self._photo is None or (self._photo.width(), self._photo.height()) != size:
            self._photo = self._photo_of(image, master=self._root)
            self._picture.configure(image=self._photo)
        else:
            self._photo.paste(image)
        self._line.configure(text=f"{stats}  |  {self.view}: space changes, q closes")
        return self.idle()

    def idle(self) -> bool:
        """Let the window answer; False once it is closed."""
        if self._open:
            self._root.update()
        return self._open

    def _close(self, *_: Any) -> None:
        self._open = False

    def _next_view(self, *_: Any) -> None:
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]


@contextlib.contextmanager
def window(title: str, view: str) -> Iterator[WindowSink]:
    """A window of tkinter, which comes with Python. Raises `UserError` if it is not available."""
    try:
        import tkinter
    except ImportError as error:
        raise UserError(
            "a window needs tkinter: install python3-tk, or write to a file with -o"
        ) from error
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        raise UserError("there is no screen for a window: write to a file with -o") from error
    root.title(title)
    try:
        yield WindowSink(root, view)
    finally:
        root.destroy()
