"""From what was seen now and before to one word and its reasons; numbers in, a verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kdsharp.observe.record import Observation
from kdsharp.observe.statistics import FEATURES
from pipeline.monitoring.two_samples import Change, Difference, compare_means, two_samples

__all__ = [
    "ALIKE",
    "FEWEST",
    "VERDICTS",
    "Evidence",
    "Verdict",
    "columns",
    "compared",
    "gains",
    "judge",
    "novel",
]

Word = Literal["fine", "watch", "drifted", "falling"]

VERDICTS: tuple[Word, ...] = ("fine", "watch", "drifted", "falling")
"""From the best to the worst."""

FEWEST = 30
"""Pictures, now and before: nothing is said of fewer."""

ALIKE = 2.0
"""Pictures that count as one, because they come in bursts: of a place, a person, a camera."""

# With 1, two parts of each of 69 photos raised a false alarm in 18 % of 200 trials
# (benchmarks/monitor.py).
_LEVEL = 0.01  # of all features together
_FALL = 0.1  # dB of the mean gain; less is watched and does not alarm
_DISTANCE = 0.2  # of two distributions; more is drift, less is watched
_OUTSIDE, _TAIL = 0.25, 0.01  # share of pictures beyond what the gain was fitted on, and its ends
_SURE = 8  # pictures with pseudo-truth, now and before, that count by themselves


@dataclass(frozen=True)
class Evidence:
    """All that a verdict goes by; what was not there is None.

    `gain` is what to expect, `pseudo` what was measured on production's own content, in dB;
    `training` compares with what the gain was fitted on, `outside` is the share of pictures that
    lie beyond it, and `disagreement` is teacher against student in dB of PSNR.
    """

    count: int
    before: int
    against: str
    gain: Change | None = None
    pseudo: Change | None = None
    drift: Sequence[Difference] = ()
    training: Sequence[Difference] = ()
    outside: float | None = None
    mean_gain: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    pseudo_now: Sequence[float] = ()
    disagreement: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`, why, and the evidence."""

    verdict: Word
    reasons: Sequence[str]
    evidence: Evidence
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alarms(self) -> bool:
        """Whether somebody should be told."""
        return self.verdict in ("drifted", "falling")

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        said = {"verdict": self.verdict, "reasons": list(self.reasons), **dict(self.about)}
        return {**said, **asdict(self.evidence)}


def columns(seen: Sequence[Observation]) -> dict[str, npt.NDArray[np.float64]]:
    """By feature, a value a picture."""
    return {name: np.array([one.statistics.get(name, 0.0) for one in seen]) for name in FEATURES}


def novel(now: Mapping[str, Sequence[float]], known: Mapping[str, Sequence[float]]) -> float:
    """The share of pictures with a feature, size aside, far beyond what was fitted on."""
    outside = np.zeros(len(next(iter(now.values()))), bool)
    for name in (one for one in now if one != "size" and one in known):
        low, high = np.quantile(known[name], [_TAIL, 1 - _TAIL])
        room = 0.25 * (high - low) + 1e-9
        values = np.asarray(now[name])
        outside |= (values < low - room) | (values > high + room)
    return float(outside.mean())


def gains(seen: Sequence[Observation]) -> list[float]:
    """Of those whose gain is known."""
    return [one.expected.gain for one in seen if one.expected]


def compared(
    now: Sequence[Observation], before: Sequence[Observation]
) -> tuple[list[Difference], Change | None]:
    """Drift of every feature, and the change of the expected gain; of too few nothing and None."""
    if min(len(now), len(before)) < FEWEST:
        return [], None
    known = gains(now), gains(before)
    change = compare_means(*known, ALIKE) if min(map(len, known)) >= FEWEST else None
    return two_samples(columns(now), columns(before), ALIKE), change


def judge(evidence: Evidence, about: Mapping[str, Any] | None = None) -> Verdict:
    """The worst that the evidence shows; every reason in order of trust."""
    found: list[tuple[Word, str]] = []
    if evidence.count < FEWEST:
        found.append(("fine", f"only {evidence.count} pictures, {FEWEST} are needed to judge"))
    elif evidence.before < FEWEST and not evidence.training:
        found.append(("fine", f"only {evidence.before} pictures before to compare with"))
    found += _of_gain(evidence.gain, "expected gain", f"against {evidence.against}")
    if len(evidence.pseudo_now) >= _SURE:
        found += _of_gain(evidence.pseudo, "gain measured on pseudo-truth", "")
    found += _of_drift(evidence)
    if evidence.outside is not None and evidence.outside > _OUTSIDE and evidence.count >= FEWEST:
        found.append(
            (
                "watch",
                f"{evidence.outside:.0%} of the pictures lie beyond what the gain was fitted on",
            )
        )
    if not found:
        found.append(("fine", f"nothing has changed against {evidence.against}"))
    worst = max((word for word, _ in found), key=VERDICTS.index)
    shown = [reason for word, reason in found if word == worst or word != "fine"]
    return Verdict(worst, shown, evidence, about or {})


def _of_gain(change: Change | None, what: str, against: str) -> list[tuple[Word, str]]:
    if change is None or change.high >= 0:
        return []
    word: Word = "falling" if -change.by >= _FALL else "watch"
    said = f"{what} fell from {change.before:.2f} to {change.now:.2f} dB {against}".strip()
    return [(word, f"{said} (by {-change.high:.2f} to {-change.low:.2f})")]


def _of_drift(evidence: Evidence) -> list[tuple[Word, str]]:
    clear = [one for one in evidence.drift if one.p < _LEVEL]
    if not clear:
        return []
    large = [one for one in clear if one.distance >= _DISTANCE]
    words = ", ".join(
        f"{one.feature} {one.before:.3g} → {one.now:.3g} (D {one.distance:.2f})"
        for one in (large or clear)[:4]
    )
    more = f" and {len(large or clear) - 4} more" if len(large or clear) > 4 else ""
    return [("drifted" if large else "watch", f"drift against {evidence.against}: {words}{more}")]
