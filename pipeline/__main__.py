"""`python -m pipeline`."""

import sys

from kdsharp.errors import run
from pipeline import cli

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(run(cli.main, program="pipeline"))
