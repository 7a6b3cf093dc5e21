"""Photos of other sources than the training's: how much of its gain a method keeps on them."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError
from kdsharp.metrics import METRICS
from pipeline.data.check import Skipped, check, report_skipped
from pipeline.data.contamination import find_near_duplicates
from pipeline.data.datasets import find_datasets, in_order
from pipeline.data.source import Candidate
from pipeline.evaluation.scoring import EvalPhoto, Results, smallest_side
from pipeline.params import Params
from pipeline.paths import HELD_OUT_PHOTOS, RAW, printable

__all__ = [
    "GAP",
    "HELD_OUT",
    "SEEN",
    "Measured",
    "Metrics",
    "asked_for",
    "configured",
    "datasets_of",
    "gain",
    "headline",
    "held_out_photos",
    "measured",
    "split_of",
    "with_gaps",
    "worst_dataset",
]


_log = logging.getLogger(__name__)

SEEN, HELD_OUT = "test", "held_out"
"""The split whose gain is the measure, and the mean of all sets, each weighing the same."""

GAP = "gap_percent"
"""The metric beside the others; a method that gains nothing on the seen photos has none."""

Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Split -> method -> metric."""


def asked_for(params: Params) -> bool:
    """Whether `evaluate.held_out` names a folder of its own, or the default one holds photos."""
    folder = Path(params.evaluate.held_out)
    return folder != HELD_OUT_PHOTOS or (folder.is_dir() and bool(find_datasets(folder)))


def configured(params: Params, manifest: pd.DataFrame) -> list[EvalPhoto]:
    """The photos of `evaluate.held_out`; none, and a line, while the default folder is empty."""
    if asked_for(params):
        return held_out_photos([Path(params.evaluate.held_out)], params, manifest)
    _log.info("%s holds no photos: the gain on held-out ones is not measured", HELD_OUT_PHOTOS)
    return []


def held_out_photos(
    folders: Sequence[Path], params: Params, manifest: pd.DataFrame
) -> list[EvalPhoto]:
    """The usable photos of every set in `folders`, by set and name; their split is `held_out/SET`.

    Photos that cannot be read, are too small, or are training photos or near duplicates of one are
    left out, each with its reason in the log. Raises `UserError` for a folder that does not exist
    or holds no photos, for two sets of one name, and where no photo is left.
    """
    found = _candidates(folders)
    photos, skipped = check(found, min_side=1)
    least = smallest_side(params.degradation.scale)
    large = [photo for photo in photos if min(photo.width, photo.height) >= least]
    for photo in photos:
        if photo not in large:
            reason = f"is {photo.width}x{photo.height} pixels, {least} a side are needed"
            skipped.append(Skipped(photo.name, reason))
    for twin in find_near_duplicates(large, manifest, RAW, params.data.duplicate_distance):
        skipped.append(Skipped(twin.name, f"is not held out: it is {twin.of} ({twin.how})"))
    report_skipped(skipped)
    reasons = {item.name: item.reason for item in skipped}
    left = [photo for photo in large if photo.name not in reasons]
    if not left:
        name, reason = next(iter(reasons.items()))
        raise UserError(
            f"{folders[0]}: none of {len(found)} photos can be used; {printable(name)} {reason}"
        )
    return [EvalPhoto(split_of(p.name.partition("/")[0]), _inside(p.name), p.path) for p in left]


def _candidates(folders: Sequence[Path]) -> list[Candidate]:
    """Every photo of every set, named SET/PATH."""
    candidates: list[Candidate] = []
    sets: Counter[str] = Counter()
    for folder in folders:
        found = find_datasets(folder)
        if not found:
            raise UserError(f"{folder}: holds no photos, nor folders of photos")
        sets.update(found.keys())
        for name, paths in found.items():
            for path in paths:
                inside = path.relative_to(folder).as_posix().removeprefix(f"{name}/")
                candidates.append(Candidate(f"{name}/{inside}", path, None, ""))
    twice = [name for name, times in sets.items() if times > 1]
    if twice:
        raise UserError(f"two sets are called {twice[0]}: rename the folder of one")
    return candidates


def _inside(name: str) -> str:
    return name.partition("/")[2]


@dataclass(frozen=True)
class Measured:
    """A line of the tables: a split of the results, what it is called, and how many photos."""

    split: str
    title: str
    photos: int


def split_of(name: str) -> str:
    """The split that the photos of the set `name` have."""
    return f"{HELD_OUT}/{name}"


def datasets_of(results: Metrics) -> dict[str, str]:
    """Split -> name of each held-out set, in the order of the tables."""
    names = [s.removeprefix(f"{HELD_OUT}/") for s in results if s.startswith(f"{HELD_OUT}/")]
    return {split_of(name): name for name in in_order(names)}


def gain(results: Metrics, split: str, method: str, metric: str = "psnr_y") -> float:
    """What `method` adds to the degraded input of `split`."""
    return results[split][method][metric] - results[split]["input"][metric]


def with_gaps(results: Results) -> Results:
    """`results` with the split `HELD_OUT`, and every method's gap there and in each held-out set.

    As they are where they hold no held-out set.
    """
    sets = list(datasets_of(results))
    if not sets:
        return results
    mean = {
        method: {
            key: round(sum(results[split][method][key] for split in sets) / len(sets), 4)
            for key in METRICS
        }
        for method in results[SEEN]
    }
    whole = {**results, HELD_OUT: mean}
    for split in (HELD_OUT, *sets):
        whole[split] = {m: {**row, **_gap(whole, split, m)} for m, row in whole[split].items()}
    return whole


def worst_dataset(results: Metrics, method: str = "student") -> tuple[str, float] | None:
    """The set with the largest gap of `method`, and that gap in percent; None if none has one."""
    gaps = {
        name: results[split][method][GAP]
        for split, name in datasets_of(results).items()
        if GAP in results[split].get(method, {})
    }
    return max(gaps.items(), key=lambda item: item[1]) if gaps else None


def headline(results: Metrics, method: str = "student") -> str:
    """The outcome in one sentence."""
    seen, held_out = (gain(results, split, method) for split in (SEEN, HELD_OUT))
    said = (
        f"The {method} gains {held_out:+.2f} dB on held-out photos and {seen:+.2f} dB on seen ones"
    )
    worst = worst_dataset(results, method)
    if worst is None:
        return f"{said}: there is no gap to report"
    name, gap = worst
    return f"{said}: a gap of {results[HELD_OUT][method][GAP]:.1f} % (worst: {name}, {gap:.1f} %)"


def measured(results: Metrics, scores: pd.DataFrame) -> list[Measured]:
    """The seen photos, every held-out set, and all of these; `scores` is the table of `score`."""
    counts = scores.groupby("split")["name"].nunique().to_dict()
    sets = datasets_of(results)
    counts[HELD_OUT] = sum(counts[split] for split in sets)
    titles = {SEEN: "seen", **sets, HELD_OUT: "all held-out"}
    return [Measured(split, title, int(counts[split])) for split, title in titles.items()]


def _gap(results: Metrics, split: str, method: str) -> dict[str, float]:
    seen = gain(results, SEEN, method)
    if method == "input" or round(seen, 4) <= 0:
        return {}
    return {GAP: round(100 * (1 - gain(results, split, method) / seen), 2)}
