"""Every column on every row of every photo, photos beside each other in processes."""

import importlib
import importlib.util
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from benchmarks.common.method import Pixels
from benchmarks.common.photos import Sets
from benchmarks.robust.columns import Column, Plan, load_columns
from benchmarks.robust.rows import degraded, read_truth
from kdsharp.color import luma, luma_studio
from kdsharp.errors import UserError
from kdsharp.metrics import gmsd, psnr, ssim
from kdsharp.progress import Progress

__all__ = ["MEASURES", "Scores", "measure", "score"]

MEASURES = ("psnr", "ssim", "gmsd")
"""On Y; a border of `scale` pixels is left out. PSNR in dB, 100 for the same."""

Scores = dict[str, dict[str, list[float]]]
"""Of one photo: row -> column -> `MEASURES`. A column that a row is not for is missing."""

_LEAST = 32  # pixels on a side: for the window of SSIM, and for the encoders of video


def measure(
    plan: Plan, sets: Sets, rows: Sequence[str], sides: Mapping[str, int], workers: int
) -> dict[str, dict[str, Scores]]:
    """Set -> photo -> row -> column -> `MEASURES`; the same on any number of workers.

    `sides` has the longest side of photos for the sets whose larger ones are to be shrunk.
    """
    jobs = {(title, _name(path, paths)): path for title, paths in sets.items() for path in paths}
    # Not forked: engines have threads, which a fork would not copy.
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, _start, (plan,)) as pool,
        Progress(len(jobs), "robustness", "photos", lines=True) as progress,
    ):
        futures = {
            pool.submit(_score, path, at[1], rows, plan.scale, sides.get(at[0])): at
            for at, path in jobs.items()
        }
        found: dict[tuple[str, str], Scores] = {}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                progress.step()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {title: {name: found[title, name] for at, name in jobs if at == title} for title in sets}


def score(
    path: Path,
    key: str,
    rows: Sequence[str],
    scale: int,
    side: int | None,
    columns: Sequence[Column],
) -> Scores:
    """One photo through all `rows` and `columns`; `key` seeds what recipes draw.

    Raises `UserError` if it is not a photo, or too small.
    """
    truth = read_truth(path, scale, side)
    if min(truth.size) < _LEAST:
        raise UserError(f"{path}: is too small: photos need {_LEAST} pixels on a side or more")
    scores: Scores = {}
    for row in rows:
        photo, shrunk = degraded(truth, row, scale, key)
        able = [column for column in columns if shrunk or not column.small]
        scores[row] = {c.name: _compared(c.enhance(photo), photo.truth, scale) for c in able}
    return scores


# What a process has loaded. Models cannot be sent from one to another.
_columns: list[Column] = []


def _start(plan: Plan) -> None:
    _columns[:] = load_columns(plan)[0]
    _one_thread()


def _score(path: Path, key: str, rows: Sequence[str], scale: int, side: int | None) -> Scores:
    return score(path, key, rows, scale, side, _columns)


def _one_thread() -> None:
    """OpenCV's number of threads belongs to the process."""
    if importlib.util.find_spec("cv2"):
        importlib.import_module("cv2").setNumThreads(1)


def _compared(output: Pixels, truth: Pixels, border: int) -> list[float]:
    inner = (slice(border, -border),) * 2
    studio = [luma_studio(picture)[inner] for picture in (output, truth)]
    full = [luma(picture)[inner].astype(np.float64) for picture in (output, truth)]
    values = psnr(*studio), ssim(*studio), gmsd(*full)
    return [round(value, 6) for value in values]


def _name(path: Path, paths: Sequence[Path]) -> str:
    """Told apart by folder if a name occurs twice."""
    same = [other for other in paths if other.name == path.name]
    return path.name if len(same) == 1 else f"{path.parent.name}/{path.name}"
