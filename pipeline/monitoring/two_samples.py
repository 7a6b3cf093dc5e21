"""Two samples of one number: do they differ, and by how much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Change", "Difference", "compare_means", "holm", "two_samples"]

Sample = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Of one feature: the largest distance between both distributions, 0 to 1; its p-value.

    `p` is corrected for all features that were tested with it. `shift` is how far the median moved,
    by the usual distance from the median before.
    """

    feature: str
    distance: float
    p: float
    shift: float
    before: float
    now: float


@dataclass(frozen=True)
class Change:
    """Of a mean: what it was, what it is, and both ends of the change's interval of 99 %."""

    before: float
    now: float
    low: float
    high: float

    @property
    def by(self) -> float:
        """The change itself."""
        return self.now - self.before


def two_samples(
    now: Mapping[str, Sample], before: Mapping[str, Sample], alike: float = 1.0
) -> list[Difference]:
    """Kolmogorov and Smirnov's test of every feature of both, by Holm; the largest change first.

    `alike` is how many values count as one: pictures of one scene are no independent ones.
    """
    names = [name for name in now if name in before]
    found = [
        _distance(np.asarray(now[name], float), np.asarray(before[name], float), alike)
        for name in names
    ]
    corrected = holm([p for _, p in found])
    differences = [
        Difference(name, distance, p, *_shift(now[name], before[name]))
        for name, (distance, _), p in zip(names, found, corrected, strict=True)
    ]
    return sorted(differences, key=lambda one: (-one.distance, one.feature))


def holm(p_values: Sequence[float]) -> list[float]:
    """The same, each so much larger that any is below a level by chance only that often."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = largest
    return corrected


def compare_means(now: Sample, before: Sample, alike: float = 1.0) -> Change:
    """Welch's interval of the change of a mean; both samples have two values or more.

    `alike` as in `two_samples`.
    """
    means = [float(np.mean(sample)) for sample in (before, now)]
    error = math.sqrt(alike * sum(float(np.var(s, ddof=1)) / len(s) for s in (before, now)))
    by, half = means[1] - means[0], 2.576 * error
    return Change(means[0], means[1], by - half, by + half)


def _distance(
    now: npt.NDArray[np.float64], before: npt.NDArray[np.float64], alike: float
) -> tuple[float, float]:
    """The statistic and its p-value: Stephens' approximation of Kolmogorov's series."""
    every = np.concatenate([now, before])
    places = [
        np.searchsorted(np.sort(one), every, side="right") / len(one) for one in (now, before)
    ]
    distance = float(np.abs(places[0] - places[1]).max())
    root = math.sqrt(len(now) * len(before) / (len(now) + len(before)) / alike)
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.3:  # the series does not converge there, and p is 1
        return distance, 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return distance, min(1.0, max(0.0, 2 * sum(terms)))


def _shift(now: Sample, before: Sample) -> tuple[float, float, float]:
    medians = [float(np.median(sample)) for sample in (before, now)]
    usual = 1.4826 * float(np.median(np.abs(np.asarray(before, float) - medians[0])))
    usual = usual or float(np.std(before)) or 1.0
    return (medians[1] - medians[0]) / usual, medians[0], medians[1]
