"""One way to run production through the year, and what becomes of its alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.common.command import log
from benchmarks.year.students import Made, School
from benchmarks.year.weeks import Picture
from kdsharp.observe.record import Observation, chosen
from pipeline.monitoring.lost import lost, risen_in, weighted_up
from pipeline.monitoring.measured import gain_of
from pipeline.monitoring.pictures import cut_slice
from pipeline.monitoring.verdict import Evidence, Verdict, compared, judge
from pipeline.params import MOST_MIXED_IN
from pipeline.release.gate.evidence import Decision

__all__ = ["FALSE_ALARM", "Happened", "Line"]

FALSE_ALARM = 5
"""The week in which somebody raises an alarm although nothing has changed."""

_COOLDOWN = 2  # weeks
_SLICE = 24  # pictures of a week that are kept, and judged on
_TRADE = 2.0  # a person takes a loss on the frozen set for so many times that gain in production


@dataclass(frozen=True)
class Happened:
    """What a week's alarm came to: `promoted`, `forced` by a person, `refused`, or `nothing`."""

    week: int
    verdict: str
    outcome: str
    learned: Mapping[str, float]
    frozen_db: float
    production_db: float
    reason: str


@dataclass
class Line:
    """Without `loop` nobody ever retrains. `person`: one decides where the gate has refused.

    With `own` what is new gets a model of its own, which is combined with those in use. `gains` has
    the mean gain of each week in dB, measured against the truth.
    """

    name: str
    model: Made
    loop: bool
    person: bool = False
    own: bool = False
    gains: list[float] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    def week(
        self, now: Sequence[Picture], before: Sequence[Picture], gains: np.ndarray
    ) -> Verdict | None:
        """Note what was gained; the monitor's verdict, where a loop asks for it."""
        self.gains.append(float(gains.mean()))
        if not self.loop or not before:
            return None
        seen, known = self._seen(now), self._seen(before)
        drift, change = compared(seen, known)
        evidence = Evidence(len(seen), len(known), "the week before", change, drift=drift)
        verdict = judge(evidence, {"lost": lost(seen, known)})
        self.verdicts.append(verdict.verdict)
        return verdict

    def asks(self, number: int, verdict: Verdict | None) -> bool:
        """Whether a retraining begins: an alarm, and no other in the cool-down."""
        if verdict is None or not (verdict.alarms or number == FALSE_ALARM):
            return False
        last = self.events[-1].week if self.events else -_COOLDOWN
        return number - last >= _COOLDOWN

    def wanted(self, verdict: Verdict) -> dict[str, float]:
        """What the proposal asks for; of a model of its own nothing where nothing has risen."""
        found = verdict.about["lost"]
        if self.own:
            return risen_in(found)
        return weighted_up(found, "usual", self.model.learned, MOST_MIXED_IN)

    def train(self, wanted: Mapping[str, float], school: School, seed: int) -> Made:
        """The candidate."""
        return school.train_own(wanted, seed) if self.own else school.train(wanted, seed)

    def decide(
        self, number: int, verdict: Verdict, candidate: Made, school: School, kept: Sequence[Path]
    ) -> None:
        """The gate judges, then perhaps a person; the model of next week."""
        found = cut_slice(kept[:_SLICE], [f"week {number}"])
        decision = school.judge(candidate, self.model, found)
        frozen, seen = _numbers(decision)
        outcome = "promoted" if decision.passed else "refused"
        lost_there = seen.get("low", 0.0) > 0 and seen["mean"] > _TRADE * -frozen
        if not decision.passed and self.person and lost_there and seen["enough"]:
            outcome = "forced"
        self.events.append(
            Happened(
                number,
                verdict.verdict if verdict.alarms else "false alarm",
                outcome,
                candidate.learned,
                frozen,
                seen.get("mean", float("nan")),
                decision.reason,
            )
        )
        log(f"  {self.name}: {outcome}: {decision.reason}")
        if outcome != "refused":
            self.model = school.combine(self.model, candidate) if self.own else candidate

    def _seen(self, pictures: Sequence[Picture]) -> list[Observation]:
        return [self._observed(one) for one in pictures]

    def _observed(self, one: Picture) -> Observation:
        got = chosen(self.model.sharpener.router, one.pixels)
        expected = self.model.expects.of(one.statistics, got.model, got.version)
        return Observation(
            0, "serve", one.low.width, one.low.height, "PNG", 0, got.model, got.version, got.route,
            one.statistics, expected,
        )  # fmt: skip


def _numbers(decision: Decision) -> tuple[float, Mapping[str, float]]:
    return decision.numbers["psnr_y"]["mean"], decision.numbers.get("pseudo_truth", {})


def gains_of(model: Made, pictures: Sequence[Picture]) -> np.ndarray:
    """What it gained on each, in dB."""
    return np.array([gain_of(model.sharpener, one.low, one.truth)[1] for one in pictures])
