"""A decision of the gate, stored: a file whose hash is its id, tags of the version, a run."""

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.release.gate.evidence import Comparison, Decision
from pipeline.release.gate.report import markdown, picture
from pipeline.release.registry.versions import Registry, Version
from pipeline.tracking.runs import flat
from pipeline.tracking.store import other_experiment

__all__ = [
    "DECISION",
    "EXPERIMENT",
    "FILE",
    "GATE",
    "OUTCOME",
    "REASON",
    "RUN",
    "DecisionRecord",
    "Recorded",
    "decision_id",
    "draft_decision",
    "gate_verdict",
    "note_outcome",
    "record_decision",
]

EXPERIMENT = "kdsharp gate"
"""MLflow's experiment of decisions: they are no trainings."""

FILE = "decision.json"
"""The record among the artifacts of the decision's run."""

GATE, REASON, OUTCOME = "kdsharp.gate", "kdsharp.gate_reason", "kdsharp.promotion"
DECISION, RUN = "kdsharp.decision", "kdsharp.gate_run"
"""Tags of a version, of the last decision about it: passed or refused, why, what became of it; the
decision's id, which its run has as well, and that run."""

_LONGEST_TAG = 5000


@dataclass(frozen=True)
class DecisionRecord:
    """Version `version` of `model`, whose model files hash to `content`, was decided on."""

    model: str
    version: int
    content: str
    against: str
    """`version 2`, or `doing nothing`."""
    when: str
    """UTC, ISO 8601."""
    decision: Decision

    def to_json(self) -> str:
        """Indented JSON with a newline at the end; the same record gives the same text."""
        values = dataclasses.asdict(self)
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "DecisionRecord":
        """The record that `to_json` wrote; `UserError` for anything else."""
        try:
            values = json.loads(text)
            return cls(decision=Decision.of(values.pop("decision")), **values)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UserError(f"not a record of a decision: {error}") from None


def decision_id(text: str) -> str:
    """The id of the decision whose record is `text`: 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def gate_verdict(tags: Mapping[str, str]) -> str:
    """What the gate last said about a version with these tags, and the decision's id."""
    return f"{tags.get(GATE, 'not judged')} {tags.get(DECISION, '')}".rstrip()


@dataclass(frozen=True)
class Recorded:
    """What was stored of a decision."""

    id: str
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
) -> Recorded:
    """Store `decision` about `version`, refusals too, as an MLflow run and on the version."""
    from mlflow.entities import Metric

    record = _record(version, incumbent, decision)
    against, report, written = record.against, _report(record, version), record.to_json()
    client = registry.client
    tags = {
        "kdsharp.stage": "gate",
        "kdsharp.model": version.name,
        "kdsharp.version": str(version.number),
        "kdsharp.against": against,
        GATE: "passed" if decision.passed else "refused",
        DECISION: decision_id(written),
        "kdsharp.gate_set": decision.gate_sha256,
    }
    experiment = other_experiment(client, EXPERIMENT, registry.experiment)
    run = client.create_run(experiment, tags=tags, run_name=f"gate {version}")
    run_id = str(run.info.run_id)
    now = int(time.time() * 1000)
    numbers = [Metric(k.replace(".", "/"), value, now, 0) for k, value in _numbers(decision)]
    client.log_batch(run_id, numbers)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "decision.md").write_text(report, encoding="utf-8")
        (Path(folder) / FILE).write_text(written, encoding="utf-8", newline="\n")
        drawn = _draw(decision, comparison, Path(folder))
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id, "FINISHED")
    note = {
        GATE: tags[GATE],
        REASON: decision.reason[:_LONGEST_TAG],
        RUN: run_id,
        DECISION: tags[DECISION],
        "kdsharp.gate_set": decision.gate_sha256,
        "kdsharp.gate_numbers": json.dumps(dict(_numbers(decision))),
    }
    for name, text in note.items():
        client.set_model_version_tag(version.name, str(version.number), name, text)
    client.update_model_version(version.name, str(version.number), report)
    return Recorded(tags[DECISION], report, drawn)


def draft_decision(
    version: Version, incumbent: Version | None, comparison: Comparison, decision: Decision
) -> Recorded:
    """The same report and picture, stored nowhere; without an id, which only what is stored has."""
    record = _record(version, incumbent, decision)
    with tempfile.TemporaryDirectory() as folder:
        return Recorded("", _report(record, version), _draw(decision, comparison, Path(folder)))


def _record(version: Version, incumbent: Version | None, decision: Decision) -> DecisionRecord:
    against = f"version {incumbent.number}" if incumbent else "doing nothing"
    content = version.tags.get("kdsharp.content", "")
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return DecisionRecord(version.name, version.number, content, against, when, decision)


def _report(record: DecisionRecord, version: Version) -> str:
    return markdown(record.decision, f"{version} against {record.against}")


def _draw(decision: Decision, comparison: Comparison, folder: Path) -> bytes:
    target = folder / "decision.png"
    picture(decision, comparison, target)
    return target.read_bytes()


def note_outcome(registry: Registry, version: Version, outcome: str) -> None:
    """Note the outcome on the version: promoted, refused, rejected by whom and why."""
    registry.client.set_model_version_tag(
        version.name, str(version.number), OUTCOME, outcome[:_LONGEST_TAG]
    )


def _numbers(decision: Decision) -> Iterator[tuple[str, float]]:
    """What of the evidence is a number, by dotted name."""
    for name, value in flat(decision.numbers):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
