"""The decision: a pure function of what was measured, of the model's provenance and the policy."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from pipeline.params import PromotionParams
from pipeline.release.gate.anchors import anchor_checks, reason_check
from pipeline.release.gate.checks import (
    HeldOut,
    Provenance,
    held_out_check,
    held_out_numbers,
    leakage_check,
    made_for_check,
    provenance_checks,
)
from pipeline.release.gate.costs import LEVEL, cost_checks, loss_check, loss_db, serving_checks
from pipeline.release.gate.evidence import (
    Against,
    Check,
    Comparison,
    Decision,
    GateFacts,
    Measured,
    Quality,
)
from pipeline.release.gate.interval import photo_means
from pipeline.release.gate.quality import quality_checks, scored, unscored

__all__ = ["decide"]

_KEYS = {"psnr": "psnr_y", "ssim": "ssim_y", "worst decile": "worst_decile"}


def decide(
    comparison: Comparison,
    provenance: Provenance,
    policy: PromotionParams,
    held_out: HeldOut,
    before: Provenance | None = None,
    passed_over: Sequence[str] = (),
) -> Decision:
    """Judge the candidate against the incumbent, or against doing nothing if there is none.

    `held_out` is what the candidate's own evaluation says about photos from another source,
    `before` where the incumbent comes from, `passed_over` why others are not it. Every possible
    check is made; the candidate passes if all do. Raises `ValueError` when the models were scored
    on different crops.
    """
    candidate, gate = comparison.candidate, comparison.gate
    checks = [*provenance_checks(provenance), leakage_check(provenance)]
    checks += serving_checks(candidate, policy.parity)
    checks += [Check("incumbent", True, text) for text in passed_over]
    if candidate.serving.loads:
        checks += made_for_check(provenance, gate.degradation, gate.scale)
    rival = comparison.incumbent
    if rival is not None and not scored(rival.quality):
        why = rival.serving.error or unscored(rival.quality)
        text = f"doing nothing takes its place, because the incumbent cannot be scored: {why}"
        checks.append(Check("incumbent", True, text))
        rival = None
    weak = gate.photos < policy.enough_photos or gate.crops < policy.enough_crops
    lenient = weak and policy.weak != "refuse"
    checks.append(_enough(weak, gate, policy))
    numbers = _numbers(candidate, rival, comparison.input, gate)
    found, compared = _compared(candidate, rival, comparison.input, policy, lenient)
    checks += found
    _merge(numbers, compared)
    summary = next((check.text for check in found if check.name == "psnr"), "")
    if candidate.serving.loads:
        found, compared = _int8(candidate, rival, comparison.input, policy, gate, lenient)
        checks += found
        numbers.update({"int8": compared} if compared else {})
    if rival and "verdict" in numbers["psnr_y"]:
        psnr = numbers["psnr_y"]
        better = psnr["verdict"] == "better" or (lenient and psnr["mean"] > 0)
        checks.append(reason_check(candidate, rival, better, provenance, before, policy))
    for anchor in comparison.anchors:
        for check, difference in anchor_checks(candidate, anchor, policy, lenient):
            checks.append(check)
            numbers.setdefault("anchors", {})[check.name] = difference
    checks.append(held_out_check(held_out, policy.gap_percent))
    numbers.update(held_out_numbers(held_out, policy.gap_percent))
    failed = [check.text for check in checks if not check.passed]
    reason = "; ".join(failed) or summary
    if weak and policy.weak != "refuse":
        reason += f" (weak evidence: {_evidence(gate, policy)})"
    against: Against = "incumbent" if rival else "input"
    return Decision(not failed, weak, tuple(checks), numbers, gate.sha256, against, reason)


def _compared(
    ours: Measured,
    rival: Measured | None,
    doing_nothing: Quality,
    policy: PromotionParams,
    lenient: bool,
) -> tuple[list[Check], dict[str, Any]]:
    """One file against the rival's: quality, speed and size; and the numbers of the first."""
    checks: list[Check] = []
    numbers: dict[str, Any] = {}
    other = rival.quality if rival else doing_nothing
    against: Against = "incumbent" if rival else "input"
    if ours.quality is not None and other is not None and scored(ours.quality):
        pairs = quality_checks(ours.quality, other, against, policy, lenient=lenient)
        for check, found in pairs:
            checks.append(check)
            numbers[_KEYS[check.name]] = found
    elif ours.serving.loads:
        checks.append(Check("psnr", False, unscored(ours.quality)))
    if rival and ours.serving.loads:
        checks += cost_checks(ours, rival, policy)
    return checks, numbers


def _int8(
    candidate: Measured,
    incumbent: Measured | None,
    doing_nothing: Quality,
    policy: PromotionParams,
    gate: GateFacts,
    lenient: bool,
) -> tuple[list[Check], dict[str, Any]]:
    """The same for those whose CPU multiplies int8: what they get, against what they have."""
    theirs = incumbent.int8 if incumbent else None
    if candidate.int8 is None and theirs is None:
        return [], {}
    ours = candidate.int8 or candidate
    rival = theirs if theirs and scored(theirs.quality) else incumbent
    checks = list(serving_checks(ours, LEVEL)) if candidate.int8 else []
    found, compared = _compared(ours, rival, doing_nothing, policy, lenient)
    numbers = _numbers(ours, rival, doing_nothing, gate)
    del numbers["gate"]
    _merge(numbers, compared)
    what = "int8" if candidate.int8 else "fp32 instead of int8"
    checks = [Check(f"int8 {c.name}", c.passed, f"{what}: {c.text}") for c in [*checks, *found]]
    if (loss := loss_db(candidate)) is not None:
        checks.append(loss_check(loss, policy.int8_loss_db))
        numbers["loss_db"] = loss
    return checks, numbers


def _enough(weak: bool, gate: GateFacts, policy: PromotionParams) -> Check:
    """Are there enough photos and crops, or does the policy take less?"""
    if not weak:
        text = f"{gate.crops} crops of {gate.photos} photos{_from(gate)} are enough"
        return Check("evidence", True, text)
    then = {
        "refuse": "and promotion.weak is refuse: judge on more photos",
        "ask": "so a person decides (promotion.weak: ask)",
        "accept": "which is accepted (promotion.weak: accept)",
    }
    text = f"weak evidence: {_evidence(gate, policy)}, {then[policy.weak]}"
    return Check("evidence", policy.weak != "refuse", text)


def _merge(numbers: dict[str, Any], compared: dict[str, Any]) -> None:
    for key, found in compared.items():
        numbers.setdefault(key, {}).update(found)


def _numbers(
    candidate: Measured, incumbent: Measured | None, doing_nothing: Quality, gate: GateFacts
) -> dict[str, Any]:
    """What was measured, by model; the comparison is added by `decide`."""
    models = {"candidate": candidate, **({"incumbent": incumbent} if incumbent else {})}
    qualities = {**{name: model.quality for name, model in models.items()}, "input": doing_nothing}
    numbers: dict[str, Any] = {
        "gate": {key: getattr(gate, key) for key in ("photos", "crops", "degradation", "scale")}
    }
    if gate.source:
        numbers["gate"]["source"] = gate.source
    for metric in ("psnr_y", "ssim_y"):
        numbers[metric] = {
            name: float(photo_means(getattr(quality, metric), quality.photo).mean())
            for name, quality in qualities.items()
            if quality is not None and scored(quality)
        }
    for name, model in models.items():
        costs = {"parameters": model.parameters, "macs_per_pixel": model.macs_per_pixel}
        values = {**dataclasses.asdict(model.serving), **costs}
        numbers[name] = {key: _plain(value) for key, value in values.items()}
    return numbers


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _from(gate: GateFacts) -> str:
    return f" from {gate.source}" if gate.source else ""


def _evidence(gate: GateFacts, policy: PromotionParams) -> str:
    photos = f"{gate.photos} photo{'s' * (gate.photos != 1)}{_from(gate)}"
    enough = f"{policy.enough_crops} of {policy.enough_photos}"
    return f"{gate.crops} crops of {photos}, enough would be {enough}"
