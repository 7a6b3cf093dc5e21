"""`kdsharp compare`."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.cli.options import (
    Crisp,
    EngineName,
    Model,
    Precision,
    Quiet,
    Runtime,
    Scale,
    Strength,
    Threads,
    load_sharpener,
)
from kdsharp.errors import UserError

__all__ = ["compare"]

_STYLES = ("sheet", "split", "wipe", "blink")
_MOVING = ("wipe", "blink")


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A photo.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The picture to write; .gif and .webp are animated.")
    ],
    after: Annotated[
        Path | None,
        typer.Argument(metavar="AFTER", help="The other photo; if not given, BEFORE is sharpened."),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_STYLES), help="By default wipe for .gif and .webp, else sheet."
        ),
    ] = None,
    position: Annotated[
        float | None, typer.Option(help="For split: where, from 0 (left) to 1; default 0.5.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Two names, comma-separated.")] = "before,after",
    zoom: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="The detail; a sheet defaults to what changed most."),
    ] = None,
    model: Model = None,
    scale: Scale = None,
    strength: Strength = 1.0,
    crisp: Crisp = 0.0,
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
    from kdsharp.comparison import animation as reveal
    from kdsharp.comparison.sheet import comparison, parse_labels, parse_zoom
    from kdsharp.imageio.decode import read_rgb
    from kdsharp.imageio.photo import Photo
    from kdsharp.imageio.write import save_photo

    style = style or ("wipe" if out.suffix.lower() in reveal.ANIMATED else "sheet")
    if style not in _STYLES:
        raise UserError(f"style {style!r} is unknown: choose one of {', '.join(_STYLES)}")
    if position is not None and style != "split":
        raise UserError("--position works only with --style split")
    names, box = parse_labels(labels), parse_zoom(zoom)
    runtime = Runtime(model, strength, engine, precision, threads, quiet, crisp)
    first = read_rgb(before)
    second = read_rgb(after) if after else load_sharpener(runtime, scale).image(first)
    same = second.size == first.size and second.tobytes() == first.tobytes()
    if style == "sheet":
        save_photo(Photo.of(comparison(first, second, names, box)), out)
    else:
        if style in _MOVING and box is None and first.size == second.size:
            box = reveal.actual_size(first, second)
        first, second = reveal.cut(first, second, box)
        if style == "split":
            half = 0.5 if position is None else position
            save_photo(Photo.of(reveal.split(first, second, names, half)), out)
        else:
            moving = reveal.wipe if style == "wipe" else reveal.blink
            reveal.save_animation(moving(first, second, names), out)
    if not quiet:
        why = f"{after} is the same" if after else f"no model is expected to improve {before}"
        if after is None and strength == 0 and crisp == 0:
            why = "the strength is 0"
        typer.echo(f"Wrote {out}" + (f", but nothing changed: {why}" if same else ""))
