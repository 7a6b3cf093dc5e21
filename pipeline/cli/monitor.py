"""`python -m pipeline monitor`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from kdsharp.errors import UserError

__all__ = ["monitor"]


def monitor(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Observations, or pictures to look at."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of the same kind; else the week before."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="What sharpens the pictures; else as usual."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The page; else reports/monitor/.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit what predicts the gain, and judge nothing.")
    ] = False,
    on: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos for --fit; else data/raw/train."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For --fit.")] = 0,
) -> None:
    """Judge what production shows: fine, watch, drifted or falling, and why.

    Reads what kdsharp sharpen --observe DIR and kdsharp serve --observe DIR wrote, or looks at a
    folder of pictures. Writes a page, and a run in MLflow where there is a store. On drifted and
    falling it proposes a retraining and prints the command that starts it, at most once in
    monitor.cooldown_days of params.yaml. Exit code 0 whatever the verdict is: scripts read it from
    --json.

    Example: python -m pipeline monitor observations
    """
    from pipeline.monitoring.terminal import fit_here, monitor_here

    if fit:
        if folder or against or as_json:
            raise UserError("--fit goes with --on, --model, --seed and -o alone")
        fit_here(on, out, seed, model)
        return
    if on is not None:
        raise UserError("--on is for --fit")
    if folder is None:
        raise UserError("which folder? python -m pipeline monitor DIR, or --fit")
    from pipeline.flows.respond import respond

    told = partial(respond, may_start=False)
    monitor_here(folder, against, model, out, told, as_json=as_json)
