"""The `kdsharp` command: reads arguments, calls the library, says what was done."""

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdsharp import __version__
from kdsharp.errors import KdsharpError, UserError, describe

if TYPE_CHECKING:  # numpy and Pillow would double the time that --help takes
    from kdsharp.batch import Job
    from kdsharp.sharpen import Sharpener

__all__ = ["app", "main"]

app = typer.Typer(
    name="kdsharp",
    add_completion=False,
    rich_markup_mode=None,  # rich is three times slower to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_INTERRUPTED = 130

Model = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME|PATH",
        help="A model that ships, see kdsharp models, or a model folder; else $KDSHARP_MODEL, else "
        "small-x2.",
    ),
]
Strength = Annotated[float, typer.Option(help="0 (unchanged) to 1 (all that the model adds).")]
EngineName = Annotated[str, typer.Option("--engine", help="auto, openvino or onnxruntime.")]
Threads = Annotated[
    int | None, typer.Option(help="Threads of the engine; it chooses if not given.")
]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, or int8 if the model has it: much faster in OpenVINO on CPUs with VNNI "
        "(AVX-VNNI, AVX512-VNNI), and hardly less good; elsewhere it may not pay."
    ),
]


def main() -> None:
    """Run the command line; errors of usage are raised as `UserError`."""
    # Pillow warns of odd metadata and of large photos: neither is news to a person.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = app(prog_name="kdsharp", standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error  # typer before 0.29
    except Exception as error:
        # The error classes of the option parser have moved between releases; this has not.
        if hasattr(error, "format_message"):
            raise UserError(f"{error.format_message()} (kdsharp --help)") from error
        raise
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    raise SystemExit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kdsharp {__version__}")
        raise typer.Exit


@app.callback()
def kdsharp(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Sharpen blurry, low-resolution and compressed pictures with a tiny network.

    Example: kdsharp sharpen photo.jpg -o sharp.jpg
    """


@app.command(short_help="Sharpen photos and folders of photos.")
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


@app.command(short_help="List the models that ship.")
def models() -> None:
    """List the models that ship: what they undo, cost and gain.

    A name goes to --model. The gain is that of each model's own page, in weights/NAME/README.md of
    the package.

    Example: kdsharp sharpen photo.jpg -o sharp.jpg --model nano-x2
    """
    from kdsharp.model import model_table

    typer.echo("\n".join(model_table()))


@app.command(short_help="Put two pictures, or a photo and its sharpened version, side by side.")
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
    from kdsharp.images import Photo, read_rgb, save_photo
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
    save_photo(Photo(comparison(first, second, names, box)), out)
    typer.echo(f"Wrote {out}")
