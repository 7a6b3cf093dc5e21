"""How sure a mean difference is: the paired bootstrap over whole photos.

Crops of one photo resemble each other, so photos and not crops are drawn (the cluster bootstrap).
Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentiles).
Of few photos the interval is too narrow; docs/promotion.md says by how much.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.gate.evidence import Floats

__all__ = ["Interval", "interval", "photo_means"]

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
    """The percentile interval of the mean of `differences` (N,), every photo weighing the same.

    Photos are drawn with replacement, each with all of its crops; of a single photo its crops are.
    """
    means = photo_means(differences, photo)
    drawn = means if len(means) > 1 else differences
    random = np.random.default_rng(seed)
    step = max(_AT_ONCE // len(drawn), 1)
    parts = [
        drawn[random.integers(len(drawn), size=(min(step, resamples - start), len(drawn)))].mean(1)
        for start in range(0, resamples, step)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(parts), [tail, 1 - tail])
    return Interval(float(means.mean()), float(low), float(high))
