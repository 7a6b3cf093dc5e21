"""How much of its gain on photos like those of the training a method keeps on others.

A gain is over the degraded input. Seen is the test split: the training's source, other photos. The
gap is 1 - unseen gain / seen gain in Y-PSNR, in percent; below 0 the unseen photos gain more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from kdsharp.metrics import METRICS
from pipeline.scoring import Results
from pipeline.sources.sets import in_order

__all__ = [
    "GAP",
    "SEEN",
    "UNSEEN",
    "Measured",
    "Metrics",
    "gain",
    "headline",
    "measured",
    "sets_of",
    "split_of",
    "with_gaps",
    "worst_set",
]

SEEN, UNSEEN = "test", "unseen"
"""The split whose gain is the measure, and the mean of all sets, each weighing the same."""

GAP = "gap_percent"
"""The metric beside the others; a method that gains nothing on the seen photos has none."""

Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Split -> method -> metric."""


@dataclass(frozen=True)
class Measured:
    """A line of the tables: a split of the results, what it is called, and how many photos."""

    split: str
    title: str
    photos: int


def split_of(name: str) -> str:
    """The split that the photos of the set `name` have."""
    return f"{UNSEEN}/{name}"


def sets_of(results: Metrics) -> dict[str, str]:
    """Split -> name of each unseen set, in the order of the tables."""
    names = [s.removeprefix(f"{UNSEEN}/") for s in results if s.startswith(f"{UNSEEN}/")]
    return {split_of(name): name for name in in_order(names)}


def gain(results: Metrics, split: str, method: str, metric: str = "psnr_y") -> float:
    """What `method` adds to the degraded input of `split`."""
    return results[split][method][metric] - results[split]["input"][metric]


def with_gaps(results: Results) -> Results:
    """`results` with the split `UNSEEN`, and every method's gap there and in each unseen set.

    As they are where they hold no unseen set.
    """
    sets = list(sets_of(results))
    if not sets:
        return results
    mean = {
        method: {
            key: round(sum(results[split][method][key] for split in sets) / len(sets), 4)
            for key in METRICS
        }
        for method in results[SEEN]
    }
    whole = {**results, UNSEEN: mean}
    for split in (UNSEEN, *sets):
        whole[split] = {m: {**row, **_gap(whole, split, m)} for m, row in whole[split].items()}
    return whole


def worst_set(results: Metrics, method: str = "student") -> tuple[str, float] | None:
    """The set that `method` gains least on, and its gap in percent; None where none has one."""
    gaps = {
        name: results[split][method][GAP]
        for split, name in sets_of(results).items()
        if GAP in results[split].get(method, {})
    }
    return max(gaps.items(), key=lambda item: item[1]) if gaps else None


def headline(results: Metrics, method: str = "student") -> str:
    """The outcome in one sentence."""
    seen, unseen = (gain(results, split, method) for split in (SEEN, UNSEEN))
    said = f"The {method} gains {unseen:+.2f} dB on unseen photos and {seen:+.2f} dB on seen ones"
    worst = worst_set(results, method)
    if worst is None:
        return f"{said}: there is no gap to tell"
    name, gap = worst
    return f"{said}: a gap of {results[UNSEEN][method][GAP]:.1f} % (worst: {name}, {gap:.1f} %)"


def measured(results: Metrics, scores: pd.DataFrame) -> list[Measured]:
    """The seen photos, every unseen set, and all of these; `scores` is the table of `score`."""
    counts = scores.groupby("split")["name"].nunique().to_dict()
    sets = sets_of(results)
    counts[UNSEEN] = sum(counts[split] for split in sets)
    titles = {SEEN: "seen", **sets, UNSEEN: "all unseen"}
    return [Measured(split, title, int(counts[split])) for split, title in titles.items()]


def _gap(results: Metrics, split: str, method: str) -> dict[str, float]:
    seen = gain(results, SEEN, method)
    if method == "input" or round(seen, 4) <= 0:
        return {}
    return {GAP: round(100 * (1 - gain(results, split, method) / seen), 2)}
