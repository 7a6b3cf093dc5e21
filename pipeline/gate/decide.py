"""The decision: a pure function of what was measured, of the model's provenance and the policy."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from pipeline.gate.bootstrap import photo_means
from pipeline.gate.decision import Against, Check, Decision
from pipeline.gate.evidence import GateFacts, Measured, Quality
from pipeline.gate.provenance import Provenance, provenance_checks
from pipeline.gate.quality import quality_checks, scored, unscored
from pipeline.gate.unseen import Unseen, unseen_check, unseen_numbers
from pipeline.params import PromotionParams

__all__ = ["Check", "Decision", "Provenance", "decide"]

_KEYS = {"psnr": "psnr_y", "ssim": "ssim_y", "worst decile": "worst_decile"}


def decide(
    candidate: Measured,
    incumbent: Measured | None,
    doing_nothing: Quality,
    provenance: Provenance,
    policy: PromotionParams,
    gate: GateFacts,
    unseen: Unseen,
) -> Decision:
    """Judge `candidate` against `incumbent`, or against doing nothing where none can be had.

    `unseen` is what the candidate's own evaluation says of photos of another source. Every check
    is made that can be; the candidate passes if all do. Raises `ValueError` when the models were
    scored on different crops.
    """
    checks = [*provenance_checks(provenance), *_serves(candidate, policy)]
    rival = incumbent if incumbent is not None and scored(incumbent.quality) else None
    if incumbent is not None and rival is None:
        why = incumbent.serving.error or unscored(incumbent.quality)
        text = f"doing nothing takes its place, because the incumbent cannot be scored: {why}"
        checks.append(Check("incumbent", True, text))
    against: Against = "incumbent" if rival else "input"
    other = rival.quality if rival else doing_nothing
    numbers = _numbers(candidate, rival, doing_nothing, gate)
    summary = ""
    if candidate.quality is not None and other is not None and scored(candidate.quality):
        for check, found in quality_checks(candidate.quality, other, against, policy):
            checks.append(check)
            numbers.setdefault(_KEYS[check.name], {}).update(found)
            summary = summary or check.text
    elif candidate.serving.loads:
        checks.append(Check("psnr", False, unscored(candidate.quality)))
    if rival and candidate.serving.loads:
        checks += _costs(candidate, rival, policy)
    checks.append(unseen_check(unseen, policy.gap_percent))
    numbers.update(unseen_numbers(unseen, policy.gap_percent))
    weak = gate.photos < policy.enough_photos or gate.crops < policy.enough_crops
    failed = [check.text for check in checks if not check.passed]
    reason = "; ".join(failed) or summary
    if weak:
        reason += f" (weak evidence: {_evidence(gate, policy)})"
    return Decision(not failed, weak, tuple(checks), numbers, gate.sha256, against, reason)


def _serves(candidate: Measured, policy: PromotionParams) -> Iterator[Check]:
    serving = candidate.serving
    if not serving.loads:
        yield Check("loads", False, f"it cannot be used: {serving.error}")
        return
    yield Check("loads", True, f"it loads and answers on {serving.engine}")
    if serving.parity is not None:
        # Written so that NaN fails as well.
        passed = serving.parity <= policy.parity
        text = (
            f"exported and trained model differ by {serving.parity:.2g} at most, "
            f"{policy.parity:.2g} is allowed"
        )
        yield Check("parity", passed, text if passed else f"{text}: export the trained model again")


def _costs(candidate: Measured, incumbent: Measured, policy: PromotionParams) -> Iterator[Check]:
    ours, theirs = candidate.serving, incumbent.serving
    ratio, allowed = ours.latency_ratio, policy.latency_ratio
    if ratio is None and ours.latency_ms and theirs.latency_ms:
        ratio = ours.latency_ms / theirs.latency_ms
    if ratio is None:
        yield Check("latency", False, "its speed could not be measured: try again")
    else:
        times = f"{ours.latency_ms or 0:.1f} and {theirs.latency_ms or 0:.1f} ms"
        text = f"{ratio:.2f} times the incumbent's time ({times}), {allowed:g} is allowed"
        yield Check("latency", ratio <= allowed, text)
    larger, allowed = ours.size_bytes / max(theirs.size_bytes, 1), policy.size_ratio
    sizes = f"{ours.size_bytes:,} and {theirs.size_bytes:,} bytes"
    text = f"{larger:.2f} times the incumbent's size ({sizes}), {allowed:g} is allowed"
    yield Check("size", larger <= allowed, text)


def _numbers(
    candidate: Measured, incumbent: Measured | None, doing_nothing: Quality, gate: GateFacts
) -> dict[str, Any]:
    """What was measured, by model; the comparison is added by `decide`."""
    models = {"candidate": candidate, **({"incumbent": incumbent} if incumbent else {})}
    qualities = {**{name: model.quality for name, model in models.items()}, "input": doing_nothing}
    numbers: dict[str, Any] = {
        "gate": {key: getattr(gate, key) for key in ("photos", "crops", "degradation", "scale")}
    }
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


def _evidence(gate: GateFacts, policy: PromotionParams) -> str:
    photos = f"{gate.photos} photo{'s' * (gate.photos != 1)}"
    enough = f"{policy.enough_crops} of {policy.enough_photos}"
    return f"{gate.crops} crops of {photos}, enough would be {enough}"
