"""What every benchmark's command line has in common: how it is called, and how far it is."""

import argparse
import sys

__all__ = ["log", "parser_of"]


def parser_of(name: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m benchmarks.NAME`; `--help` says `about`, the module's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def log(line: str) -> None:
    """Progress, on stderr: the page may go to stdout."""
    print(line, file=sys.stderr, flush=True)
