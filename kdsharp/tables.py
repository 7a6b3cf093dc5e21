"""Tables for a terminal, for Markdown, and as a CSV file."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from kdsharp.files import atomic_file

__all__ = ["aligned", "markdown", "write_csv"]

_BETWEEN = "  "


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """A line for the head and for each row; the first `left` columns begin where their head does.

    Those of the others, numbers, end where it does.
    """
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        _BETWEEN.join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, without a newline at its end; a pipe in a cell of `rows` is a pipe."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_csv(target: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write head and rows to `target`, atomically; names of files keep their bytes."""
    with (
        atomic_file(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened,
    ):
        writer = csv.writer(opened)
        writer.writerow(head)
        writer.writerows(rows)
