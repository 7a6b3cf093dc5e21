"""What became of a batch: a few lines for a person, and a CSV file with a row for each photo."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from kdsharp.batch.run import Outcome, Status
from kdsharp.files import atomic_file

__all__ = ["COLUMNS", "summary", "write_csv"]

COLUMNS = ("source", "target", "size", "seconds", "status", "message")
"""The columns of the CSV file; `size` is that of the output, WIDTHxHEIGHT."""


def summary(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """A line for each status that occurred, files and the photos' megapixels, and one for all."""
    lines = [f"{'':14}{'files':>8}{'megapixels':>12}"]
    for status in get_args(Status):
        those = [outcome for outcome in outcomes if outcome.done.status == status]
        if those:
            lines.append(f"{status:14}{len(those):8}{_megapixels(those):12.1f}")
    worked = [outcome for outcome in outcomes if outcome.done.status != "there already"]
    rate = f", {len(worked) / seconds:.1f} files per second" if worked and seconds else ""
    return [*lines, f"in {seconds:.1f} s{rate}"]


def write_csv(target: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a row of `COLUMNS` for each outcome to `target`, atomically; names keep their bytes."""
    with (
        atomic_file(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened,
    ):
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        writer.writerows(_row(outcome) for outcome in outcomes)


def _row(outcome: Outcome) -> list[str]:
    job, done = outcome.job, outcome.done
    size = "x".join(map(str, done.size)) if done.size else ""
    names = [str(job.source), str(job.target)]
    return [*names, size, f"{outcome.seconds:.3f}", done.status, done.message]


def _megapixels(outcomes: Sequence[Outcome]) -> float:
    sizes = [outcome.done.size or (0, 0) for outcome in outcomes]
    return sum(width * height for width, height in sizes) / 1e6
