"""What the sources have in common: words that they share with `acquire`, splits by content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

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


def by_content(photos: Sequence[CheckedPhoto], val: float, test: float) -> Splits:
    """Test below the share `test`, val in the share `val` above it, train in the rest.

    A split that stays empty takes the photo whose position is nearest to its range, from a split
    that has more than one: a later photo that falls into the range by itself ends that.
    """
    ranges: dict[Split, tuple[float, float]] = {
        "test": (0.0, test),
        "val": (test, test + val),
        "train": (test + val, 1.0),
    }
    splits: Splits = {
        split: [p for p in photos if low <= position(p.sha256) < high]
        for split, (low, high) in ranges.items()
    }
    for split, (low, high) in ranges.items():
        if not splits[split]:
            _fill(splits, split, low, high)
    return {split: splits[split] for split in SPLITS}


def _fill(splits: Splits, empty: Split, low: float, high: float) -> None:
    spare = [(split, p) for split, members in splits.items() if len(members) > 1 for p in members]
    donor, photo = min(spare, key=lambda item: (_away(item[1], low, high), item[1].sha256))
    splits[donor].remove(photo)
    splits[empty].append(photo)


def _away(photo: CheckedPhoto, low: float, high: float) -> float:
    here = position(photo.sha256)
    return max(low - here, here - high)
