"""How sure is a mean over photos? The wider of two intervals, because photos are often few.

The bootstrap of whole photos takes their distribution as it is, but of few photos it is too narrow.
Student's t makes up for that, and takes them for normally distributed.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.release.gate.evidence import Floats

__all__ = ["Interval", "bootstrap", "interval", "photo_means", "student_t"]

# Draws at a time: resamples x photos indices stay below 16 MB.
_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A mean over photos and the two-sided interval around it, in the unit of the differences."""

    mean: float
    low: float
    high: float


def photo_means(differences: Floats, photo: np.ndarray) -> Floats:
    """The mean difference of each photo, in the order of the indices in `photo` (N,)."""
    _, index = np.unique(photo, return_inverse=True)
    sums: Floats = np.bincount(index, weights=differences) / np.bincount(index)
    return sums


def interval(
    differences: Floats, photo: np.ndarray, confidence: float, resamples: int, seed: int
) -> Interval:
    """The interval of the mean of `differences` (N,), every photo weighing the same.

    From the lower one of both lower ends to the higher one of both upper ends, of bootstrap and
    Student's t over the means of photos. Of a single photo its crops are taken for photos, which
    says nothing about other photos.
    """
    means = photo_means(differences, photo)
    drawn = means if len(means) > 1 else differences
    resampled = bootstrap(drawn, confidence, resamples, seed)
    half = student_t(drawn, confidence)
    mean = float(means.mean())
    return Interval(mean, min(resampled[0], mean - half), max(resampled[1], mean + half))


def bootstrap(values: Floats, confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    """The percentile interval of the mean of `values` (N,), which are drawn with replacement."""
    random = np.random.default_rng(seed)
    step = max(_AT_ONCE // len(values), 1)
    parts = [
        values[random.integers(len(values), size=(min(step, resamples - start), len(values)))].mean(
            1
        )
        for start in range(0, resamples, step)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(parts), [tail, 1 - tail])
    return float(low), float(high)


def student_t(values: Floats, confidence: float) -> float:
    """Half the width of Student's interval of the mean of `values` (N,); 0 of a single one."""
    if len(values) < 2:
        return 0.0
    spread = float(values.std(ddof=1)) / math.sqrt(len(values))
    return _quantile(len(values) - 1, confidence) * spread


@cache
def _quantile(freedom: int, confidence: float) -> float:
    """The t below which |t| lies with probability `confidence`, by bisection."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(|t| < tan(angle) sqrt(freedom)): Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    odd = freedom % 2
    sine, square = math.sin(angle), math.cos(angle) ** 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(odd, freedom - 1, 2):
        total += term
        term *= square * (k + 1) / (k + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
