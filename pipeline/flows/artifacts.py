"""What a flow run leaves in Prefect's pages: results, pictures, and the ids of MLflow's runs."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from prefect import get_run_logger
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from kdsharp.errors import UserError
from pipeline.evaluation.results import read_results, result_rows
from pipeline.params import load_params
from pipeline.paths import MLRUNS, REPORTS
from pipeline.release.promotion.production import Promotion
from pipeline.tracking.lineage import read_lineage
from pipeline.tracking.runs import find_run
from pipeline.tracking.store import store_uri

__all__ = ["publish_promotion", "publish_results", "publish_summary"]

_PICTURES, _WIDTH = 6, 1200
_RUNS = ("teacher", "student", "evaluate")


def publish_summary(outcomes: Mapping[str, str], lines: Sequence[str]) -> None:
    """Store the outcome of the stages, and `lines` of Markdown about what followed."""
    changed = any(outcome != "unchanged" for outcome in outcomes.values())
    text = [
        "" if changed else "**Nothing changed**: all stages are up to date.\n",
        *lines,
        "| stage | |",
        "| --- | --- |",
        *(f"| {name} | {outcome} |" for name, outcome in outcomes.items()),
        "",
        *(_runs() if changed else []),
    ]
    create_markdown_artifact("\n".join(text), key="retrain-summary")


def publish_results() -> None:
    """Store the tables of the last evaluation and its first panels."""
    try:
        results = read_results()
    except UserError as error:  # a dvc.yaml without our evaluation
        get_run_logger().debug("%s", error)
        return
    for split in ("val", "test"):
        create_table_artifact(
            result_rows(results, split),
            key=f"retrain-results-{split}",
            description=f"Means over the pictures of {split}; PSNR in dB, gains over the input",
        )
    for path in sorted((REPORTS / "comparison").glob("*.png"))[:_PICTURES]:
        picture = _thumbnail(path)
        create_image_artifact(picture, key=_key(f"panel-{path.stem}"), description=f"`{path}`")


def publish_promotion(done: Promotion) -> None:
    """Store the report of a promotion or a rollback, and its picture."""
    create_markdown_artifact(done.report, key="promotion-report", description=done.reason)
    if done.picture:
        picture = _thumbnail(io.BytesIO(done.picture))
        create_image_artifact(picture, key="promotion-picture", description=done.reason)


def _runs() -> list[str]:
    """The MLflow runs on the same data and parameters."""
    if "MLFLOW_TRACKING_URI" not in os.environ and not (MLRUNS / "mlflow.db").exists():
        return []
    try:
        retraining = read_lineage(load_params()).tags()["kdsharp.retraining"]
    except UserError:
        return []
    found = {name: find_run(name, {"kdsharp.retraining": retraining}) for name in _RUNS}
    return [
        f"MLflow runs of retraining `{retraining}`:\n",
        *(f"- {name}: {_link(run_id)}" for name, run_id in found.items() if run_id),
    ]


def _link(run_id: str) -> str:
    uri = store_uri()
    if uri.startswith("http"):
        return f"[{run_id}]({uri.rstrip('/')}/#/runs/{run_id})"
    return f"`{run_id}`"


def _thumbnail(source: Path | IO[bytes]) -> str:
    """A picture small enough to lie in Prefect's database, as a data URI."""
    from PIL import Image

    with Image.open(source) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_WIDTH, _WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _key(name: str) -> str:
    """Prefect takes small letters, digits and dashes."""
    return "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower()
    )
