"""`kdsharp doctor`."""

from typing import Annotated

import typer

from kdsharp.cli.options import Model

__all__ = ["doctor"]


def doctor(
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what this machine can sharpen with, and time the network for two seconds.

    Example: kdsharp doctor --model nano
    """
    import json

    from kdsharp.runtime.doctor import examine, format_report

    found = examine(model)
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(format_report(found)))
