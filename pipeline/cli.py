"""The `python -m pipeline` command: reads arguments, calls the pipeline, says what was done."""

from typing import Annotated

import typer

from kdsharp.errors import UserError

__all__ = ["app", "main"]

app = typer.Typer(
    name="python -m pipeline",
    add_completion=False,
    rich_markup_mode=None,  # rich is three times slower to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line; errors of usage are raised as `UserError`."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        # The error classes of the option parser have moved between releases; this has not.
        if hasattr(error, "format_message"):
            message = error.format_message()
            raise UserError(f"{message} (python -m pipeline --help)") from error
        raise
    raise SystemExit(code)


@app.callback(invoke_without_command=True)
def pipeline(context: typer.Context) -> None:
    """Photos -> teacher -> student: train, compare and look at the results.

    Example: python -m pipeline retrain
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def retrain() -> None:
    """Bring all results up to date.

    Runs the stages of dvc.yaml one by one through DVC, as a Prefect flow with retries, logs and
    a table of results. What has not changed is not run again.

    Example: python -m pipeline retrain
    """
    from pipeline.flows.launch import launch_retrain

    launch_retrain()


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="A file of presets/, without .yaml.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List the presets and stop.")] = False,
) -> None:
    """Set params.yaml to a known configuration.

    Lays presets/NAME.yaml over it; comments and all other values stay.

    Example: python -m pipeline preset original
    """
    from pipeline.presets import apply_preset, list_presets

    if show:
        for known, about in list_presets().items():
            typer.echo(f"{known:10} {about}")
    elif name is None:
        raise UserError("which preset? python -m pipeline preset --list shows them")
    else:
        changes = apply_preset(name)
        typer.echo("\n".join(changes) or f"params.yaml is already as {name} says")


@app.command()
def results() -> None:
    """Print what the last evaluation measured.

    Example: python -m pipeline results
    """
    from pipeline.results import print_results

    print_results()


@app.command()
def ui(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port; 0 lets the system choose.")
    ] = 0,
) -> None:
    """Serve MLflow's pages of all runs.

    Curves, parameters, pictures and models, to this computer only; Ctrl-C ends it.

    Example: python -m pipeline ui --port 5000
    """
    from pipeline.ui import serve_ui

    serve_ui(port)
