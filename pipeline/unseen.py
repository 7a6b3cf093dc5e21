"""Photos that no model was trained on: found, checked, and compared with those of the training."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError
from pipeline.generalisation import split_of
from pipeline.names import printable
from pipeline.params import Params
from pipeline.paths import RAW, UNSEEN
from pipeline.scoring import Photo, smallest_side
from pipeline.sources.apart import find_twins
from pipeline.sources.check import Skipped, check, report_skipped
from pipeline.sources.sets import find_sets
from pipeline.sources.source import Candidate

__all__ = ["asked_for", "configured", "unseen_photos"]

_log = logging.getLogger(__name__)


def asked_for(params: Params) -> bool:
    """Whether `evaluate.unseen` names a folder of its own, or the default one holds photos."""
    folder = Path(params.evaluate.unseen)
    return folder != UNSEEN or (folder.is_dir() and bool(find_sets(folder)))


def configured(params: Params, manifest: pd.DataFrame) -> list[Photo]:
    """The photos of `evaluate.unseen`; none, and a line, while that is the empty default folder."""
    if asked_for(params):
        return unseen_photos([Path(params.evaluate.unseen)], params, manifest)
    _log.info("%s holds no photos: the gain on unseen ones is not measured", UNSEEN)
    return []


def unseen_photos(folders: Sequence[Path], params: Params, manifest: pd.DataFrame) -> list[Photo]:
    """The usable photos of every set in `folders`, by set and name; their split is `unseen/SET`.

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
    for twin in find_twins(large, manifest, RAW, params.data.duplicate_distance):
        skipped.append(Skipped(twin.name, f"is not unseen: it is {twin.of} ({twin.how})"))
    report_skipped(skipped)
    reasons = {item.name: item.reason for item in skipped}
    left = [photo for photo in large if photo.name not in reasons]
    if not left:
        name, reason = next(iter(reasons.items()))
        raise UserError(
            f"{folders[0]}: none of {len(found)} photos can be used; {printable(name)} {reason}"
        )
    return [Photo(split_of(p.name.partition("/")[0]), _inside(p.name), p.path) for p in left]


def _candidates(folders: Sequence[Path]) -> list[Candidate]:
    """Every photo of every set, named SET/PATH."""
    candidates: list[Candidate] = []
    sets: Counter[str] = Counter()
    for folder in folders:
        found = find_sets(folder)
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
