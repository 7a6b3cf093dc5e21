"""The training run of a model: the one that the store knows, else one imported from files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.lineage import Lineage
from pipeline.registry.bundle import Bundle
from pipeline.registry.connect import Registry

if TYPE_CHECKING:
    from mlflow.entities import Metric

__all__ = ["run_of"]

_AT_ONCE = 100


def run_of(registry: Registry, bundle: Bundle, lineage: Lineage) -> str:
    """The id of the finished run that made these weights, imported if the store has none.

    The final numbers of the evaluation are added to it, so that it shows beside the model.
    """
    found = registry.client.search_runs(
        [registry.experiment],
        f"attributes.status = 'FINISHED' and tags.`kdsharp.stage` = '{bundle.kind}' "
        f"and tags.`kdsharp.sha256` = '{bundle.sha256}'",
        max_results=1,
        order_by=["attributes.end_time DESC"],
    )
    run_id = found[0].info.run_id if found else _import(registry, bundle, lineage)
    now = int(time.time() * 1000)
    _log(registry, run_id, "metrics", [_metric(k, v, now) for k, v in bundle.metrics.items()])
    return str(run_id)


def _import(registry: Registry, bundle: Bundle, lineage: Lineage) -> str:
    from mlflow.entities import Param

    tags = {
        "kdsharp.stage": bundle.kind,
        "kdsharp.sha256": bundle.sha256,
        "kdsharp.imported": "true",
        "mlflow.source.name": f"pipeline.stages.{bundle.kind}",
        "mlflow.source.git.commit": lineage.git_commit or "",
        **({"kdsharp.teacher_sha256": bundle.teacher_sha256} if bundle.teacher_sha256 else {}),
        **lineage.tags(),
    }
    run = registry.client.create_run(registry.experiment, tags=tags, run_name=bundle.kind)
    run_id = str(run.info.run_id)
    _log(registry, run_id, "params", [Param(k, str(v)) for k, v in bundle.params.items()])
    _log(registry, run_id, "metrics", _curve(bundle.curve))
    registry.client.log_artifact(run_id, str(bundle.curve))
    registry.client.set_terminated(run_id, "FINISHED")
    return run_id


def _curve(path: Path) -> "list[Metric]":
    """The learning curve, one point an epoch; when each epoch ended is not known."""
    now = int(time.time() * 1000)
    return [
        _metric(name, row[name], now, int(row["epoch"]))
        for row in pd.read_csv(path).to_dict("records")
        for name in ("loss", "lr", "val_psnr_y")
    ]


def _metric(key: str, value: float, when_ms: int, step: int = 0) -> "Metric":
    from mlflow.entities import Metric

    return Metric(key, float(value), when_ms, step)


def _log(registry: Registry, run_id: str, what: str, entries: list[Any]) -> None:
    for first in range(0, len(entries), _AT_ONCE):
        part: dict[str, Any] = {what: entries[first : first + _AT_ONCE]}
        registry.client.log_batch(run_id, **part)
