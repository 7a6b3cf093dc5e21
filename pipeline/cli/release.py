"""The verbs that bring a trained model to the people who run it, and back."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.errors import UserError

__all__ = [
    "compare",
    "judge",
    "promote",
    "publish",
    "pull",
    "register",
    "repair",
    "rollback",
    "ship",
    "status",
]

_Model = Annotated[
    str,
    typer.Option(
        help="student or teacher, as params.yaml has it, or a name such as kdsharp-student-nano-x2."
    ),
]
_Known = Annotated[
    str,
    typer.Option(
        help="student or teacher: the one promoted here last; or kdsharp-student-nano-x2 ..."
    ),
]

_Version = Annotated[int | None, typer.Option(min=1, help="Instead of the candidate.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def register() -> None:
    """Make the trained teacher and student versions in MLflow's registry.

    From the files that dvc.lock names; the same files are registered once. Each version carries
    its commit, data, parameters, numbers and files, and becomes the candidate.

    Example: python -m pipeline register
    """
    from pipeline.release.registry.register import register as register_models
    from pipeline.release.registry.siblings import variant_notes

    versions = register_models(typer.echo)
    for version in versions:
        if version.url:
            typer.echo(f"{version}: {version.url}")
    for note in variant_notes(versions):
        typer.echo(note)
    typer.echo("next: python -m pipeline promote")


def promote(
    model: _Model = "student",
    version: _Version = None,
    force: Annotated[bool, typer.Option("--force", help="Even if the gate refuses it.")] = False,
    accept_weak: Annotated[
        bool, typer.Option("--accept-weak", help="Do not ask, however few the gate's photos are.")
    ] = False,
    why: Annotated[str, typer.Option(help="The reason, for the history; --force needs it.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it, and change nothing.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Put the candidate into production if it is better, or no worse with a reason.

    Scores it and what is in production afresh on the gate set, checks that it can be served, and
    says why it was promoted or refused. Exit code 0: promoted, or already in production; 1:
    refused or rejected.

    Example: python -m pipeline promote
    """
    from pipeline.cli.terminal import judge_here, promote_here

    if dry_run and (force or accept_weak or why):
        raise UserError("--dry-run changes nothing: leave out --force, --accept-weak and --why")
    if dry_run:
        raise SystemExit(judge_here(model, version, as_json=as_json))
    code = promote_here(
        model, version, force=force, accept_weak=accept_weak, why=why, as_json=as_json
    )
    raise SystemExit(code)


def judge(model: _Model = "student", version: _Version = None, as_json: _Json = False) -> None:
    """Say what `promote` would decide, and why, without storing or changing anything.

    The same as `promote --dry-run`. Exit code 0: it would be promoted, or a person would be asked;
    1: it would be refused, or promote would stop before.

    Example: python -m pipeline judge
    """
    from pipeline.cli.terminal import judge_here

    raise SystemExit(judge_here(model, version, as_json=as_json))


def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A version: 3, production, NAME/3.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    model: _Known = "student",
) -> None:
    """Show what differs between two versions: numbers, pictures, parameters and photos.

    Both are measured afresh on the gate set. The picture shows the crops on which they differ most.

    Example: python -m pipeline compare production candidate
    """
    from pipeline.release.promotion.compare import compare as compare_versions

    for line in compare_versions(model, one, other):
        typer.echo(line)


def rollback(
    model: _Known = "student",
    steps: Annotated[int, typer.Option(help="How many promotions to take back.")] = 1,
    why: Annotated[str, typer.Option(help="The reason, for the history.")] = "",
) -> None:
    """Bring back what was in production before.

    Example: python -m pipeline rollback --why "halos on faces"
    """
    from pipeline.cli.terminal import rollback_here

    rollback_here(model, steps, why=why)


def repair(model: _Known = "student") -> None:
    """Bring back the history of promotions, if it was deleted in MLflow's pages.

    A deleted run is restored; one that is gone for good is made again from versions and aliases.

    Example: python -m pipeline repair --model teacher
    """
    from pipeline.release.promotion.repair import repair as repair_history

    repair_history(model, typer.echo)


def status(
    model: _Known = "student",
    every: Annotated[bool, typer.Option("--all", help="Every registered model, a line each.")] = (
        False
    ),
    as_json: _Json = False,
) -> None:
    """Show what is in production, what waits, why it was refused, and the history of promotions.

    Example: python -m pipeline status --model teacher
    """
    from pipeline.cli.terminal import status_here

    status_here(model, every=every, as_json=as_json)


def pull(
    to: Annotated[Path, typer.Option(help="The folder to write.")],
    model: _Known = "student",
    alias: Annotated[str | None, typer.Option(help="production, previous or candidate.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Instead of an alias.")] = None,
    verify_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="KDSHARP_VERIFY_KEY",
            help="Only what the owner of this public key has signed.",
        ),
    ] = None,
) -> None:
    """Copy a registered model to a folder, on any machine that reaches the store.

    Every file must have the SHA-256 that registry and card note, else nothing is written.

    Example: python -m pipeline pull --alias production --to models/production
    """
    from pipeline.release.promotion.pull import pull as pull_model

    if alias is not None and version is not None:
        raise UserError("--alias or --version: name one of them")
    which = version or alias or "production"
    found = pull_model(model, which, to=to, verify_key=verify_key, log=typer.echo)
    typer.echo(f"{found} -> {to}")


def publish(
    model: _Model = "student",
    version: Annotated[
        int | None, typer.Option(min=1, help="Instead of the one in production.")
    ] = None,
    forced: Annotated[
        bool, typer.Option("--forced", help="Publish even what was promoted against the gate.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The folder of the models that ship.")] = Path(
        "kdsharp/weights"
    ),
) -> None:
    """Put a student that passed the gate among the models that ship with the package.

    Copies the version's files from the registry to kdsharp/weights/NAME, such as small-x2, with
    the gate's decision on card and page. Refuses a version that did not come into production
    through the gate or was taken back, one outside the family of sizes, and files above 300 KB.

    Example: python -m pipeline publish
    """
    from pipeline.release.promotion.publish import publish as publish_model

    publish_model(model, version, forced=forced, to=to, log=typer.echo)


def ship() -> None:
    """The former name of `publish`, from before there was a gate."""
    raise UserError("ship is now publish: python -m pipeline register, then promote, then publish")
