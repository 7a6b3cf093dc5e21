"""`kdsharp sharpen`."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.cli.options import (
    Codec,
    Crf,
    Crisp,
    Drop,
    EngineName,
    Load,
    Model,
    Precision,
    Preset,
    Quiet,
    Runtime,
    Scale,
    Steady,
    Strength,
    Threads,
    names_of,
    quicker_than,
)
from kdsharp.errors import UserError

__all__ = ["sharpen"]


def sharpen(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="Photos, videos, folders, patterns, or -."),
    ],
    out: Annotated[
        str | None, typer.Option("-o", "--out", help="Output file, or folder ending with /, or -.")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the photos themselves.")
    ] = False,
    model: Model = None,
    scale: Scale = None,
    upscale: Annotated[
        int | None,
        typer.Option(min=2, max=4, help="Enlarge 2, 3 or 4 times and undo the blur this causes."),
    ] = None,
    strength: Strength = 1.0,
    crisp: Crisp = 0.0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    form: Annotated[
        str | None, typer.Option("--format", help="For the outputs, such as png; else the photo's.")
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="For JPEG and WebP; default: a JPEG's own."),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip outputs that already exist.")
    ] = False,
    table: Annotated[
        Path | None, typer.Option("--csv", help="A CSV file to write, a row for each photo.")
    ] = None,
    observe: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder for statistics of the photos, JSON lines."),
    ] = None,
    codec: Codec = None,
    crf: Crf = None,
    preset: Preset = None,
    drop: Drop = "",
    steady: Steady = True,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime",
            help="For videos: as quick as they play, by a quick preset and, if need be, nano "
            "models.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Sharpen photos and videos: a file, several, or whole folders, whose trees are kept.

    \b
    Examples:
      kdsharp sharpen photo.jpg -o sharp.jpg
      kdsharp sharpen holiday/ 'scans/**/*.png' -o sharpened/ --strength 0.7
      kdsharp sharpen photo.jpg -o large.jpg --upscale 2
      kdsharp sharpen clip.mp4 -o large.mp4 --upscale 2
      kdsharp sharpen sharp.jpg -o crisp.jpg --crisp 0.5
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp.batch.request import Request, sharpen_all
    from kdsharp.batch.streams import standard_streams
    from kdsharp.video.options import VideoOptions

    if in_place == (out is not None):
        raise UserError("name an output with -o or say --in-place, but not both")
    if in_place and (form or skip_existing):
        raise UserError("--in-place goes with neither --format nor --skip-existing")
    if in_place and Path("-") in inputs:
        raise UserError("--in-place needs files to replace, not -")
    if upscale and scale not in (None, str(upscale)):
        raise UserError(f"--upscale {upscale} undoes its own blur: leave out --scale {scale}")
    runtime = Runtime(model, strength, engine, precision, threads, quiet, crisp)
    with standard_streams(inputs, out, form) as (sources, target):
        request = Request(
            inputs=sources,
            out=target,
            form=form,
            upscale=upscale,
            quality=quality,
            skip_existing=skip_existing,
            table=table,
            observe=observe,
            video=VideoOptions(
                codec, crf, preset, names_of(drop), steady=steady, realtime=realtime
            ),
            load=Load(runtime, upscale or scale),
            quicker=quicker_than(runtime, upscale or scale),
        )
        sharpen_all(request, tell=_tell if not quiet and out != "-" else lambda _: None)


def _tell(line: str) -> None:
    # A name that is not UTF-8 is shown with its bytes escaped.
    typer.echo(line.encode(errors="backslashreplace").decode())
