"""The monitor's numbers and page as a run of MLflow, in an experiment of their own."""

import logging
import os
import time
from pathlib import Path

from kdsharp.errors import describe
from pipeline.monitoring.verdict import VERDICTS, Verdict
from pipeline.paths import MLRUNS
from pipeline.tracking.store import open_store, other_experiment

__all__ = ["EXPERIMENT", "metrics_of", "record"]

EXPERIMENT = "kdsharp-monitor"
"""Of MLflow: beside the trainings, which an hourly run would drown."""

_log = logging.getLogger(__name__)


def metrics_of(verdict: Verdict) -> dict[str, float]:
    """What is followed over time: numbers that are known, and the verdict's place, 0 is fine."""
    found = verdict.evidence
    known = {
        "verdict": float(VERDICTS.index(verdict.verdict)),
        "pictures": float(found.count),
        "gain.expected": found.mean_gain,
        "gain.expected.change": found.gain.by if found.gain else None,
        "gain.pseudo_truth": found.pseudo.now if found.pseudo else None,
        "outside": found.outside,
        "disagreement.psnr": found.disagreement,
    }
    known |= {f"drift.{one.feature}": one.distance for one in found.drift}
    return {name: float(value) for name, value in known.items() if value is not None}


def record(verdict: Verdict, page: Path) -> str | None:
    """The id of the new run; None where there is no store yet, or it cannot be reached.

    An unreachable store is one warning line: the verdict stands all the same.
    """
    if "MLFLOW_TRACKING_URI" not in os.environ and not (MLRUNS / "mlflow.db").exists():
        return None
    try:
        client, beside = open_store()
        from mlflow.entities import Metric

        experiment = other_experiment(client, EXPERIMENT, beside)
        tags = {"kdsharp.verdict": verdict.verdict, "kdsharp.reasons": "\n".join(verdict.reasons)}
        run = client.create_run(experiment, tags=tags, run_name=f"monitor: {verdict.verdict}")
        now = int(time.time() * 1000)
        entries = [Metric(name, value, now, 0) for name, value in metrics_of(verdict).items()]
        client.log_batch(run.info.run_id, metrics=entries)
        client.log_artifact(run.info.run_id, str(page))
        client.set_terminated(run.info.run_id)
    except Exception as error:  # noqa: BLE001 - whatever MLflow, its database or the network raise
        _log.warning("MLflow has no record of this verdict (%s)", describe(error))
        return None
    return str(run.info.run_id)
