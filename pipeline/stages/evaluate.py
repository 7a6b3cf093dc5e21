"""Stage `evaluate`: every method on the validation and the test photos, as tables and a report."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, atomic_file, sha256_file, write_json, write_text
from kdsharp.progress import Progress
from kdsharp.runtime.card import CARD, read_card
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.network import find_teacher
from pipeline.evaluation.far import far_scores
from pipeline.evaluation.headline import headline_numbers
from pipeline.evaluation.held_out import HELD_OUT, configured, headline, with_gaps
from pipeline.evaluation.kept import KeptScores
from pipeline.evaluation.methods import load_methods, method_keys
from pipeline.evaluation.report.held_out import draw, section
from pipeline.evaluation.report.page import MOST_CARDS, Evaluation, card, page
from pipeline.evaluation.report.panels import choose, file_names, panel, show
from pipeline.evaluation.results import ROWS
from pipeline.evaluation.scoring import (
    SPLITS,
    Method,
    Results,
    averages,
    list_photos,
    sampled,
    score,
)
from pipeline.params import Params
from pipeline.paths import CURVES, EXPORT, HEADLINE, MANIFEST, METRICS, REPORTS, STUDENT, TEACHER
from pipeline.stages.run import run_stage
from pipeline.tracking.lineage import read_lineage
from pipeline.tracking.metrics import headline as headline_of
from pipeline.tracking.metrics import sectioned
from pipeline.tracking.runs import TrackedRun, find_run, start

__all__ = ["main"]

_log = logging.getLogger(__name__)

_IMAGES, _PANELS, _PAGE = REPORTS / "images.csv", REPORTS / "comparison", REPORTS / "report.html"


def main(params: Params) -> None:
    """Write reports/metrics.json, images.csv, comparison/ and report.html, and record them.

    metrics.json has a few of the numbers, for git.
    Photos of `evaluate.held_out` are scored beside those of validation and test.
    """
    photos = list_photos()
    teacher, student = find_teacher(TEACHER), load_student(STUDENT)
    methods = load_methods(params, teacher, student)
    # A teacher that was taken as it is, or that nobody needed, has a curve without epochs.
    curves = {name: _history(name) for name in ("teacher", "student")}
    histories = {name: curve for name, curve in curves.items() if len(curve)}
    manifest = pd.read_csv(MANIFEST, dtype=str, keep_default_na=False)
    photos = sampled([*photos, *configured(params, manifest)], params.evaluate)
    keys = {name: key for name, key in method_keys(params).items() if name in methods}
    with start("evaluate", read_lineage(params), tags=_tags(teacher), params=params) as run:
        run.params({key: getattr(params, key).model_dump() for key in ("degradation", "evaluate")})
        with (
            KeptScores(keys) as kept,
            Progress(len(photos), "scoring photos", "photos", lines=True) as progress,
        ):
            far = far_scores(params, keys, kept)
            table = score(photos, methods, params.degradation, progress.at, kept, far)
        results = with_gaps(averages(table))
        found = Evaluation(params, manifest, teacher, student, table, results, histories)
        _write_numbers(table, results)
        cards = _draw(params, methods, table[table["split"].isin(SPLITS)])
        write_text(_PAGE, page(found, cards, _held_out(params, table, results)))
        _record(run, results)
    _tell(results)


def _history(stage: str) -> pd.DataFrame:
    try:
        return pd.read_csv(CURVES / f"{stage}.csv")
    except FileNotFoundError:
        raise UserError(f"{CURVES / stage}.csv is missing: dvc repro {stage} writes it") from None


def _tags(teacher: AnyTeacher | None) -> dict[str, str]:
    student = sha256_file(STUDENT)
    return {
        "kdsharp.teacher_sha256": sha256_file(TEACHER) if teacher else "",
        "kdsharp.student_sha256": student,
        "kdsharp.student_run": find_run("student", {"kdsharp.sha256": student}) or "",
    }


def _write_numbers(table: pd.DataFrame, results: Results) -> None:
    write_json(METRICS, results)
    write_json(HEADLINE, headline_numbers(results, read_card(EXPORT)))
    with atomic_file(_IMAGES) as temporary:
        table.to_csv(
            temporary, index=False, float_format="%.6f", lineterminator="\n", encoding="utf-8"
        )


def _draw(params: Params, methods: dict[str, Method], table: pd.DataFrame) -> list[str]:
    """Write the panels; return the same photos as figures for the page."""
    chosen = choose(table, params.evaluate.panels)
    names = file_names(list(chosen))
    subtitle = f"{params.degradation.name} x{params.degradation.scale}"
    cards = []
    with (
        atomic_dir(_PANELS) as folder,
        Progress(len(chosen), "drawing panels", "photos", lines=True) as progress,
    ):
        for number, (photo, remark) in enumerate(chosen.items(), start=1):
            shown = show(photo, methods, table, params.degradation, remark)
            panel(shown, subtitle).save(folder / names[photo])
            # An empty string counts as a figure that the page has no room for.
            cards.append(card(shown) if number <= MOST_CARDS else "")
            progress.step()
    return cards


def _held_out(params: Params, table: pd.DataFrame, results: Results) -> str:
    """The section of the page on held-out photos; empty without them."""
    if HELD_OUT not in results:
        return ""
    made = params.degradation
    return section(results, table, draw(results, table, f"{made.name} x{made.scale}"))


def _record(run: TrackedRun, results: Results) -> None:
    run.metrics(
        {
            sectioned(f"{split}.{method}.{metric}"): value
            for split, methods in results.items()
            for method, metrics in methods.items()
            for metric, value in metrics.items()
        }
    )
    run.headline(headline_of(results))
    for path in (METRICS, _IMAGES, _PAGE, EXPORT / CARD):
        run.file(path)
    for path in _panels():
        run.picture(path, "comparison")
    exported = read_card(EXPORT)
    example_NCHW = np.zeros((2, exported.input.channels, 64, 64), np.float32)
    run.model_onnx(EXPORT / exported.file, "student_onnx", example_NCHW)


def _panels() -> list[Path]:
    return sorted(_PANELS.glob("*.png"))


def _tell(results: Results) -> None:
    _log.info("%-14s %-26s %s", "Y-PSNR / SSIM", "validation", "test")
    for method in results["test"]:
        cells = [_cell(results[split], method) for split in ("val", "test")]
        _log.info("%-14s %-26s %s", ROWS[method], *cells)
    if HELD_OUT in results:
        _log.info("%s", headline(results))
    _log.info("report: %s", _PAGE)


def _cell(rows: dict[str, dict[str, float]], method: str) -> str:
    psnr, ssim = rows[method]["psnr_y"], rows[method]["ssim_y"]
    gain = f"{psnr - rows['input']['psnr_y']:+.2f}" if method != "input" else ""
    return f"{psnr:.2f} {gain:>6} / {ssim:.4f}"


if __name__ == "__main__":
    run_stage(main)
