"""What the sources have in common: words that they share with `acquire`, splits by content."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from kdsharp.errors import UserError
from pipeline.data.near import near_groups
from pipeline.paths import printable

__all__ = [
    "PLACES",
    "SPLITS",
    "UNLABELLED",
    "Candidate",
    "CheckedPhoto",
    "PhotoSource",
    "Split",
    "Splits",
    "by_content",
    "position",
]

_log = logging.getLogger(__name__)

Split = Literal["train", "val", "test", "unlabelled"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""The splits that every source fills."""

UNLABELLED: Split = "unlabelled"
"""Photos too poor to be a truth: the teacher answers for them. A source may have none."""

PLACES: tuple[Split, ...] = (*SPLITS, UNLABELLED)
"""All folders of data/raw."""


@dataclass(frozen=True)
class Candidate:
    """A file that should be a photo; nobody has looked inside yet.

    `name` is its path below data/raw/SPLIT, with forward slashes. `split` is None where the
    content decides it.
    """

    name: str
    path: Path
    split: Split | None
    licence: str


@dataclass(frozen=True)
class CheckedPhoto(Candidate):
    """A usable photo: the SHA-256 of its bytes, its upright size in pixels, its perceptual hash.

    `perceptual_hash` is that of `pipeline.data.check`.
    """

    sha256: str
    width: int
    height: int
    perceptual_hash: int | None


Splits = dict[Split, list[CheckedPhoto]]
"""The photos of each of `SPLITS`; `UNLABELLED` may be left out."""


class PhotoSource(Protocol):
    """One way to get photos."""

    @property
    def name(self) -> str:
        """The value of `data.source` that chooses it."""

    def candidates(self, workspace: Path) -> Sequence[Candidate]:
        """Every file on offer; `workspace` is an empty folder to unpack to.

        Files in `workspace` are moved from there, all others are copied. Raises `UserError` if
        something is missing or damaged, `TransientError` if a server is down for the moment.
        """

    def assign(self, photos: Sequence[CheckedPhoto]) -> Splits:
        """The usable photos by split; raises `UserError` when there are fewer than asked for."""


def position(sha256: str) -> float:
    """Where a content lies in 0..1, evenly spread: the first 52 bits of its SHA-256."""
    return int(sha256[:13], 16) / 16**13


def by_content(photos: Sequence[CheckedPhoto], val: float, test: float, distance: int) -> Splits:
    """Test below the share `test`, val in the share `val` above it, train in the rest.

    Near duplicates, whose perceptual hashes are at most `distance` bits apart, stay together, where
    the first of their positions lies: one that is added may take others out of train, but none that
    a model was judged on into it. A split that stays empty takes the photos whose position is
    nearest to its range, from a split that has others: later ones that fall into the range by
    themselves end that.
    """
    ranges: dict[Split, tuple[float, float]] = {
        "test": (0.0, test),
        "val": (test, test + val),
        "train": (test + val, 1.0),
    }
    groups = _near_duplicates(photos, distance)
    splits: dict[Split, list[_Group]] = {
        split: [g for g in groups if low <= position(g[0].sha256) < high]
        for split, (low, high) in ranges.items()
    }
    for split, (low, high) in ranges.items():
        if not splits[split]:
            _fill(splits, split, low, high)
    where = {p.sha256: split for split, members in splits.items() for g in members for p in g}
    return {split: [p for p in photos if where.get(p.sha256) == split] for split in SPLITS}


_Group = list[CheckedPhoto]
"""Near duplicates of each other, by their positions."""


def _near_duplicates(photos: Sequence[CheckedPhoto], distance: int) -> list[_Group]:
    found = near_groups([photo.perceptual_hash for photo in photos], distance)
    groups = [sorted((photos[i] for i in members), key=lambda p: p.sha256) for members in found]
    alike = [group for group in groups if len(group) > 1]
    if alike:
        _log.info(
            "near duplicates stay in one split: %d photos in %d groups, the largest of %d, like %s",
            sum(map(len, alike)),
            len(alike),
            *max((len(group), printable(group[0].name)) for group in alike),
        )
    return groups


def _fill(splits: dict[Split, list[_Group]], empty: Split, low: float, high: float) -> None:
    spare = [(split, g) for split, members in splits.items() if len(members) > 1 for g in members]
    if not spare:
        raise UserError(
            f"no photos are left for {empty}: the others are near duplicates of each other; add "
            "different ones, or lower data.duplicate_distance"
        )
    donor, group = min(spare, key=lambda item: (_away(item[1][0], low, high), item[1][0].sha256))
    splits[donor].remove(group)
    splits[empty].append(group)


def _away(photo: CheckedPhoto, low: float, high: float) -> float:
    here = position(photo.sha256)
    return max(low - here, here - high)
