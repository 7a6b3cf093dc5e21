"""Fit what predicts the gain, and show on other photos and recipes how often its interval holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdsharp.errors import UserError
from kdsharp.observe.expect import Expects
from kdsharp.observe.statistics import FEATURES, inputs
from kdsharp.observe.trees import Floats
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.boost import Settings, boost
from pipeline.monitoring.measured import Row

__all__ = ["CONFIDENCE", "Coverage", "coverage", "fit_expects"]

CONFIDENCE = 0.9
"""Of the intervals."""

_FEWEST = 40  # rows, of each part: fewer give no interval of 90 %
_REFERENCE = 300  # rows that are kept to compare with
_DIGITS = 4


@dataclass(frozen=True)
class Coverage:
    """On `rows` with a truth: how often the interval held it, its mean width, errors, all in dB.

    `mean_error` is that of the mean gain, which is what the monitor reports.
    """

    rows: int
    held: float
    width: float
    error: float
    mean_error: float

    def to_json(self) -> dict[str, float]:
        """By name."""
        return {name: round(float(value), _DIGITS) for name, value in vars(self).items()}


def fit_expects(
    rows: Sequence[Row], unseen: Sequence[Row], sharpener: Sharpener, seed: int
) -> Expects:
    """Fit on half of the photos, set the interval by a quarter, test on the rest.

    The interval is a conformal one: its factor is the quantile of the errors on photos that were
    not fitted on, each divided by the error that is usual for such a picture. `unseen` are rows of
    recipes that were not fitted on; only those of photos that were not either are tested. Raises
    `UserError` where there are too few rows.
    """
    used = [row for row in rows if row.model is not None]
    parts = _part(rows, seed)
    fitted, set_by, tested = ([r for r in used if parts[r.photo] == part] for part in range(3))
    if min(len(fitted), len(set_by), len(tested)) < _FEWEST:
        raise UserError(f"only {len(used)} pictures to fit the gain on: name more photos with --on")
    x, y = _table(fitted)
    half = np.array([_half(row.photo) for row in fitted])
    # The usual error is learned where the gain was not fitted, or it would be too small.
    errors = np.zeros(len(y))
    for side in (0, 1):
        other = boost(x[half != side], y[half != side], Settings(seed=seed))
        errors[half == side] = np.abs(y[half == side] - other(x[half == side]))
    gain = boost(x, y, Settings(seed=seed))
    error = boost(x, errors, Settings(trees=60, depth=2, seed=seed))
    versions = frozenset(card.sha256[:12] for card in sharpener.router.cards.values())
    draft = Expects(gain, error, 1.0, versions, {}, {})
    ratios = np.sort([_ratio(draft, row) for row in set_by])
    rank = min(int(np.ceil((len(ratios) + 1) * CONFIDENCE)), len(ratios)) - 1
    every = [row.statistics for row in rows][:: max(1, len(rows) // _REFERENCE)]
    reference = {name: [one[name] for one in every] for name in FEATURES}
    made = Expects(gain, error, round(float(ratios[rank]), _DIGITS), versions, reference, {})
    new = [r for r in unseen if r.model is not None and parts.get(r.photo, 2) == 2]
    about = {
        "photos": len(parts),
        "rows": len(rows),
        "recipes": sorted({row.recipe for row in rows}),
        "seed": seed,
        "confidence": CONFIDENCE,
        "other_photos": coverage(made, tested).to_json(),
        "other_recipes": coverage(made, new).to_json() if new else None,
        "gain": round(float(np.mean([row.gain for row in rows])), _DIGITS),
    }
    return Expects(gain, error, made.factor, versions, reference, about)


def coverage(expects: Expects, rows: Sequence[Row]) -> Coverage:
    """How `expects` does on rows that were sharpened."""
    found = [expects(row.statistics) for row in rows]
    truth = np.array([row.gain for row in rows])
    gain, low, high = (np.array([getattr(f, n) for f in found]) for n in ("gain", "low", "high"))
    return Coverage(
        len(rows),
        float(((low <= truth) & (truth <= high)).mean()),
        float((high - low).mean()),
        float(np.abs(gain - truth).mean()),
        float(gain.mean() - truth.mean()),
    )


def _table(rows: Sequence[Row]) -> tuple[Floats, Floats]:
    """(N, inputs) and (N,): what is predicted from, and the gains."""
    return np.array([inputs(row.statistics) for row in rows]), np.array([row.gain for row in rows])


def _half(photo: str) -> int:
    """0 or 1, for all rows of a photo."""
    return int(photo[:8], 16) % 2


def _part(rows: Sequence[Row], seed: int) -> dict[str, int]:
    """By photo: 0 fitted on, 1 sets the interval, 2 tested on."""
    photos = sorted({row.photo for row in rows})
    order = np.random.default_rng(seed).permutation(len(photos))
    share = order / max(len(photos), 1)
    return {p: int(s >= 0.5) + int(s >= 0.75) for p, s in zip(photos, share, strict=True)}


def _ratio(draft: Expects, row: Row) -> float:
    found = draft(row.statistics)
    return abs(row.gain - found.gain) / max(found.high - found.gain, 1e-6)
