"""What serving a model would cost its users: does it load, is it what was trained, how slow?"""

from collections.abc import Iterator

from pipeline.params import PromotionParams
from pipeline.release.gate.evidence import Check, Measured
from pipeline.release.gate.interval import photo_means
from pipeline.release.gate.quality import scored

__all__ = ["LEVEL", "cost_checks", "loss_check", "loss_db", "serving_checks"]

LEVEL = 1 / 255
"""By so much engines may differ in int8: float32 puts some halves on the other side."""


def serving_checks(model: Measured, allowed: float) -> Iterator[Check]:
    """Does the file load, and is what was exported what was trained, but for `allowed`?"""
    serving = model.serving
    if not serving.loads:
        yield Check("loads", False, f"it cannot be used: {serving.error}")
        return
    yield Check("loads", True, f"it loads and answers on {serving.engine}")
    if serving.parity is None:
        return
    # Written so that NaN fails as well; the nearest float to a level may lie above it.
    passed = serving.parity <= allowed * (1 + 1e-6)
    who = "exported and trained model" if serving.precision == "fp32" else "the engines"
    text = f"{who} differ by {serving.parity:.2g} at most, {allowed:.2g} is allowed"
    yield Check("parity", passed, text if passed else f"{text}: export the trained model again")


def cost_checks(
    candidate: Measured, other: Measured, policy: PromotionParams, whose: str = "the incumbent's"
) -> Iterator[Check]:
    """The checks `latency` and `size` of one file against that of another model, named `whose`."""
    ours, theirs = candidate.serving, other.serving
    ratio, allowed = theirs.latency_ratio, policy.latency_ratio
    if ratio is None and ours.latency_ms and theirs.latency_ms:
        ratio = ours.latency_ms / theirs.latency_ms
    if ratio is not None:
        times = f"{ours.latency_ms or 0:.1f} and {theirs.latency_ms or 0:.1f} ms"
        text = f"{ratio:.2f} times {whose} time ({times}), {allowed:g} is allowed"
        yield Check("latency", ratio <= allowed, text)
    elif "int8" in (ours.precision, theirs.precision):
        yield Check("latency", True, "skipped: nobody gets int8 on a machine such as this one")
    else:
        yield Check("latency", False, "its speed could not be measured: try again")
    larger, allowed = ours.size_bytes / max(theirs.size_bytes, 1), policy.size_ratio
    sizes = f"{ours.size_bytes:,} and {theirs.size_bytes:,} bytes"
    text = f"{larger:.2f} times {whose} size ({sizes}), {allowed:g} is allowed"
    yield Check("size", larger <= allowed, text)


def loss_db(model: Measured) -> float | None:
    """What its int8 file loses against that in fp32, in dB of Y-PSNR, the mean over photos."""
    fast = model.int8
    if model.quality is None or fast is None or fast.quality is None:
        return None
    if not (scored(model.quality) and scored(fast.quality)):
        return None
    lost = model.quality.psnr_y - fast.quality.psnr_y
    return float(photo_means(lost, model.quality.photo).mean())


def loss_check(loss: float, allowed: float) -> Check:
    """Does the int8 file lose at most `allowed` dB against that in fp32?"""
    text = f"int8 loses {loss:.3f} dB against fp32, {allowed:g} is allowed"
    better = "" if loss <= allowed else ": raise export.calibration, or set export.int8 to false"
    return Check("int8 loss", loss <= allowed, text + better)
