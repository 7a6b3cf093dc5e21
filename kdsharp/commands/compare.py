"""`kdsharp compare`."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.commands.options import EngineName, Model, Precision, Strength, Threads

__all__ = ["compare"]


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A photo.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    after: Annotated[
        Path | None,
        typer.Argument(metavar="AFTER", help="The other; if not given, BEFORE is sharpened."),
    ] = None,
    labels: Annotated[str, typer.Option(help="Two names, with a comma.")] = "before,after",
    zoom: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="The detail; else where most changed.")
    ] = None,
    model: Model = None,
    strength: Strength = 1.0,
    engine: EngineName = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
) -> None:
    """Both pictures whole, split in the middle, and a detail enlarged, in one picture.

    \b
    Examples:
      kdsharp compare photo.jpg -o comparison.png
      kdsharp compare photo.jpg sharp.jpg -o comparison.png --labels "camera,kdsharp"
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp.compare import comparison, parse_labels, parse_zoom
    from kdsharp.images import read_rgb
    from kdsharp.photos.photo import Photo
    from kdsharp.photos.writing import save_photo
    from kdsharp.sharpen import Sharpener

    names, box = parse_labels(labels), parse_zoom(zoom)
    first = read_rgb(before)
    if after:
        second = read_rgb(after)
    else:
        sharpener = Sharpener(
            model, engine=engine, strength=strength, threads=threads, precision=precision
        )
        second = sharpener.image(first)
    save_photo(Photo.of(comparison(first, second, names, box)), out)
    typer.echo(f"Wrote {out}")
