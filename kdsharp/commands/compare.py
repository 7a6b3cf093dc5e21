"""`kdsharp compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsharp.commands.loading import Runtime, load_sharpeners
from kdsharp.commands.options import (
    EngineName,
    Model,
    Precision,
    Quiet,
    Scale,
    Strength,
    Threads,
)
from kdsharp.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["compare"]

_STYLES = ("sheet", "split", "wipe", "blink")
_MOVING = ("wipe", "blink")


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A photo.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The picture to write; .gif and .webp move.")
    ],
    after: Annotated[
        Path | None,
        typer.Argument(metavar="AFTER", help="The other; if not given, BEFORE is sharpened."),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_STYLES), help="Else wipe for .gif and .webp, and sheet for others."
        ),
    ] = None,
    position: Annotated[
        float | None, typer.Option(help="Of split: where it is, 0 (left) to 1; else 0.5.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Two names, with a comma.")] = "before,after",
    zoom: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="The detail; in a sheet else where most changed."),
    ] = None,
    model: Model = None,
    scale: Scale = None,
    strength: Strength = 1.0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Two pictures in one: a sheet of both, a slider's split, or an animation.

    \b
    Examples:
      kdsharp compare photo.jpg -o comparison.png
      kdsharp compare photo.jpg -o split.png --style split --position 0.4
      kdsharp compare photo.jpg sharp.jpg -o wipe.gif --labels "camera,kdsharp"
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp import reveal
    from kdsharp.compare import comparison, parse_labels, parse_zoom
    from kdsharp.images import read_rgb
    from kdsharp.photos.photo import Photo
    from kdsharp.photos.writing import save_photo

    style = style or ("wipe" if out.suffix.lower() in reveal.ANIMATED else "sheet")
    if style not in _STYLES:
        raise UserError(f"style {style!r} is unknown: choose one of {', '.join(_STYLES)}")
    if position is not None and style != "split":
        raise UserError("--position is of --style split alone")
    names, box = parse_labels(labels), parse_zoom(zoom)
    runtime = Runtime(model, strength, engine, precision, threads, quiet)
    first = read_rgb(before)
    second = read_rgb(after) if after else _sharpened(first, runtime, scale)
    if style == "sheet":
        save_photo(Photo.of(comparison(first, second, names, box)), out)
    else:
        first, second = reveal.cut(first, second, box)
        if style == "split":
            half = 0.5 if position is None else position
            save_photo(Photo.of(reveal.split(first, second, names, half)), out)
        else:
            moving = reveal.wipe if style == "wipe" else reveal.blink
            reveal.save_animation(moving(first, second, names), out)
    if not quiet:
        typer.echo(f"Wrote {out}")


def _sharpened(image: "Image.Image", runtime: Runtime, scale: str | None) -> "Image.Image":
    import numpy as np

    sharpeners = load_sharpeners(runtime, scale)
    name = sharpeners.choose(np.asarray(image))
    return sharpeners[name].image(image) if name else image
