"""`python -m pipeline combine`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["combine"]


def combine(
    target: Annotated[Path, typer.Argument(metavar="SET", help="The folder to write.")],
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Folders, or models that ship.")
    ],
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Sharp photos to measure on; else data/raw/train."),
    ] = None,
    parts: Annotated[
        int, typer.Option(min=100, help="Of photos that gains are measured on.")
    ] = 900,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts.")] = 2,
) -> None:
    """Combine models into a set, from which each picture gets the one that gains most on it.

    Measures what each model gains on parts of photos after every degradation that routing tells
    apart. kdsharp sharpen, video and serve take the folder as --model. The first model is the one
    for --upscale. Run it again after one of the models has changed.

    Example: python -m pipeline combine models/set models/production small-x2-blocky
    """
    from kdsharp.tables import aligned
    from pipeline.choice.combine import combine as make

    made = make(target, models, photos, parts, seed)
    best: dict[str, list[str]] = {name: [] for name in made.gains}
    for number, degradation in enumerate(made.degradations):
        name = max(made.gains, key=lambda name: made.gains[name][number])
        if made.gains[name][number] > 0:
            best[name].append(degradation)
    rows = [[name, ", ".join(found) or "nothing"] for name, found in best.items()]
    print("\n".join(aligned(["model", "gains most on"], rows, left=2)))
    print(f"{target}: kdsharp sharpen photos/ -o sharp/ --model {target}")
