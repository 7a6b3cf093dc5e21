"""`kdsharp` and `python -m kdsharp`."""

import sys

from kdsharp import cli
from kdsharp.errors import run

__all__ = ["main"]


def main() -> None:
    """Run the command and exit: 0, 2 for what the user can put right, 1 for our own failure."""
    sys.exit(run(cli.main))


if __name__ == "__main__":
    main()
