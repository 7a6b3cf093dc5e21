"""The `python -m pipeline` command: reads arguments, calls the pipeline, reports what was done."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kdsharp.errors import UserError
from pipeline.cli import choice, monitor, release

__all__ = [
    "app",
    "down",
    "evaluate",
    "gc",
    "main",
    "migrate",
    "pipeline",
    "preset",
    "results",
    "retrain",
    "ui",
    "up",
]

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
def retrain(
    distill_only: Annotated[
        bool, typer.Option("--distill-only", help="Learn from the teacher in production.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Register what is new, and promote it if it passes.")
    ] = False,
    teacher_every: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Train a teacher in one of N runs; 0: as needed."),
    ] = 0,
    proposal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Lay what the monitor proposed over params.yaml first."),
    ] = None,
) -> None:
    """Bring all results up to date.

    Runs the stages of dvc.yaml one by one through DVC, as a Prefect flow with retries, logs and
    a table of results. What has not changed is not run again. With --teacher-every N, N - 1 runs
    learn from the teacher in production, and the next one trains and judges another.

    Example: python -m pipeline retrain
    """
    from pipeline.flows.launch import launch_retrain

    if distill_only and teacher_every:
        raise UserError("--distill-only or --teacher-every: name one of them")
    launch_retrain(
        distill_only=distill_only, promote=promote, teacher_every=teacher_every, proposal=proposal
    )


def _port(variable: str) -> Any:
    about = "TCP port; 0: any free one."
    return typer.Option(min=0, max=65535, envvar=variable, help=about)


@app.command()
def up(
    prefect_port: Annotated[int, _port("PREFECT_SERVER_API_PORT")] = 0,
    mlflow_port: Annotated[int, _port("MLFLOW_PORT")] = 0,
) -> None:
    """Start Prefect's server, its worker and MLflow's server, and leave them running.

    Retraining then runs on the schedule in prefect.yaml.

    Example: python -m pipeline up --prefect-port 4200
    """
    from pipeline.services.lifecycle import up as start_servers

    start_servers(prefect_port, mlflow_port)


@app.command()
def down() -> None:
    """Stop what `up` started, and nothing else.

    Example: python -m pipeline down
    """
    from pipeline.services.lifecycle import down as stop_servers

    stop_servers()


@app.command()
def preset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Files in presets/, without .yaml.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the presets and exit.")] = False,
) -> None:
    """Set params.yaml to a known configuration.

    Applies presets/NAME.yaml, several in their order; comments and all other values stay.

    Example: python -m pipeline preset release nano-x2
    """
    from pipeline.presets import apply_preset, list_presets

    if show:
        for known, about in list_presets().items():
            typer.echo(f"{known:10} {about}")
    elif not names:
        raise UserError("which preset? python -m pipeline preset --list shows them")
    else:
        changes = apply_preset(*names)
        typer.echo("\n".join(changes) or f"params.yaml already matches {' and '.join(names)}")


@app.command()
def migrate() -> None:
    """Rename the old keys of a params.yaml to their current names.

    Comments and values stay.

    Example: python -m pipeline migrate
    """
    from pipeline.params_file import migrate_params

    changes = migrate_params()
    typer.echo("\n".join(changes) or "params.yaml already has the current names")


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove it, and not only look.")] = False,
    days: Annotated[float, typer.Option(min=0, help="Checkpoints untouched for longer.")] = 7,
) -> None:
    """Look for what nobody needs any more: in DVC's cache, in MLflow, among checkpoints.

    Files that no commit or experiment names, runs that were deleted in MLflow, and trainings that
    nobody went on with. Nothing is removed without --delete.

    Example: python -m pipeline gc --delete
    """
    from pipeline.workspace.garbage import collect

    for found in collect(days, delete=delete):
        typer.echo(f"{found.where}: {found.what}{' (removed)' if delete else ''}")
    if not delete:
        typer.echo("nothing was removed: --delete does it")


@app.command()
def results() -> None:
    """Print what the last evaluation measured.

    Example: python -m pipeline results
    """
    from pipeline.evaluation.results import print_results

    print_results()


@app.command()
def evaluate(
    on: Annotated[
        list[Path],
        typer.Option("--on", metavar="DIR", help="Photos, or folders of them, each a set."),
    ],
) -> None:
    """Measure what the last run's models gain on photos from another source.

    The test photos, from the training's own source, stand beside them. Prints how much of its gain
    the student loses, and writes reports/generalisation.json, .csv and .png. Near duplicates of
    training photos are left out. --on may be given several times.

    Example: python -m pipeline evaluate --on benchmarks/Set14 --on ~/photos
    """
    from pipeline.evaluation.evaluate_on import evaluate_on

    evaluate_on(on)


@app.command()
def ui(
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, envvar="MLFLOW_PORT", help="TCP port; 0: 5000, or any free one."
        ),
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the list of runs in a browser.")] = True,
) -> None:
    """Serve MLflow's pages for all runs.

    Curves, parameters, pictures and models, to this computer only; Ctrl-C ends it.

    Example: python -m pipeline ui --port 5000
    """
    from pipeline.services.mlflow_server import serve_ui

    serve_ui(port, browser=browser)


_VERBS = (
    "register",
    "judge",
    "promote",
    "rollback",
    "repair",
    "status",
    "compare",
    "pull",
    "publish",
)
app.command()(monitor.monitor)
app.command()(choice.combine)
for verb in _VERBS:
    app.command()(getattr(release, verb))
app.command(
    hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(release.ship)
