"""Did a version pass the gate and come into production by it? What a published model says."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD
from kdsharp.tables import markdown
from pipeline.paths import STUDENT, printable
from pipeline.release.promotion.decision_record import (
    DECISION,
    FILE,
    GATE,
    OUTCOME,
    REASON,
    RUN,
    DecisionRecord,
    decision_id,
)
from pipeline.release.promotion.production import served_files
from pipeline.release.registry.bundle import content_of
from pipeline.release.registry.history import Entry, History
from pipeline.release.registry.versions import Version
from pipeline.tracking.runs import reason
from pipeline.tracking.store import store_uri

__all__ = [
    "NOT_JUDGED",
    "Gate",
    "card_gate",
    "fetch_decision",
    "gate_section",
    "promoted_by",
    "with_gate_section",
]

Gate = Mapping[str, Any]
NOT_JUDGED: Gate = {
    "judged": False,
    "why": "it was put into the package before models had to pass the gate",
}
"""Of the models that are older than this rule."""

_HEADING, _NEXT = "## Gate", "## Limits"
_METRICS = {"psnr_y": ("PSNR Y (dB)", 3), "ssim_y": ("SSIM Y", 5)}
_METHODS = {"candidate": "this model", "incumbent": "incumbent", "input": "doing nothing"}


def promoted_by(history: History, version: Version, forced: bool = False) -> Entry:
    """The entry of the history that put `version` into production; it was not taken back since.

    Versions that better ones have followed count as well. Raises `UserError` for a version that was
    never judged, was refused, rejected or taken back, and, unless `forced`, for one that was
    promoted against the gate.
    """
    tags = version.tags
    if GATE not in tags:
        raise UserError(f"{version} was never judged: python -m pipeline promote")
    entry = _promotion(history.entries, version.number)
    if entry is None or version.number not in history.last.stack:
        raise UserError(_why_not(history.entries, version))
    if not entry.decision:
        raise UserError(
            f"{version} was judged before decisions had an id: register and promote another one"
        )
    if entry.decision != tags.get(DECISION):
        raise UserError(
            f"{version} was judged again after its promotion, and not promoted by it "
            f"({tags[GATE]}: {tags.get(REASON, '')})"
        )
    if entry.forced and not forced:
        raise UserError(
            f"{version} was refused by the gate and promoted by force ({entry.why}): --forced "
            "publishes it, and its card says so"
        )
    return entry


def fetch_decision(version: Version, entry: Entry) -> DecisionRecord:
    """The record of the decision by which `entry` promoted `version`, as the store has it.

    Raises `UserError` when it is gone or was changed, and when the version's files are not those
    that were judged.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    what = f"{version}: decision {entry.decision}"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            got = mlflow.artifacts.download_artifacts(
                run_id=version.tags.get(RUN, ""),
                artifact_path=FILE,
                dst_path=scratch,
                tracking_uri=store_uri(),
            )
            text = Path(got).read_text(encoding="utf-8")
    except (OSError, ValueError, MlflowException) as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        raise UserError(f"{what} cannot be read in the store ({reason(error)})") from error
    if decision_id(text) != entry.decision:
        raise UserError(f"{what} was changed in the store: its hash differs")
    record = DecisionRecord.from_json(text)
    if (record.model, record.version) != (version.name, version.number):
        raise UserError(f"{what} is about {record.model} version {record.version}")
    models = {STUDENT.name, *served_files(version)} - {CARD}
    if record.content != content_of(version.files, models):
        raise UserError(f"{version}: its files are not those that were judged: register them again")
    return record


def _promotion(entries: Sequence[Entry], number: int) -> Entry | None:
    """The last one of that version."""
    found = [entry for entry in entries if entry.action == "promote" and entry.version == number]
    return found[-1] if found else None


def _why_not(entries: Sequence[Entry], version: Version) -> str:
    tags = version.tags
    left = [entry for entry in entries if entry.action != "promote" and entry.was == version.number]
    if tags[GATE] == "refused":
        return f"{version} was refused by the gate: {tags.get(REASON, '')}"
    if left:
        return f"{version} was taken back from production by {left[-1].who}: {left[-1].why}"
    outcome = tags.get(OUTCOME, "the promotion was interrupted")
    return f"{version} passed the gate, but was not promoted ({outcome})"


def card_gate(record: DecisionRecord, forced: str | None, commit: str) -> dict[str, Any]:
    """The decision that let a model ship, and its evidence.

    `forced` is why a person promoted it against the gate, None where it passed; `commit` is that
    of the code that trained it.
    """
    decision = record.decision
    numbers = decision.numbers
    found = {
        "judged": True,
        "decision": decision_id(record.to_json()),
        "verdict": "passed" if decision.passed else "refused",
        "forced": forced,
        "weak": decision.weak,
        "when": record.when,
        "model": record.model,
        "version": record.version,
        "against": record.against,
        "reason": decision.reason,
        "gate_set": {"sha256": decision.gate_sha256, **numbers["gate"]},
        "commit": commit,
    }
    if "int8" in numbers:
        found["int8"] = _measured(numbers["int8"]) | {"loss_db": numbers["int8"].get("loss_db")}
    return found | _measured(numbers)


def _measured(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {metric: numbers[metric] for metric in _METRICS if metric in numbers}


def gate_section(gate: Gate) -> str:
    """The same for people, in Markdown, without a newline at its end."""
    return "\n\n".join([_HEADING, *_blocks(gate)])


def with_gate_section(page: str, gate: Gate) -> str:
    """The model's `page` with that section before its limits, instead of an earlier one."""
    without = re.sub(rf"^{_HEADING}\n.*?(?=^## |\Z)", "", page, flags=re.MULTILINE | re.DOTALL)
    before, limits, after = without.partition(f"\n{_NEXT}\n")
    parts = [before.strip(), gate_section(gate)]
    return "\n\n".join([*parts, f"{limits}{after}".strip()] if limits else parts) + "\n"


def _blocks(gate: Gate) -> Iterator[str]:
    if not gate["judged"]:
        yield _paragraph(f"The gate did not judge this model: {gate['why']}.")
        return
    when = gate["when"].replace("T", " ").removesuffix("Z")
    yield _paragraph(
        f"Decision `{gate['decision']}` of {when} UTC on version {gate['version']} of "
        f"`{gate['model']}`, against {gate['against']}: **{gate['verdict']}**: {gate['reason']}."
    )
    if gate["forced"] is not None:
        yield _paragraph(f"It was **forced** into production nevertheless: {gate['forced']}.")
    crops = gate["gate_set"]
    yield _paragraph(
        f"Means over {crops['photos']} photos ({crops['crops']} crops, {crops['degradation']} "
        f"x{crops['scale']}), SHA-256 of the set `{crops['sha256']}`:"
    )
    names = [name for name in _METHODS if name in gate.get("psnr_y", {})]
    heads = ["", *(_METHODS[name] for name in names), "difference", "its interval"]
    yield markdown(heads, [*_rows(gate, names), *_rows(gate.get("int8", {}), names, ", int8")])


def _rows(gate: Gate, names: Sequence[str], form: str = "") -> Iterator[list[str]]:
    for metric, (title, digits) in _METRICS.items():
        found = gate.get(metric, {})
        if "low" in found:  # both models were scored
            means = [f"{found[name]:.{digits}f}" if name in found else "" for name in names]
            mean, low, high = (f"{found[key]:+.{digits}f}" for key in ("mean", "low", "high"))
            yield [f"{title}{form}", *means, mean, f"{low} to {high}"]


def _paragraph(text: str) -> str:
    # Reasons are typed by people, and may name files.
    plain = printable(" ".join(text.split()))
    return fill(plain, 100, break_on_hyphens=False, break_long_words=False)
