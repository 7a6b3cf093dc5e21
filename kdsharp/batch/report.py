"""The outcome of a batch: a few lines for a person, and a CSV file with a row for each photo."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from kdsharp import tables
from kdsharp.batch.run import Outcome, Status

__all__ = ["COLUMNS", "summary", "write_csv"]

COLUMNS = ("source", "target", "size", "seconds", "status", "message")
"""The columns of the CSV file; `size` is that of the output, WIDTHxHEIGHT."""


def summary(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """A line for each status that occurred, files and the photos' megapixels, and one for all."""
    rows = []
    for status in get_args(Status):
        those = [outcome for outcome in outcomes if outcome.done.status == status]
        if those:
            rows.append([status, str(len(those)), f"{_megapixels(those):.1f}"])
    worked = [outcome for outcome in outcomes if outcome.done.status != "there already"]
    rate = f", {len(worked) / seconds:.1f} files per second" if worked and seconds else ""
    lines = tables.aligned(["", "files", "megapixels"], rows)
    return [*lines, f"in {seconds:.1f} s{rate}"]


def write_csv(target: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a row of `COLUMNS` for each outcome to `target`, atomically; names keep their bytes."""
    tables.write_csv(target, COLUMNS, map(_row, outcomes))


def _row(outcome: Outcome) -> list[str]:
    job, done = outcome.job, outcome.done
    size = "x".join(map(str, done.size)) if done.size else ""
    names = [str(job.source), str(job.target)]
    return [*names, size, f"{outcome.seconds:.3f}", done.status, done.message]


def _megapixels(outcomes: Sequence[Outcome]) -> float:
    sizes = [outcome.done.size or (0, 0) for outcome in outcomes]
    return sum(width * height for width, height in sizes) / 1e6
