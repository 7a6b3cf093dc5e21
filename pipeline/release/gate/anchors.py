"""No creep: many small losses, each within the margin, must not add up.

A candidate meets the incumbent, and beside it the anchors: versions that production is not to fall
behind, however many promotions lie between. And it needs a reason to take the incumbent's place.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.params import PromotionParams
from pipeline.release.gate.checks import Provenance
from pipeline.release.gate.costs import cost_checks
from pipeline.release.gate.evidence import Anchor, Check, Measured
from pipeline.release.gate.quality import quality_checks, scored, unscored

__all__ = ["anchor_checks", "reason_check"]

_SMALLER, _FASTER = 0.95, 0.9
"""At most so many times the incumbent's bytes or time: the latter is not measured exactly."""

_WHO = {"best": "the best so far", "first": "the first"}


def anchor_checks(
    candidate: Measured, anchor: Anchor, policy: PromotionParams, lenient: bool = False
) -> Iterator[tuple[Check, dict[str, Any]]]:
    """One check for each kind of file: quality, speed and size against that of `anchor`.

    With the numbers of the difference in Y-PSNR. `lenient` as in `quality_checks`.
    """
    who = f"version {anchor.version}, {_WHO[anchor.name]}"
    forms = [("", candidate, anchor.model)]
    if anchor.model.int8 is not None:
        forms.append(("int8 ", candidate.int8 or candidate, anchor.model.int8))
    for form, ours, theirs in forms:
        name = f"{form}{anchor.name}"
        if not scored(theirs.quality):
            why = theirs.serving.error or unscored(theirs.quality)
            yield Check(name, True, f"{who}, is no bar, because it cannot be scored: {why}"), {}
        elif ours.quality is not None and scored(ours.quality):
            yield _held(name, ours, theirs, who, policy, lenient)


def _held(
    name: str, ours: Measured, theirs: Measured, who: str, policy: PromotionParams, lenient: bool
) -> tuple[Check, dict[str, Any]]:
    assert ours.quality is not None and theirs.quality is not None
    one, two = ours.quality, theirs.quality
    found = [*quality_checks(one, two, "anchor", policy, who, lenient=lenient)]
    costs = [*cost_checks(ours, theirs, policy, f"{who}'s")]
    numbers = found[0][1]
    failed = [check.text for check in (*(check for check, _ in found), *costs) if not check.passed]
    parts = [f"{numbers['mean']:+.3f} dB ({numbers['low']:+.3f} to {numbers['high']:+.3f})"]
    if theirs.serving.latency_ratio is not None:
        parts.append(f"{theirs.serving.latency_ratio:.2f} times its time")
    parts.append(f"{ours.serving.size_bytes / max(theirs.serving.size_bytes, 1):.2f} its size")
    text = "; ".join(failed) or f"not behind {who}: {', '.join(parts)}"
    return Check(name, not failed, text), numbers


def reason_check(
    candidate: Measured,
    incumbent: Measured,
    better: bool,
    made: Provenance,
    before: Provenance | None,
    policy: PromotionParams,
) -> Check:
    """Is it `better`, or what else speaks for it? Only `promotion.reasons` count.

    `made` and `before` tell what candidate and incumbent were trained on.
    """
    if better:
        return Check("reason", True, "it is better than the incumbent")
    found = dict(_reasons(candidate, incumbent, made, before))
    counted = [text for reason, text in found.items() if reason in policy.reasons]
    if counted:
        return Check("reason", True, f"no worse, and {' and '.join(counted)}")
    asked = ", ".join(policy.reasons) or "nothing else"
    text = f"it is not shown to be better, and nothing else speaks for it ({asked} would count)"
    return Check("reason", False, text)


def _reasons(
    candidate: Measured, incumbent: Measured, made: Provenance, before: Provenance | None
) -> Iterator[tuple[str, str]]:
    if before is not None and made.data_hash and made.data_hash != before.data_hash:
        yield "new data", f"trained on other photos ({made.data_hash[:8]}) than the incumbent"
    pairs = [(candidate, incumbent)]
    if candidate.int8 and incumbent.int8:
        pairs.append((candidate.int8, incumbent.int8))
    sizes = [one.serving.size_bytes / max(two.serving.size_bytes, 1) for one, two in pairs]
    if min(sizes) <= _SMALLER:
        yield "smaller", f"smaller ({min(sizes):.2f} times the incumbent's size)"
    times = [two.serving.latency_ratio for _, two in pairs if two.serving.latency_ratio]
    if times and min(times) <= _FASTER:
        yield "faster", f"faster ({min(times):.2f} times the incumbent's time)"
