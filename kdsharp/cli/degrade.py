"""`kdsharp degrade`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["degrade"]


def degrade(
    photo: Annotated[Path | None, typer.Argument(metavar="PHOTO", help="A photo.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The picture to write, of the same size.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="What to do to it, see --list.")] = "bicubic",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the values that the recipe draws.")] = 1,
    scale: Annotated[
        float,
        typer.Option(min=1, max=4, help="How much to shrink where the recipe does not say."),
    ] = 2.0,
    listed: Annotated[bool, typer.Option("--list", help="List the recipes and exit.")] = False,
) -> None:
    """Make a photo worse in the way that networks are trained to undo.

    \b
    Examples:
      kdsharp degrade photo.jpg -o worse.png --recipe videocall --seed 1
      kdsharp degrade --list
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    import numpy as np

    from kdsharp.degrade import known_recipe, recipe_table
    from kdsharp.degrade.recipes import run_steps
    from kdsharp.errors import UserError
    from kdsharp.imageio.decode import read_rgb
    from kdsharp.imageio.photo import Photo
    from kdsharp.imageio.write import save_photo
    from kdsharp.progress import Progress

    if listed:
        typer.echo("\n".join(recipe_table()))
        return
    if photo is None or out is None:
        raise UserError("give a photo and -o OUT, or --list (kdsharp degrade --help)")
    steps = known_recipe(recipe).draw(np.random.default_rng(seed), scale)
    image = read_rgb(photo)
    with Progress(len(steps) + 1, "Degrading", "steps") as progress:
        worse = run_steps(steps, image, progress.step)
    save_photo(Photo.of(worse), out)
    typer.echo(f"Wrote {out}: {', '.join(map(str, steps)) or 'nothing was done'}")
