"""Candidate and incumbent, fetched from the registry, measured side by side, and decided on."""

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.evaluation.held_out import asked_for
from pipeline.params import Params
from pipeline.paths import GATE
from pipeline.release.gate.checks import HeldOut, read_held_out
from pipeline.release.gate.crops import GateSet, load_gate_set, source_of
from pipeline.release.gate.decide import decide
from pipeline.release.gate.evidence import Decision
from pipeline.release.gate.measure import measure
from pipeline.release.promotion.decision_record import (
    Recorded,
    draft_decision,
    record_decision,
)
from pipeline.release.promotion.production import Promotion, reconcile
from pipeline.release.promotion.rivals import Rivals
from pipeline.release.registry.history import Entry, find_history
from pipeline.release.registry.provenance import read_provenance
from pipeline.release.registry.siblings import variant_note
from pipeline.release.registry.versions import (
    CANDIDATE,
    METRICS,
    Log,
    Registry,
    Version,
    find_version,
    pick_versions,
)

__all__ = ["Judged", "judge"]


@dataclass(frozen=True)
class Judged:
    """A candidate with the gate's decision, and what was in production then."""

    candidate: Version
    before: Entry
    incumbent: int | None
    """The version that it was compared with; None: with doing nothing."""
    decision: Decision
    record: Recorded


def judge(
    registry: Registry,
    name: str,
    which: int | None,
    params: Params,
    log: Log,
    *,
    store: bool = True,
) -> Judged | Promotion:
    """Compare the candidate with what is in production and store the decision.

    Without `store` nothing is written, and an interrupted change is left as it is.
    """
    history = find_history(registry, name)
    candidate = find_version(registry, name, CANDIDATE if which is None else which)
    if store:
        reconcile(registry, history, log)
    number = history.last.version
    if _is_in_production(registry, candidate, number):
        reason = f"{candidate} is in production already: nothing moves"
        return Promotion("unchanged", name, candidate.number, number, reason, reason)
    gate_set = load_gate_set()
    _require_source(gate_set, params)
    if note := variant_note(registry, name, gate_set.sha256):
        log(note)
    with tempfile.TemporaryDirectory() as scratch:
        distance = params.data.duplicate_distance
        rivals = Rivals(registry, Path(scratch), gate_set, distance, log)
        ours = rivals.fetch(candidate)
        leaks = rivals.leaks(candidate, ours)
        incumbent, theirs, said = rivals.incumbent(history, candidate)
        known = {candidate.number, incumbent.number if incumbent else None}
        beside = rivals.anchors(history, known)
        against = f"version {incumbent.number}" if incumbent else "doing nothing"
        also = "".join(f", {name}: version {number}" for name, number in beside)
        whose = f" of {gate_set.source}" if gate_set.source else ""
        log(f"{candidate} against {against}{also} on {len(gate_set.photo)} crops{whose} ...")
        comparison = measure(candidate.role, ours, theirs, gate_set, params.promotion, beside)
    made = dataclasses.replace(read_provenance(candidate.tags), leaks=leaks)
    before = read_provenance(incumbent.tags) if incumbent else None
    held_out = _held_out(candidate, params)
    said = [*said, note] if note else said
    decision = decide(comparison, made, params.promotion, held_out, before, said)
    if store:
        record = record_decision(registry, candidate, incumbent, comparison, decision)
    else:
        record = draft_decision(candidate, incumbent, comparison, decision)
    compared = incumbent.number if incumbent else None
    return Judged(candidate, history.last, compared, decision, record)


def _require_source(gate_set: GateSet, params: Params) -> None:
    """A model for other photos is not refused over those of before."""
    if gate_set.source and gate_set.source != (wanted := source_of(params)):
        raise UserError(
            f"{GATE} was cut from {gate_set.source}, but params.yaml has {wanted}: dvc repro gate "
            "cuts it anew; then commit dvc.lock"
        )


def _held_out(candidate: Version, params: Params) -> HeldOut:
    numbers = json.loads(candidate.tags.get(METRICS, "{}"))
    return read_held_out(numbers, candidate.role, params.evaluate.held_out, asked_for(params))


def _is_in_production(registry: Registry, candidate: Version, number: int | None) -> bool:
    there = pick_versions(registry, candidate.name, (number,))
    return any(_same(candidate, version) for version in there.values())


def _same(one: Version, other: Version) -> bool:
    content = one.tags.get("kdsharp.content")
    same = content is not None and content == other.tags.get("kdsharp.content")
    return one.number == other.number or same
