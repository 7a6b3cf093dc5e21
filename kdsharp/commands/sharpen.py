"""`kdsharp sharpen`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsharp.commands.options import EngineName, Model, Precision, Strength, Threads
from kdsharp.errors import KdsharpError, UserError, describe

if TYPE_CHECKING:  # numpy and Pillow would double the time that --help takes
    from kdsharp.batch import Job
    from kdsharp.sharpen import Sharpener

__all__ = ["sharpen"]


def sharpen(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Photos or folders.")],
    out: Annotated[str, typer.Option("-o", "--out", help="Output file, or folder ending with /.")],
    model: Model = None,
    strength: Strength = 1.0,
    engine: EngineName = "auto",
    precision: Precision = "fp32",
    threads: Threads = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave outputs that are there.")
    ] = False,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of JPEG and WebP; a JPEG's own if not given."),
    ] = None,
) -> None:
    """Sharpen photos: a file, several, or whole folders, whose trees are kept.

    \b
    Examples:
      kdsharp sharpen photo.jpg -o sharp.jpg
      kdsharp sharpen holiday/ scans/*.png -o sharpened/ --strength 0.7
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp.batch import plan
    from kdsharp.sharpen import Sharpener

    start = time.monotonic()
    planned = plan(inputs, out)
    jobs = [job for job in planned if not (skip_existing and job.target.exists())]
    skipped = len(planned) - len(jobs)
    failed = 0
    if jobs:
        sharpener = Sharpener(
            model, engine=engine, strength=strength, threads=threads, precision=precision
        )
        failed = _sharpen_all(sharpener, jobs, quality, alone=len(planned) == 1)
    done = _summary(len(jobs) - failed, skipped, out, time.monotonic() - start)
    if failed:
        raise UserError(f"{failed} of {len(planned)} photos failed, see above; {done}")
    typer.echo(done[0].upper() + done[1:])


def _sharpen_all(
    sharpener: "Sharpener", jobs: "list[Job]", quality: int | None, *, alone: bool
) -> int:
    """Sharpen each; returns how many failed. The only photo's failure is raised as it is."""
    from kdsharp.progress import Progress

    failed = 0
    with Progress(len(jobs), "Sharpening") as progress:
        for job in jobs:
            try:
                sharpener.file(job.source, job.target, quality=quality)
            except KdsharpError as error:
                if alone:
                    raise
                failed += 1
                progress.say(f"kdsharp: {describe(error)}")
            progress.step()
    return failed


def _summary(written: int, skipped: int, out: str, seconds: float) -> str:
    photos = "1 photo" if written == 1 else f"{written} photos"
    there = f", {skipped} already there" if skipped else ""
    return f"wrote {photos} to {out} in {seconds:.1f} s{there}"
