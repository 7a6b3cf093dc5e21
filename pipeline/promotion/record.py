"""A decision of the gate, stored where people look: on the version, and as a run with artifacts."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.gate.decision import Decision
from pipeline.gate.evidence import Comparison
from pipeline.gate.report import markdown, picture
from pipeline.registry.connect import Registry
from pipeline.registry.versions import Version
from pipeline.tracking import flat

__all__ = ["Record", "note_outcome", "record_decision"]

_LONGEST_TAG = 5000


@dataclass(frozen=True)
class Record:
    """What was stored of a decision."""

    report: str
    """Markdown."""
    picture: bytes
    """PNG."""


def record_decision(
    registry: Registry,
    version: Version,
    incumbent: Version | None,
    comparison: Comparison,
    decision: Decision,
) -> Record:
    """Store `decision` about `version`, refusals too, as an MLflow run and on the version."""
    from mlflow.entities import Metric

    against = f"version {incumbent.number}" if incumbent else "doing nothing"
    report = markdown(decision, f"{version} against {against}")
    client = registry.client
    tags = {
        "kdsharp.stage": "gate",
        "kdsharp.model": version.name,
        "kdsharp.version": str(version.number),
        "kdsharp.against": against,
        "kdsharp.gate": "passed" if decision.passed else "refused",
        "kdsharp.gate_set": decision.gate_sha256,
    }
    run = client.create_run(registry.experiment, tags=tags, run_name=f"gate {version}")
    run_id = str(run.info.run_id)
    now = int(time.time() * 1000)
    client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in _numbers(decision)])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "decision.md").write_text(report, encoding="utf-8")
        (Path(folder) / "decision.json").write_text(decision.to_json(), encoding="utf-8")
        picture(decision, comparison, Path(folder) / "decision.png")
        drawn = (Path(folder) / "decision.png").read_bytes()
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id, "FINISHED")
    note = {
        "kdsharp.gate": tags["kdsharp.gate"],
        "kdsharp.gate_reason": decision.reason[:_LONGEST_TAG],
        "kdsharp.gate_run": run_id,
        "kdsharp.gate_set": decision.gate_sha256,
        "kdsharp.gate_numbers": json.dumps(dict(_numbers(decision))),
    }
    for name, text in note.items():
        client.set_model_version_tag(version.name, str(version.number), name, text)
    client.update_model_version(version.name, str(version.number), report)
    return Record(report, drawn)


def note_outcome(registry: Registry, version: Version, outcome: str) -> None:
    """Say on the version what became of it: promoted, refused, rejected by whom and why."""
    registry.client.set_model_version_tag(
        version.name, str(version.number), "kdsharp.promotion", outcome[:_LONGEST_TAG]
    )


def _numbers(decision: Decision) -> Iterator[tuple[str, float]]:
    """What of the evidence is a number, by dotted name."""
    for name, value in flat(decision.numbers):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
