"""`kdsharp-pipeline` and `python -m pipeline`."""

import sys

from kdsharp.errors import run
from pipeline.cli import app as cli

__all__ = ["main"]


def main() -> None:
    """Run the command and exit: 0, 2 for what the user can fix, 1 for a failure of ours."""
    sys.exit(run(cli.main, program="pipeline"))


if __name__ == "__main__":
    main()
