"""What a run says of itself beside its numbers: its photos, links, the machine."""

import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.paths import MANIFEST
from pipeline.tracking.lineage import Lineage

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["NOTE", "Monitor", "describe_run", "log_photos"]

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a run's description."""
_ENABLED = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"


def log_photos(client: "MlflowClient", run_id: str, lineage: Lineage, stage: str) -> None:
    """The photos as the run's data set, in MLflow's sense; nothing without a manifest."""
    import pandas as pd
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if not MANIFEST.is_file():
        return
    manifest = pd.read_csv(MANIFEST, dtype=str, keep_default_na=False)
    counts = manifest.get("split", pd.Series(dtype=str)).value_counts().to_dict()
    sources = sorted(set(manifest.get("source", pd.Series(dtype=str))))
    photos = Dataset(
        name=" and ".join(sources) or "photos",
        digest=lineage.data_hash[:12],
        source_type="local",
        source=json.dumps({"uri": MANIFEST.as_posix(), "md5": lineage.data_hash}),
        profile=json.dumps({"photos": len(manifest), **counts}),
    )
    context = InputTag("mlflow.data.context", "evaluation" if stage == "evaluate" else "training")
    client.log_inputs(run_id, datasets=[DatasetInput(photos, [context])])


def describe_run(
    experiment: str, run_id: str, parent: str, lineage: Lineage, tags: Mapping[str, str]
) -> str:
    """Markdown with links to what this run is made of, and to what it made."""

    def link(name: str, other: str, below: str = "") -> str:
        return f"[{name}](#/experiments/{experiment}/runs/{other}{below})"

    stage = tags["kdsharp.stage"]
    lines = [f"Part of the retraining {link(lineage.retraining, parent)}."]
    for role in ("teacher", "student"):
        if run := tags.get(f"kdsharp.{role}_run"):
            sha256 = tags.get(f"kdsharp.{role}_sha256", "")[:12]
            lines.append(f"{role.capitalize()}: {link('its run', run)}, SHA-256 `{sha256}`.")
    commit = f", commit `{lineage.git_commit[:12]}`" if lineage.git_commit else ""
    dirty = " with edits" if lineage.dirty else ""
    lines.append(f"Photos: MD5 of the manifest `{lineage.data_hash}`{commit}{dirty}.")
    if stage == "evaluate":
        lines.append(
            f"{link('Report', run_id, '/artifacts/report.html')} and "
            f"{link('pictures', run_id, '/artifacts/comparison')}."
        )
    return "\n\n".join(lines)


class Monitor:
    """MLflow's system metrics of a run: processors, memory, disk, network, GPU.

    Off with MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false.
    """

    def __init__(self, run_id: str, uri: str) -> None:
        self._monitor: Any = None
        if os.environ.get(_ENABLED, "true").lower() in {"false", "0"}:
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        # It says that there is no GPU, and every failure of the store, which we say once.
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        made: Any = SystemMetricsMonitor
        self._monitor = made(run_id, resume_logging=True, tracking_uri=uri)
        self._monitor.start()

    def stop(self) -> None:
        """Send what is left and end."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
