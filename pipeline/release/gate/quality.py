"""Is the candidate measurably no worse? Differences on the same crops, and how sure they are."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.params import PromotionParams
from pipeline.release.gate.evidence import Against, Check, Floats, Quality
from pipeline.release.gate.interval import Interval, interval

__all__ = [
    "OTHER",
    "differences",
    "quality_checks",
    "scored",
    "unscored",
    "worst_decile",
]

OTHER: dict[Against, str] = {"incumbent": "the incumbent", "input": "doing nothing"}
"""The words for what the candidate is compared with."""


@dataclass(frozen=True)
class _Metric:
    """How differences of a metric are judged and written."""

    name: str
    title: str
    unit: str
    digits: int
    margin: float
    must_gain: bool = False
    may_lose: bool = True
    """Whether what is shown to be worse passes, as long as that lies within the margin."""

    def shown(self, value: float) -> str:
        return f"{value:+.{self.digits}f}"


def quality_checks(
    ours: Quality,
    other: Quality,
    against: Against | Literal["anchor"],
    policy: PromotionParams,
    who: str = "",
    *,
    lenient: bool = False,
) -> Iterator[tuple[Check, dict[str, Any]]]:
    """The checks `psnr`, `ssim` and `worst decile`, each with its numbers.

    Against doing nothing the candidate has to gain Y-PSNR; all else may not be worse by more than
    its margin, at the lower end of the interval, and Y-PSNR may not be shown to be worse than the
    incumbent's. `who` is what an anchor is called. `lenient`: where the interval is too wide to
    tell, the mean alone counts, which is no evidence.
    """
    whom = who or OTHER[against if against != "anchor" else "incumbent"]
    psnr, ssim = differences(ours, other)
    gain, strict = against == "input", against == "incumbent"
    metrics = (
        (psnr, _Metric("psnr", "Y-PSNR", " dB", 3, policy.margin_db, gain, not strict)),
        (ssim, _Metric("ssim", "SSIM", "", 5, policy.margin_ssim)),
    )
    for values, metric in metrics:
        draw = (policy.confidence, policy.resamples, policy.seed)
        over = interval(values, ours.photo, *draw)
        yield _compared(over, metric, whom, policy.confidence, lenient)
    yield _worst(psnr, whom, policy.worst_decile_db)


def differences(candidate: Quality, other: Quality) -> tuple[Floats, Floats]:
    """Candidate minus other on each crop: Y-PSNR in dB and SSIM, (N,) each.

    Raises `ValueError` when the two were scored on different crops.
    """
    if not np.array_equal(candidate.photo, other.photo):
        raise ValueError("the two models were scored on different crops")
    return candidate.psnr_y - other.psnr_y, candidate.ssim_y - other.ssim_y


def worst_decile(differences_db: Floats) -> Floats:
    """The tenth of the differences that lose most (at least one), worst first."""
    return np.sort(differences_db)[: -(-len(differences_db) // 10)]


def scored(quality: Quality | None) -> bool:
    """Whether there is a finite score for every crop."""
    return quality is not None and bool(_finite(quality).all())


def unscored(quality: Quality | None) -> str:
    """Why it is not `scored`, in a few words."""
    if quality is None:
        return "it was not scored"
    finite = _finite(quality)
    return f"{int((~finite).sum())} of {len(finite)} crops have no finite score"


def _finite(quality: Quality) -> np.ndarray:
    finite: np.ndarray = np.isfinite(quality.psnr_y) & np.isfinite(quality.ssim_y)
    return finite


def _compared(
    over: Interval, metric: _Metric, whom: str, confidence: float, lenient: bool
) -> tuple[Check, dict[str, Any]]:
    limit = 0.0 if metric.must_gain else -metric.margin
    passed = _reaches(over.low, metric)
    alone = lenient and not passed and _reaches(over.mean, metric)
    lost = over.high < 0 and not metric.may_lose
    verdict = _verdict(over, metric)
    asked = "more than 0" if metric.must_gain else f"-{metric.margin:g} or more"
    text = (
        f"{verdict} than {whom}: {metric.shown(over.mean)}{metric.unit} {metric.title}, "
        f"{confidence * 100:g} % interval {metric.shown(over.low)} to {metric.shown(over.high)}, "
        f"{'which may not lie below 0' if lost else f'whose lower end has to be {asked}'}"
    )
    if alone and not lost:
        text += ": so few photos cannot tell, and the mean alone counted"
    numbers = {**dataclasses.asdict(over), "limit": limit, "verdict": verdict}
    return Check(metric.name, (passed or alone) and not lost, text), numbers


def _reaches(value: float, metric: _Metric) -> bool:
    return value > 0 if metric.must_gain else value >= -metric.margin


def _verdict(over: Interval, metric: _Metric) -> str:
    if over.low > 0:
        return "better"
    within = over.low >= -metric.margin
    if over.high < 0:
        allowed = within and metric.may_lose and not metric.must_gain
        return "worse, but within the margin," if allowed else "worse"
    if metric.must_gain:
        return "not shown to be better"
    return "no worse" if within else "not shown to be no worse"


def _worst(psnr: Floats, whom: str, allowed: float) -> tuple[Check, dict[str, Any]]:
    worst = worst_decile(psnr)
    mean = float(worst.mean())
    text = (
        f"{mean:+.3f} dB on average on the {len(worst)} of {len(psnr)} crops that fare worst "
        f"against {whom}; it has to be -{allowed:g} or more"
    )
    numbers = {"crops": len(worst), "mean": mean, "worst": float(worst[0]), "limit": -allowed}
    return Check("worst decile", mean >= -allowed, text), numbers
