"""What production itself says about a candidate, added to the gate's decision.

The gate's own checks stay what they are. Two stand beside them: `pseudo-truth`, which may refuse,
and which may be the reason to promote what is no worse on the frozen set; and `shadow`, which is
shown.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.params import Params
from pipeline.paths import PRODUCTION
from pipeline.release.gate.crops import GateSet
from pipeline.release.gate.evidence import Check, Decision, Role
from pipeline.release.promotion.pseudo_truth import pseudo_truth_check, read_pseudo_truth
from pipeline.release.promotion.shadow import shadow_check

__all__ = ["Found", "production_evidence", "with_production"]

Found = Sequence[tuple[Check, Mapping[str, Any]]]


def production_evidence(
    role: Role, candidate: Path, incumbent: Path | None, gate_set: GateSet, params: Params
) -> Found:
    """The checks that there is evidence for."""
    found = []
    if (made := read_pseudo_truth()) is not None:
        policy = params.promotion
        found.append(pseudo_truth_check(role, candidate, incumbent, gate_set, made, policy))
    if params.monitor.shadow_log is not None and role == "student":
        # The checkout's, also in a worktree of it.
        log = PRODUCTION.parent.parent / params.monitor.shadow_log
        found.append(shadow_check(log, candidate))
    return found


def with_production(decision: Decision, found: Found) -> Decision:
    """`decision` with these checks; the same where there are none.

    Shown to be better on production's content is a reason to promote what is no worse on the frozen
    set; worse there is refused, whatever else speaks for it.
    """
    if not found:
        return decision
    numbers = dict(decision.numbers)
    checks = list(decision.checks)
    for check, values in found:
        checks.append(check)
        if values:
            numbers[check.name.replace("-", "_")] = dict(values)
    seen = numbers.get("pseudo_truth", {})
    if seen.get("verdict") == "better" and seen.get("enough"):
        text = (
            "no worse on the frozen set, and better on production's own content: "
            f"{seen['mean']:+.3f} dB ({seen['low']:+.3f} to {seen['high']:+.3f})"
        )
        checks = [
            Check("reason", True, text) if one.name == "reason" and not one.passed else one
            for one in checks
        ]
    failed = [one.text for one in checks if not one.passed]
    reason = decision.reason
    if failed:
        reason = "; ".join(failed)
    elif not decision.passed:
        reason = next(one.text for one in checks if one.name == "reason")
    return dataclasses.replace(
        decision, passed=not failed, checks=tuple(checks), numbers=numbers, reason=reason
    )
