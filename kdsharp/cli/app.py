"""The `kdsharp` command; each of its commands is a module of `kdsharp.cli`."""

import warnings
from typing import Annotated

import typer

from kdsharp import __version__
from kdsharp.cli.compare import compare
from kdsharp.cli.degrade import degrade
from kdsharp.cli.doctor import doctor
from kdsharp.cli.export import export
from kdsharp.cli.live import live
from kdsharp.cli.models import models
from kdsharp.cli.serve import serve
from kdsharp.cli.sharpen import sharpen
from kdsharp.errors import INTERRUPTED, UserError

__all__ = ["app", "main"]

app = typer.Typer(
    name="kdsharp",
    add_completion=False,
    rich_markup_mode=None,  # rich is three times slower to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line; errors of usage are raised as `UserError`."""
    # Pillow warns about odd metadata and large photos: neither matters to the user.
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
    if code == INTERRUPTED:
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


app.command(short_help="Sharpen photos and folders of photos.")(sharpen)
app.command(short_help="Sharpen a camera or a stream, live.")(live)
app.command(short_help="List the models that ship.")(models)
app.command(short_help="Write a model for players, browsers and servers.")(export)
app.command(short_help="Sharpen pictures over HTTP, and show the page.")(serve)
app.command(short_help="Put two pictures, or a photo and its sharpened version, into one.")(compare)
app.command(short_help="Blur, shrink and compress a photo, as training does.")(degrade)
app.command(short_help="Show what this machine can sharpen with, and how fast.")(doctor)
