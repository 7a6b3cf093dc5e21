"""The `python -m pipeline` command: reads arguments, calls the pipeline, says what was done."""

from pathlib import Path
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
def retrain(
    distill_only: Annotated[
        bool, typer.Option("--distill-only", help="Learn from the teacher in production.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Register what is new, and promote it if it passes.")
    ] = False,
) -> None:
    """Bring all results up to date.

    Runs the stages of dvc.yaml one by one through DVC, as a Prefect flow with retries, logs and
    a table of results. What has not changed is not run again.

    Example: python -m pipeline retrain
    """
    from pipeline.flows.launch import launch_retrain

    launch_retrain(distill_only=distill_only, promote=promote)


Port = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: any that is free.")]


@app.command()
def up(prefect_port: Port = 0, mlflow_port: Port = 0) -> None:
    """Start Prefect's server, its worker and MLflow's server, and leave them running.

    Retraining then happens by itself, as prefect.yaml says.

    Example: python -m pipeline up --prefect-port 4200
    """
    from pipeline.services.up import up as start_servers

    start_servers(prefect_port, mlflow_port)


@app.command()
def down() -> None:
    """Stop what `up` has started, and nothing else.

    Example: python -m pipeline down
    """
    from pipeline.services.down import down as stop_servers

    stop_servers()


@app.command()
def preset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Files of presets/, without .yaml.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the presets and stop.")] = False,
) -> None:
    """Set params.yaml to a known configuration.

    Lays presets/NAME.yaml over it, several in their order; comments and all other values stay.

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
        typer.echo("\n".join(changes) or f"params.yaml is already as {' and '.join(names)} says")


@app.command()
def ship(
    to: Annotated[Path, typer.Option(help="The folder of the models that ship.")] = Path(
        "kdsharp/weights"
    ),
) -> None:
    """Put the exported student among the models that ship with the package.

    Copies models/export to kdsharp/weights/NAME, such as small-x2. Refuses a student that is no
    member of the family, an export that is older than the student, and files above 300 KB.

    Example: python -m pipeline ship
    """
    from pipeline.ship import ship as ship_model

    ship_model(to, typer.echo)


@app.command()
def results() -> None:
    """Print what the last evaluation measured.

    Example: python -m pipeline results
    """
    from pipeline.results import print_results

    print_results()


@app.command()
def evaluate(
    on: Annotated[
        list[Path],
        typer.Option("--on", metavar="DIR", help="Photos, or folders of them, each a set."),
    ],
) -> None:
    """Measure what the last run's models gain on photos of another source.

    Beside the test photos, which are of the training's source. Prints how much of its gain the
    student loses, and writes reports/generalisation.json, .csv and .png. Near duplicates of
    training photos are left out. --on may be given several times.

    Example: python -m pipeline evaluate --on benchmarks/Set14 --on ~/photos
    """
    from pipeline.evaluate_on import evaluate_on

    evaluate_on(on)


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


Model = Annotated[
    str, typer.Option(help="student, teacher, or a full name such as kdsharp-student-nano-x2.")
]


@app.command()
def register() -> None:
    """Make the trained teacher and student versions in MLflow's registry.

    From the files that dvc.lock names; the same files are registered once. Each version carries
    its commit, data, parameters, numbers and files, and becomes the candidate.

    Example: python -m pipeline register
    """
    from pipeline.registry.register import register as register_models

    for version in register_models(typer.echo):
        if version.url:
            typer.echo(f"{version}: {version.url}")
    typer.echo("next: python -m pipeline promote")


@app.command()
def promote(
    model: Model = "student",
    version: Annotated[int | None, typer.Option(min=1, help="Instead of the candidate.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if the gate refuses.")] = False,
    why: Annotated[str, typer.Option(help="Recorded in the history; --force needs it.")] = "",
) -> None:
    """Put the candidate into production if it is measurably no worse.

    Scores it and what is in production afresh on the gate set, checks that it can be served, and
    says why it was promoted or refused. Exit code 0: promoted, or in production already; 1:
    refused or rejected.

    Example: python -m pipeline promote
    """
    from pipeline.terminal import promote_here

    raise SystemExit(promote_here(model, version, force=force, why=why))


@app.command()
def rollback(
    model: Model = "student",
    steps: Annotated[int, typer.Option(help="How many promotions to take back.")] = 1,
    why: Annotated[str, typer.Option(help="Recorded in the history.")] = "",
) -> None:
    """Bring back what was in production before.

    Example: python -m pipeline rollback --why "halos on faces"
    """
    from pipeline.terminal import rollback_here

    rollback_here(model, steps, why=why)


@app.command()
def status(
    model: Model = "student",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show what is in production, what waits, and the history of promotions.

    Example: python -m pipeline status --model teacher
    """
    from pipeline.promotion.status import print_status, read_status

    found = read_status(model)
    if as_json:
        import json

        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        print_status(found)


@app.command()
def pull(
    to: Annotated[Path, typer.Option(help="The folder to write.")],
    model: Model = "student",
    alias: Annotated[str | None, typer.Option(help="production, previous or candidate.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Instead of an alias.")] = None,
) -> None:
    """Copy a registered model to a folder, on any machine that reaches the store.

    Example: python -m pipeline pull --alias production --to models/production
    """
    from pipeline.promotion.pull import pull as pull_model

    if alias is not None and version is not None:
        raise UserError("--alias or --version: name one of them")
    found = pull_model(model, version or alias or "production", to=to)
    typer.echo(f"{found} -> {to}")
