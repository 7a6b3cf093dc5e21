"""`kdsharp-pipeline` and `python -m pipeline`."""

import sys

from kdsharp.errors import UserError, run

__all__ = ["main"]


def main() -> None:
    """Run the command and exit: 0, 2 for what the user can fix, 1 for a failure of ours."""
    sys.exit(run(_run, program="pipeline"))


def _run() -> None:
    """A Python without the project's packages is another one than that of .venv."""
    try:
        from pipeline.cli import app as cli

        cli.main()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "kdsharp", "pipeline"}:
            raise
        raise UserError(
            f"{sys.executable} has no package {package}: make setup, then "
            ". .venv/bin/activate (once per terminal)"
        ) from error


if __name__ == "__main__":
    main()
