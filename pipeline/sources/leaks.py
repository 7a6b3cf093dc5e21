"""The same picture in two splits: found by content, and refused."""

import itertools
import logging
from dataclasses import dataclass

from kdsharp.errors import UserError
from pipeline.names import printable
from pipeline.sources.fingerprint import distances
from pipeline.sources.source import SPLITS, UNLABELLED, Photo, Split, Splits

__all__ = ["Leak", "find_leaks", "refuse_leaks"]

_log = logging.getLogger(__name__)
# Training on a picture twice, labelled and unlabelled, is no leak.
_PAIRS = (*itertools.combinations(SPLITS, 2), ("val", UNLABELLED), ("test", UNLABELLED))
_NAMED = 3
_LISTED = 50


@dataclass(frozen=True)
class Leak:
    """Two names, each with its split, of one picture; `distance` of 64 bits, None: same bytes."""

    one: str
    other: str
    distance: int | None

    def __str__(self) -> str:
        how = "the same file" if self.distance is None else f"distance {self.distance}"
        return f"{printable(self.one)} and {printable(self.other)} ({how})"


def find_leaks(splits: Splits, distance: int) -> list[Leak]:
    """Pairs across splits with the same bytes, or with fingerprints at most `distance` apart."""
    return [
        leak
        for one, other in _PAIRS
        for photo in splits.get(other, [])
        for leak in _leaks_of(photo, other, splits[one], one, distance)
    ]


def refuse_leaks(splits: Splits, distance: int) -> None:
    """Raise `UserError` that names the first pairs; the log has the others."""
    leaks = find_leaks(splits, distance)
    if not leaks:
        return
    for leak in leaks[_NAMED:_LISTED]:
        _log.info("same picture in two splits: %s", leak)
    more = f", and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    raise UserError(
        f"the same picture is in two splits: {'; '.join(map(str, leaks[:_NAMED]))}{more}: remove "
        "one of each pair, put both into the same of the folders train, val and test, or, if they "
        f"are different pictures, lower data.duplicate_distance ({distance})"
    )


def _leaks_of(
    photo: Photo, split: Split, others: list[Photo], other_split: Split, distance: int
) -> list[Leak]:
    same = [other for other in others if other.sha256 == photo.sha256]
    leaks = [(other, None) for other in same] or _near(photo, others, distance)
    return [
        Leak(f"{other_split}/{other.name}", f"{split}/{photo.name}", found)
        for other, found in leaks
    ]


def _near(photo: Photo, others: list[Photo], distance: int) -> list[tuple[Photo, int | None]]:
    known = [(other, other.fingerprint) for other in others if other.fingerprint is not None]
    if photo.fingerprint is None or not known:
        return []
    found = distances(photo.fingerprint, [bits for _, bits in known])
    return [
        (other, int(apart))
        for (other, _), apart in zip(known, found, strict=True)
        if apart <= distance
    ]
