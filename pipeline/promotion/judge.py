"""Candidate and incumbent, fetched from the registry, measured side by side, and decided on."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.gate.crops import load_gate_set
from pipeline.gate.decide import decide
from pipeline.gate.decision import Decision
from pipeline.gate.evidence import Comparison
from pipeline.gate.measure import measure
from pipeline.gate.unseen import read_unseen
from pipeline.params import Params
from pipeline.promotion.change import Promotion
from pipeline.promotion.production import heal
from pipeline.promotion.record import Record, record_decision
from pipeline.registry.connect import Registry
from pipeline.registry.history import Entry, find_history
from pipeline.registry.provenance import read_provenance
from pipeline.registry.versions import (
    CANDIDATE,
    METRICS,
    Version,
    fetch_files,
    find_version,
    list_versions,
)
from pipeline.unseen import asked_for

__all__ = ["Judged", "judge"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """A candidate with the gate's decision, and what was in production then."""

    candidate: Version
    before: Entry
    decision: Decision
    record: Record


def judge(
    registry: Registry, name: str, which: int | None, params: Params, say: Say
) -> Judged | Promotion:
    """Compare the candidate with what is in production and store the decision."""
    history = find_history(registry, name)
    candidate = find_version(registry, name, CANDIDATE if which is None else which)
    heal(registry, history, say)
    number = history.last.version
    incumbent = _incumbent(registry, name, number, say)
    if incumbent is not None and _same(candidate, incumbent):
        reason = f"{candidate} is in production already: nothing moves"
        return Promotion("unchanged", name, candidate.number, number, reason, reason)
    comparison, decision = _compare(registry, candidate, incumbent, params, say)
    record = record_decision(registry, candidate, incumbent, comparison, decision)
    return Judged(candidate, history.last, decision, record)


def _compare(
    registry: Registry,
    candidate: Version,
    incumbent: Version | None,
    params: Params,
    say: Say,
) -> tuple[Comparison, Decision]:
    """Measure both on the gate set, side by side, and decide."""
    gate_set = load_gate_set()
    against = f"version {incumbent.number}" if incumbent else "doing nothing"
    say(f"{candidate} against {against} on {len(gate_set.photo)} crops ...")
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch) / "candidate", Path(scratch) / "incumbent"
        ours.mkdir()
        theirs.mkdir()
        fetch_files(registry, candidate, ours)
        if incumbent is not None:
            _fetch_if_sound(registry, incumbent, theirs, say)
        comparison = measure(
            candidate.kind,
            ours,
            theirs if incumbent is not None else None,
            gate_set,
            params.promotion,
        )
    decision = decide(
        comparison.candidate,
        comparison.incumbent,
        comparison.input,
        read_provenance(candidate.tags),
        params.promotion,
        comparison.gate,
        read_unseen(
            json.loads(candidate.tags.get(METRICS, "{}")),
            candidate.kind,
            params.evaluate.unseen,
            asked_for(params),
        ),
    )
    return comparison, decision


def _fetch_if_sound(registry: Registry, incumbent: Version, folder: Path, say: Say) -> None:
    """A damaged incumbent must not keep a sound candidate out: it is measured as it is, empty."""
    try:
        fetch_files(registry, incumbent, folder)
    except UserError as error:
        say(f"warning: {error}")


def _incumbent(registry: Registry, name: str, number: int | None, say: Say) -> Version | None:
    if number is None:
        return None
    found = [version for version in list_versions(registry, name) if version.number == number]
    if not found:
        say(f"warning: version {number}, in production, was deleted from the registry")
    return found[0] if found else None


def _same(one: Version, other: Version) -> bool:
    content = one.tags.get("kdsharp.content")
    same = content is not None and content == other.tags.get("kdsharp.content")
    return one.number == other.number or same
