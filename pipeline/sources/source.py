"""What the sources have in common: the words that they and the stage `acquire` share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["PLACES", "SPLITS", "UNLABELLED", "Candidate", "Photo", "Source", "Split", "Splits"]

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
class Photo(Candidate):
    """A usable photo: the SHA-256 of its bytes, its size in pixels, upright, and its fingerprint.

    `fingerprint` is that of `pipeline.sources.fingerprint`.
    """

    sha256: str
    width: int
    height: int
    fingerprint: int | None


Splits = dict[Split, list[Photo]]
"""The photos of each of `SPLITS`; `UNLABELLED` may be left out."""


class Source(Protocol):
    """One way to come by photos."""

    @property
    def name(self) -> str:
        """The value of `data.source` that chooses it."""

    def candidates(self, workspace: Path) -> Sequence[Candidate]:
        """Every file on offer; `workspace` is an empty folder to unpack to.

        Files in `workspace` are moved from there, all others are copied. Raises `UserError` for
        what is missing or damaged, `TransientError` for a server that may be back soon.
        """

    def assign(self, photos: Sequence[Photo]) -> Splits:
        """The usable photos by split; raises `UserError` when there are fewer than asked for."""
