"""The last run's models on photos of the user's choice, beside the test photos of their source."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kdsharp.files import atomic_file, sha256_file, write_json
from kdsharp.metrics import METRICS
from kdsharp.progress import Progress
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import find_teacher
from pipeline.data.datasets import how_many
from pipeline.evaluation.far import far_scores
from pipeline.evaluation.held_out import (
    GAP,
    HELD_OUT,
    SEEN,
    gain,
    headline,
    held_out_photos,
    measured,
    with_gaps,
    worst_dataset,
)
from pipeline.evaluation.methods import load_methods, method_keys
from pipeline.evaluation.report.held_out import draw, gap_text
from pipeline.evaluation.scoring import Results, averages, list_photos, score
from pipeline.manifest import read_manifest
from pipeline.params import Params, load_params
from pipeline.paths import REPORTS, STUDENT, TEACHER
from pipeline.tracking.metrics import sectioned
from pipeline.tracking.runs import attach

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["FILES", "evaluate_on"]

FILES = tuple(REPORTS / f"generalisation.{suffix}" for suffix in ("json", "csv", "png"))
"""What is written: all numbers, one row a set and method, and the picture."""

_log = logging.getLogger(__name__)
# The exported student is left out: it is the student to the fourth decimal.
_HEADS = {"unsharp": "unsharp", "teacher": "teacher", "student": "student", "student_int8": "int8"}
_METRICS = {"psnr_y": ("Y-PSNR in dB", 2), "ssim_y": ("SSIM on Y", 4)}


def evaluate_on(folders: Sequence[Path]) -> None:
    """Score every method on the test photos and on the sets in `folders`, with params.yaml.

    Prints the gains, writes `FILES`, and adds them to the MLflow run that trained the student.
    Raises `UserError` as `held_out_photos` does, and if there are no models or photos yet.
    """
    from rich.console import Console

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    params = load_params()
    seen = [photo for photo in list_photos() if photo.split == SEEN]
    methods = load_methods(params, find_teacher(TEACHER), load_student(STUDENT))
    photos = [*seen, *held_out_photos(folders, params, read_manifest())]
    keys = {name: key for name, key in method_keys(params).items() if name in methods}
    with Progress(len(photos), "scoring photos", "photos", lines=True) as progress:
        far = far_scores(params, keys)
        table = score(photos, methods, params.degradation, progress.at, far=far)
    results = with_gaps(averages(table))
    _write(params, results, table)
    console = Console(highlight=False)
    for metric in _METRICS:
        console.print(_printed(results, table, metric))
    console.print(f"{headline(results)}.", markup=False, soft_wrap=True)
    console.print(", ".join(map(str, FILES)), markup=False, soft_wrap=True)
    _record(results)


def _write(params: Params, results: Results, table: pd.DataFrame) -> None:
    worst = worst_dataset(results)
    degradation = f"{params.degradation.name} x{params.degradation.scale}"
    sets = measured(results, table)
    document = {
        "degradation": degradation,
        "student_sha256": sha256_file(STUDENT),
        "teacher_sha256": sha256_file(TEACHER) if find_teacher(TEACHER) else None,
        GAP: results[HELD_OUT]["student"].get(GAP),
        "worst_dataset": worst[0] if worst else None,
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
    methods = [name for name in _HEADS if name in results[HELD_OUT]]
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
    known = {split: found for split, found in results.items() if split.startswith(HELD_OUT)}
    run.metrics(
        {
            sectioned(f"{split}.{method}.{metric}"): value
            for split, methods in known.items()
            for method, metrics in methods.items()
            for metric, value in metrics.items()
        }
    )
    for path in FILES:
        run.file(path, "generalisation")
