"""What of a trained model goes into the registry: the files that DVC holds, and its run."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kdsharp.files import sha256_file
from kdsharp.runtime.card import CARD, Card, read_card
from kdsharp.train.loop.weights import read_about
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.environment import as_tags, environment_file, read_environment
from pipeline.evaluation.results import read_results
from pipeline.paths import CURVES, EXPORT, STUDENT, TEACHER
from pipeline.release.gate.evidence import Role
from pipeline.release.registry.fingerprints import PHOTOS, list_fingerprints, write
from pipeline.release.registry.provenance import Lock
from pipeline.release.registry.versions import ENVIRONMENT, STAGE_ENTRY, Registry
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.metrics import of_epoch, sectioned
from pipeline.tracking.runs import flat

if TYPE_CHECKING:
    from mlflow.entities import Metric

__all__ = ["Bundle", "collect_student", "collect_teacher", "content_of", "run_of"]

_AT_ONCE = 100


@dataclass(frozen=True)
class Bundle:
    """One model, ready to be registered."""

    role: Role
    files: Mapping[str, Path | str]
    """Name in the version -> the file, or its text."""
    models: tuple[str, ...]
    """Those of `files` that make the model what it is."""
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    curve: Path
    parameters: int
    macs_per_pixel: float
    sha256: str
    """Of the trained weights."""
    teacher_sha256: str | None
    """Of the teacher that a student learned from; None where it learned from the truth alone."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Tags that say whose network a teacher is that was not trained here."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Tags that say what the training ran with, as `pipeline.environment`."""

    def hashes(self) -> dict[str, str]:
        """Name of each file -> its SHA-256."""
        return {name: _sha256(source) for name, source in self.files.items()}

    def content(self) -> str:
        """One hash of the model's files: two bundles with the same are the same model."""
        return content_of(self.hashes(), self.models)


def content_of(hashes: Mapping[str, str], models: Iterable[str]) -> str:
    """One hash of the files `models`, whose own are in `hashes`."""
    lines = [f"{name} {hashes[name]}\n" for name in sorted(models)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def collect_teacher(lock: Lock) -> Bundle:
    """The teacher in models/; `UserError` when a file is missing or damaged."""
    teacher = load_teacher(TEACHER)
    return Bundle(
        role="teacher",
        files={TEACHER.name: TEACHER, **_evidence("teacher", lock)},
        models=(TEACHER.name,),
        params=_params("teacher", lock),
        metrics=_metrics("teacher"),
        curve=CURVES / "teacher.csv",
        parameters=teacher.parameter_count,
        macs_per_pixel=teacher.macs_per_pixel,
        sha256=sha256_file(TEACHER),
        teacher_sha256=None,
        origin=_origin() if teacher.foreign else {},
        environment=as_tags(read_environment("teacher")),
    )


def _origin() -> dict[str, str]:
    about = read_about(TEACHER)
    keys = ("architecture", "weights", "weights_sha256", "weights_licence")
    return {f"kdsharp.{key}": str(about[key]) for key in keys}


def collect_student(lock: Lock, taught: bool) -> Bundle:
    """The student in models/ with its export; `UserError` when a file is missing or damaged.

    `taught`: whether a teacher had a part in it, and not only lies beside it.
    """
    student, card = load_student(STUDENT), read_card(EXPORT)
    exported = {path.name: path for path in sorted(EXPORT.iterdir())}
    return Bundle(
        role="student",
        files={STUDENT.name: STUDENT, **exported, **_evidence("student", lock)},
        # The card also tells of metrics and lineage, which may change while the model stays.
        models=(STUDENT.name, *(name for name in exported if name != CARD)),
        params=_params("student", lock),
        metrics=_metrics("student"),
        curve=CURVES / "student.csv",
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        sha256=sha256_file(STUDENT),
        teacher_sha256=_teacher_sha256(card) if taught else None,
        environment=as_tags(read_environment("student")),
    )


def _teacher_sha256(card: Card) -> str | None:
    teacher = card.lineage.get("teacher")
    return teacher.get("sha256") if isinstance(teacher, Mapping) else None


def _evidence(stage: str, lock: Lock) -> dict[str, Path | str]:
    entry = json.dumps({stage: lock[stage]}, indent=2, sort_keys=True) + "\n"
    curve, environment = CURVES / f"{stage}.csv", environment_file(stage)
    ran_with = {ENVIRONMENT: environment} if environment.is_file() else {}
    return {curve.name: curve, STAGE_ENTRY: entry, PHOTOS: write(list_fingerprints()), **ran_with}


def _params(stage: str, lock: Lock) -> dict[str, Any]:
    """As dvc.lock has them: those that the stage ran with."""
    params: Mapping[str, Any] = lock[stage].get("params", {}).get("params.yaml", {})
    return dict(flat(params))


def _metrics(role: Role) -> dict[str, float]:
    """`split.method.metric` of doing nothing and of every form of this model."""
    return {
        f"{split}.{method}.{metric}": value
        for split, methods in read_results().items()
        for method, metrics in methods.items()
        if method == "input" or method.startswith(role)
        for metric, value in metrics.items()
    }


def _sha256(source: Path | str) -> str:
    if isinstance(source, Path):
        return sha256_file(source)
    return hashlib.sha256(source.encode()).hexdigest()


def run_of(registry: Registry, bundle: Bundle, lineage: Lineage) -> str:
    """The id of the finished run that made these weights, imported if the store has none.

    The final numbers of the evaluation are added to it, so that it shows beside the model.
    """
    found = registry.client.search_runs(
        [registry.experiment],
        f"attributes.status = 'FINISHED' and tags.`kdsharp.stage` = '{bundle.role}' "
        f"and tags.`kdsharp.sha256` = '{bundle.sha256}'",
        max_results=1,
        order_by=["attributes.end_time DESC"],
    )
    run_id = found[0].info.run_id if found else _import(registry, bundle, lineage)
    now = int(time.time() * 1000)
    _log(
        registry,
        run_id,
        "metrics",
        [_metric(sectioned(k), v, now) for k, v in bundle.metrics.items()],
    )
    return str(run_id)


def _import(registry: Registry, bundle: Bundle, lineage: Lineage) -> str:
    from mlflow.entities import Param

    tags = {
        "kdsharp.stage": bundle.role,
        "kdsharp.sha256": bundle.sha256,
        "kdsharp.imported": "true",
        "mlflow.source.name": f"pipeline.stages.{bundle.role}",
        "mlflow.source.git.commit": lineage.git_commit or "",
        **bundle.environment,
        **({"kdsharp.teacher_sha256": bundle.teacher_sha256} if bundle.teacher_sha256 else {}),
        **lineage.tags(),
    }
    run = registry.client.create_run(registry.experiment, tags=tags, run_name=bundle.role)
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
        _metric(of_epoch(name), row[name], now, int(row["epoch"]))
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
