"""`kdsharp live`."""

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsharp.cli.options import (
    Codec,
    Crf,
    Crisp,
    EngineName,
    Model,
    Precision,
    Preset,
    Quiet,
    Runtime,
    Scale,
    Steady,
    Strength,
    Threads,
    load_sharpener,
    quicker_than,
)
from kdsharp.errors import UserError

if TYPE_CHECKING:
    from kdsharp.video.camera import Camera
    from kdsharp.video.live import LiveStats, Sink
    from kdsharp.video.options import VideoOptions

__all__ = ["live"]


def live(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera (0, /dev/video0; video=NAME on Windows), an address (rtsp://...), or a "
            "file, which plays at its own rate.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A video to write, instead of a window.")
    ] = None,
    virtual_camera: Annotated[
        bool,
        typer.Option("--virtual-camera", help="Act as a camera for other programs; no window."),
    ] = False,
    view: Annotated[
        str, typer.Option(help="after, split (the original on the left) or before.")
    ] = "after",
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="To request from a camera, such as 1280x720.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="To request from a camera.")] = None,
    model: Model = None,
    scale: Scale = None,
    strength: Strength = 1.0,
    crisp: Crisp = 0.0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    codec: Codec = None,
    crf: Crf = None,
    preset: Preset = None,
    steady: Steady = True,
    quiet: Quiet = False,
) -> None:
    """Sharpen live video, into a window, a file or a virtual camera, until Ctrl-C.

    A frame that comes while another is at work is dropped rather than delayed. Sound is left out.
    Where the processor is too slow for the camera, nano models are taken, which is said.

    \b
    Examples:
      kdsharp live 0
      kdsharp live rtsp://192.168.0.7/stream -o watch.mkv --seconds 60
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp.video.camera import open_camera
    from kdsharp.video.live import VIEWS, run_live
    from kdsharp.video.options import VideoOptions
    from kdsharp.video.pace import Slower

    if view not in VIEWS:
        raise UserError(f"view {view!r} is unknown: choose {', '.join(VIEWS)}")
    if out and virtual_camera:
        raise UserError("choose either --out or --virtual-camera")
    if out and Path(source).exists() and out.exists() and out.samefile(source):
        raise UserError(f"{out}: is the source itself: name another output")
    options = VideoOptions(codec, crf, preset, steady=steady, realtime=True)
    runtime = Runtime(model, strength, engine, precision, threads, quiet, crisp)
    sharpener, quicker = load_sharpener(runtime, scale), quicker_than(runtime, scale)
    slower = Slower(partial(quicker, 1) if quicker else None, _silent if quiet else _said)
    with (
        open_camera(source, size, fps) as camera,
        _sink(out, virtual_camera, camera, options, view) as sink,
    ):
        stats = run_live(
            camera, sharpener, sink, seconds=seconds, report=_report, steady=steady, slower=slower
        )
        if out and not stats.shown:
            raise UserError(f"{source}: no picture arrived, so nothing is written to {out}")
    where = f" to {out}" if out else ""
    if sys.stderr.isatty():
        typer.echo(f"\r{' ' * 79}\r", nl=False, err=True)
    if quiet:
        return
    typer.echo(f"{stats.shown} frames in {stats.seconds:.1f} s{where}: {stats}")


def _sink(
    out: Path | None, virtual: bool, camera: "Camera", options: "VideoOptions", view: str
) -> "contextlib.AbstractContextManager[Sink]":
    from kdsharp.video import sinks

    if out:
        return sinks.file_sink(out, camera, options, view)
    if virtual:
        return sinks.virtual_camera(camera, view)
    return sinks.window(f"kdsharp: {camera.name}", view)


def _said(line: str) -> None:
    start = "\r" if sys.stderr.isatty() else ""
    typer.echo(f"{start}kdsharp: {line}", err=True)


def _silent(_: str) -> None:
    pass


def _report(stats: "LiveStats") -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{stats}   ", nl=False, err=True)
