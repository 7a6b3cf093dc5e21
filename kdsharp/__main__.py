"""`kdsharp` and `python -m kdsharp`."""

import os
import sys

from kdsharp.cli import app as cli
from kdsharp.errors import INTERRUPTED, run

__all__ = ["main"]


def main() -> None:
    """Run the command and exit: 0, 2 for what the user can fix, 1 for a failure of ours."""
    code = run(cli.main)
    if code == INTERRUPTED:
        # Threads may be deep in a large picture, and Python would wait for them at exit.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
