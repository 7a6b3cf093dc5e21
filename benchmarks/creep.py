"""What a year of weekly promotions costs in the end, when each candidate is a little worse.

    python -m benchmarks.creep
    python -m benchmarks.creep --years 5    # a quick look

Each week somebody trains a student that is truly `loss` dB worse than the one in production. On a
photo of the gate set it differs from its truth by 0.013 dB at random, as another seed does. The
gate's own statistics decide: as they did before there were anchors, and as they do now, with new
photos every week, so that being no worse is enough.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from benchmarks.common.command import parser_of
from kdsharp.tables import markdown
from pipeline.params import PromotionParams, load_params
from pipeline.release.gate.anchors import anchor_checks, reason_check
from pipeline.release.gate.checks import Provenance
from pipeline.release.gate.evidence import Anchor, Measured, Quality, Serving
from pipeline.release.gate.interval import bootstrap, photo_means
from pipeline.release.gate.quality import differences, quality_checks

__all__ = ["Student", "Year", "main", "now", "once", "play"]

_WEEKS, _SPREAD, _BASE = 52, 0.013, 30.0
_LOSSES, _PHOTOS = (0.015, 0.005, 0.0, -0.02), (10, 20, 50)


@dataclasses.dataclass(frozen=True)
class Student:
    """A trained student: its true quality (dB) and what the gate measures of it."""

    true: float
    measured: Measured
    data: str


@dataclasses.dataclass(frozen=True)
class Year:
    """How often something was promoted, and what production has gained in truth, in dB."""

    promoted: int
    gained: float


@dataclasses.dataclass
class _Line:
    """What has been in production."""

    first: Student
    best: Student
    last: Student


Policy = Callable[[Student, _Line, PromotionParams], bool]


def once(candidate: Student, line: _Line, policy: PromotionParams) -> bool:
    """The gate of version 0.2: by the bootstrap no worse than the incumbent, but for the margin."""
    means = photo_means(*_change(candidate, line.last))
    low, _ = bootstrap(means, policy.confidence, policy.resamples, policy.seed)
    return low >= -policy.margin_db


def now(candidate: Student, line: _Line, policy: PromotionParams) -> bool:
    """The gate of today, as far as Y-PSNR goes: incumbent, a reason, and the anchors."""
    ours, theirs = candidate.measured, line.last.measured
    assert ours.quality is not None and theirs.quality is not None
    check, found = next(iter(quality_checks(ours.quality, theirs.quality, "incumbent", policy)))
    made, before = (Provenance("", False, one.data, "", "") for one in (candidate, line.last))
    reason = reason_check(ours, theirs, found["verdict"] == "better", made, before, policy)
    anchors = [Anchor("best", 1, line.best.measured), Anchor("first", 1, line.first.measured)]
    others = [anchor for anchor in anchors if anchor.model is not theirs]
    held = [anchor_checks(ours, anchor, policy) for anchor in others]
    return check.passed and reason.passed and all(c.passed for found in held for c, _ in found)


def play(judge: Policy, loss: float, photos: int, policy: PromotionParams, seed: int) -> Year:
    """A year of `_WEEKS` candidates."""
    random = np.random.default_rng(seed)
    line = _Line(*[_student(0.0, photos, random, "0")] * 3)
    promoted = 0
    for week in range(_WEEKS):
        candidate = _student(line.last.true - loss, photos, random, str(week + 1))
        if judge(candidate, line, policy):
            promoted += 1
            better = _change(candidate, line.best)[0].mean() > 0
            line = _Line(line.first, candidate if better else line.best, candidate)
    return Year(promoted, line.last.true)


def _student(true: float, photos: int, random: np.random.Generator, data: str) -> Student:
    psnr = _BASE + true + random.normal(0, _SPREAD, photos)
    quality = Quality(psnr, np.full(photos, 0.9), np.arange(photos))
    serving = Serving(True, parity=0.0, latency_ms=10.0, latency_ratio=1.0, size_bytes=50_000)
    return Student(true, Measured(quality, serving), data)


def _change(one: Student, other: Student) -> tuple[np.ndarray, np.ndarray]:
    assert one.measured.quality is not None and other.measured.quality is not None
    change, _ = differences(one.measured.quality, other.measured.quality)
    return change, one.measured.quality.photo


def main() -> None:
    """Print a table: a row for each number of photos and each true loss."""
    parser = parser_of("creep", __doc__)
    parser.add_argument("--years", type=int, default=20, help="for each row")
    chosen = parser.parse_args()
    policy = load_params().promotion.model_copy(update={"resamples": 400})
    rows = []
    for photos in _PHOTOS:
        for loss in _LOSSES:
            row = [str(photos), f"{0.0 - loss:+.3f}"]
            for judge in (once, now):
                years = [play(judge, loss, photos, policy, s) for s in range(chosen.years)]
                gains = [year.gained for year in years]
                promoted = np.mean([year.promoted for year in years])
                row += [f"{promoted:.1f}", f"{np.mean(gains):+.3f}", f"{min(gains):+.3f}"]
            rows.append(row)
    heads = ["photos", "dB a week", "promoted before", "in the year", "at worst"]
    print(markdown([*heads, "promoted now", "in the year", "at worst"], rows))


if __name__ == "__main__":
    main()
