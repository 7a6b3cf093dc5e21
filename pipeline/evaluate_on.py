"""The last run's models on photos of the user's choice, beside the test photos of their source."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kdsharp.files import atomic_file, sha256_file, write_json
from kdsharp.metrics import METRICS
from kdsharp.train.student import load_student
from kdsharp.train.teacher import load_teacher
from pipeline.generalisation import (
    GAP,
    SEEN,
    UNSEEN,
    gain,
    headline,
    measured,
    with_gaps,
    worst_set,
)
from pipeline.methods import load_methods
from pipeline.params import Params, load_params
from pipeline.paths import REPORTS, STUDENT, TEACHER
from pipeline.progress import progress
from pipeline.report.generalisation import draw, gap_text
from pipeline.scoring import Results, averages, list_photos, read_manifest, score
from pipeline.sources.sets import how_many
from pipeline.tracking import attach
from pipeline.unseen import unseen_photos

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["FILES", "evaluate_on"]

FILES = tuple(REPORTS / f"generalisation.{kind}" for kind in ("json", "csv", "png"))
"""What is written: all numbers, one row a set and method, and the picture."""

_log = logging.getLogger(__name__)
# The exported student is left out: it is the student to the fourth decimal.
_HEADS = {"unsharp": "unsharp", "teacher": "teacher", "student": "student", "student_int8": "int8"}
_METRICS = {"psnr_y": ("Y-PSNR in dB", 2), "ssim_y": ("SSIM on Y", 4)}


def evaluate_on(folders: Sequence[Path]) -> None:
    """Score every method on the test photos and on the sets in `folders`, with params.yaml.

    Prints the gains, writes `FILES`, and adds them to the MLflow run that trained the student.
    Raises `UserError` as `unseen_photos` does, and while there are no models or photos.
    """
    from rich.console import Console

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    params = load_params()
    seen = [photo for photo in list_photos() if photo.split == SEEN]
    methods = load_methods(params, load_teacher(TEACHER), load_student(STUDENT))
    photos = [*seen, *unseen_photos(folders, params, pd.DataFrame(read_manifest()))]
    with progress("scoring photos", len(photos), "photos") as done:
        table = score(photos, methods, params.degradation, done)
    results = with_gaps(averages(table))
    _write(params, results, table)
    console = Console(highlight=False)
    for metric in _METRICS:
        console.print(_printed(results, table, metric))
    console.print(f"{headline(results)}.", markup=False, soft_wrap=True)
    console.print(", ".join(map(str, FILES)), markup=False, soft_wrap=True)
    _record(results)


def _write(params: Params, results: Results, table: pd.DataFrame) -> None:
    worst = worst_set(results)
    degradation = f"{params.degradation.name} x{params.degradation.scale}"
    sets = measured(results, table)
    document = {
        "degradation": degradation,
        "student_sha256": sha256_file(STUDENT),
        "teacher_sha256": sha256_file(TEACHER),
        GAP: results[UNSEEN]["student"].get(GAP),
        "worst_set": worst[0] if worst else None,
        "photos": {found.split: found.photos for found in sets},
        "results": {found.split: results[found.split] for found in sets},
    }
    rows = [
        {
            "set": found.title,
            "photos": found.photos,
            "method": method,
            **{key: metrics[key] for key in METRICS},
            **{f"gain_{key}": round(gain(results, found.split, method, key), 4) for key in METRICS},
            GAP: metrics.get(GAP),
        }
        for found in sets
        for method, metrics in results[found.split].items()
    ]
    picture = draw(results, table, degradation)
    numbers, lines, drawn = FILES
    write_json(numbers, document)
    with atomic_file(lines) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    with atomic_file(drawn) as temporary:
        temporary.write_bytes(picture)


def _printed(results: Results, table: pd.DataFrame, metric: str) -> "Table":
    """The gains in one metric, a row for each set; with Y-PSNR goes the gap."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    title, digits = _METRICS[metric]
    methods = [name for name in _HEADS if name in results[UNSEEN]]
    gaps = metric == "psnr_y"
    shown = Table(
        title=f"{title}: gain over the input",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),  # all of it within 80 columns
    )
    shown.add_column("set", overflow="fold")
    for head in ("photos", "input", *(_HEADS[name] for name in methods), *["gap"] * gaps):
        shown.add_column(head, justify="right", no_wrap=True)
    for found in measured(results, table):
        shown.add_row(
            Text(found.title),
            how_many(found.title, found.photos),
            f"{results[found.split]['input'][metric]:.{digits}f}",
            *(f"{gain(results, found.split, name, metric):+.{digits}f}" for name in methods),
            *[gap_text(results, found.split)] * gaps,
        )
    return shown


def _record(results: Results) -> None:
    run = attach("student", {"kdsharp.sha256": sha256_file(STUDENT)})
    if run.run_id is None:
        _log.info("MLflow knows no run that trained this student: nothing is recorded")
        return
    known = {split: found for split, found in results.items() if split.startswith(UNSEEN)}
    run.metrics(
        {
            f"{split}.{method}.{metric}": value
            for split, methods in known.items()
            for method, metrics in methods.items()
            for metric, value in metrics.items()
        }
    )
    for path in FILES:
        run.file(path, "generalisation")
