"""What nobody needs any more: files in DVC's cache, deleted runs in MLflow, old checkpoints."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsharp.errors import KdsharpError
from pipeline.paths import CHECKPOINTS
from pipeline.tracking.artifacts import artifacts_of, database_of
from pipeline.tracking.store import open_store, shown_uri, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Garbage", "collect"]

_HISTORY = "kdsharp.history"  # the tag of a registered model that names the run of its history
_PAGE = 1000


@dataclass(frozen=True)
class Garbage:
    """What was found, or removed, in one place."""

    where: str
    what: str


def collect(days: float, *, delete: bool) -> list[Garbage]:
    """Look for what nobody needs, and with `delete` remove it.

    DVC keeps the files of the checkout, of every commit and of every experiment. MLflow's runs are
    those that somebody has deleted, except what a registered model stands on. Checkpoints are those
    of trainings that nobody went on with for `days`.
    """
    return [_dvc(delete=delete), _mlflow(delete=delete), _checkpoints(days, delete=delete)]


def _dvc(*, delete: bool) -> Garbage:
    from dvc.repo import Repo

    said = _Lines()
    logger = logging.getLogger("dvc.repo.gc")
    before = logger.level, logger.propagate
    logger.addHandler(said)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with Repo() as repo:
            repo.gc(
                workspace=True,
                all_commits=True,
                all_experiments=True,
                dry=not delete,
            )
            folder = str(repo.cache.local_cache_dir)
    finally:
        logger.removeHandler(said)
        logger.level, logger.propagate = before
    counts = [int(word) for line in said.lines for word in line.split() if word.isdigit()]
    return Garbage(f"DVC's cache, {folder}", f"{sum(counts)} files that no commit names")


def _mlflow(*, delete: bool) -> Garbage:
    where = f"MLflow, {shown_uri()}"
    client, _ = open_store()
    runs = sorted(_deleted(client) - _needed(client))
    database = database_of(store_uri())
    what = f"{len(runs)} deleted runs"
    if runs and database is None:
        return Garbage(where, f"{what}: mlflow gc on the server removes them")
    if runs and delete and database is not None:
        command = [sys.executable, "-m", "mlflow", "gc", "--run-ids", ",".join(runs)]
        command += ["--backend-store-uri", store_uri()]
        command += ["--artifacts-destination", artifacts_of(database).as_uri()]
        env = os.environ | {"MLFLOW_TRACKING_URI": store_uri()}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise KdsharpError(f"mlflow gc failed: {said[-1]}")
    return Garbage(where, what)


def _deleted(client: "MlflowClient") -> set[str]:
    from mlflow.entities import ViewType

    experiments = [found.experiment_id for found in client.search_experiments(ViewType.ALL)]
    found: set[str] = set()
    token = None
    while True:
        page = client.search_runs(
            experiments, "", ViewType.DELETED_ONLY, max_results=_PAGE, page_token=token
        )
        found |= {run.info.run_id for run in page}
        token = page.token
        if not token:
            return found


def _needed(client: "MlflowClient") -> set[str]:
    """Runs of registered versions, and histories, which `repair` brings back."""
    versions = _all(client.search_model_versions)
    models = _all(client.search_registered_models)
    return {version.run_id for version in versions} | {m.tags.get(_HISTORY, "") for m in models}


def _all(search: Any) -> Iterable[Any]:
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _checkpoints(days: float, *, delete: bool) -> Garbage:
    old = [folder for folder in sorted(CHECKPOINTS.glob("*/")) if _age_days(folder) > days]
    size = sum(path.stat().st_size for folder in old for path in folder.rglob("*"))
    if delete:
        for folder in old:
            shutil.rmtree(folder)
    what = f"{len(old)} of trainings untouched for {days:g} days, {size / 1e6:.1f} MB"
    return Garbage(f"checkpoints, {CHECKPOINTS}", what)


def _age_days(folder: Path) -> float:
    newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return (time.time() - newest) / 86400


class _Lines(logging.Handler):
    """Keeps what DVC says: it has no other way to tell how much was removed."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
