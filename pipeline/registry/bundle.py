"""What of a trained model goes into the registry: the files that DVC holds, and what is known."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsharp.card import CARD, read_card
from kdsharp.files import sha256_file
from kdsharp.train.student import load_student
from kdsharp.train.teacher import load_teacher
from pipeline.paths import CURVES, EXPORT, STUDENT, TEACHER
from pipeline.registry.locked import Lock
from pipeline.registry.names import Kind
from pipeline.registry.versions import STAGE_ENTRY
from pipeline.results import read_results
from pipeline.tracking import flat

__all__ = ["Bundle", "collect_student", "collect_teacher"]


@dataclass(frozen=True)
class Bundle:
    """One model, ready to be registered."""

    kind: Kind
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
    """Of the teacher that a student learned from."""

    def hashes(self) -> dict[str, str]:
        """Name of each file -> its SHA-256."""
        return {name: _sha256(source) for name, source in self.files.items()}

    def content(self) -> str:
        """One hash of the model's files: two bundles with the same are the same model."""
        hashes = self.hashes()
        lines = [f"{name} {hashes[name]}\n" for name in sorted(self.models)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def collect_teacher(lock: Lock) -> Bundle:
    """The teacher in models/; `UserError` when a file is missing or damaged."""
    teacher = load_teacher(TEACHER)
    return Bundle(
        kind="teacher",
        files={TEACHER.name: TEACHER, **_evidence("teacher", lock)},
        models=(TEACHER.name,),
        params=_params("teacher", lock),
        metrics=_metrics("teacher"),
        curve=CURVES / "teacher.csv",
        parameters=teacher.parameter_count,
        macs_per_pixel=teacher.macs_per_pixel,
        sha256=sha256_file(TEACHER),
        teacher_sha256=None,
    )


def collect_student(lock: Lock) -> Bundle:
    """The student in models/ with its export; `UserError` when a file is missing or damaged."""
    student, card = load_student(STUDENT), read_card(EXPORT)
    exported = {path.name: path for path in sorted(EXPORT.iterdir())}
    return Bundle(
        kind="student",
        files={STUDENT.name: STUDENT, **exported, **_evidence("student", lock)},
        # The card also tells of metrics and lineage, which may change while the model stays.
        models=(STUDENT.name, *(name for name in exported if name != CARD)),
        params=_params("student", lock),
        metrics=_metrics("student"),
        curve=CURVES / "student.csv",
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        sha256=sha256_file(STUDENT),
        teacher_sha256=card.lineage["teacher"]["sha256"],
    )


def _evidence(stage: str, lock: Lock) -> dict[str, Path | str]:
    entry = json.dumps({stage: lock[stage]}, indent=2, sort_keys=True) + "\n"
    return {f"{stage}.csv": CURVES / f"{stage}.csv", STAGE_ENTRY: entry}


def _params(stage: str, lock: Lock) -> dict[str, Any]:
    """As dvc.lock has them: those that the stage ran with."""
    params: Mapping[str, Any] = lock[stage].get("params", {}).get("params.yaml", {})
    return dict(flat(params))


def _metrics(kind: Kind) -> dict[str, float]:
    """`split.method.metric` of doing nothing and of every form of this model."""
    return {
        f"{split}.{method}.{metric}": value
        for split, methods in read_results().items()
        for method, metrics in methods.items()
        if method == "input" or method.startswith(kind)
        for metric, value in metrics.items()
    }


def _sha256(source: Path | str) -> str:
    if isinstance(source, Path):
        return sha256_file(source)
    return hashlib.sha256(source.encode()).hexdigest()
