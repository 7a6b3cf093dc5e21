"""The same picture twice: in two splits, or among what a model is judged on; found by content."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from kdsharp.errors import UserError
from pipeline.data.check import check, distances
from pipeline.data.near import near_pairs
from pipeline.data.source import PLACES, SPLITS, UNLABELLED, Candidate, CheckedPhoto, Split, Splits
from pipeline.paths import RAW, printable

__all__ = [
    "Contamination",
    "Known",
    "NearDuplicate",
    "find_contamination",
    "find_near_duplicates",
    "hashed_photos",
    "refuse_contamination",
]

_log = logging.getLogger(__name__)
# Training on a picture twice, labelled and unlabelled, is not a leak.
_PAIRS = (*itertools.combinations(SPLITS, 2), ("val", UNLABELLED), ("test", UNLABELLED))
_NAMED = 3
_LISTED = 50

_TRAINED = ("train", "val", UNLABELLED)


@dataclass(frozen=True)
class Contamination:
    """Two names, each with its split, of one picture; `distance` of 64 bits, None: same bytes."""

    one: str
    other: str
    distance: int | None

    def __str__(self) -> str:
        how = "the same file" if self.distance is None else f"distance {self.distance}"
        return f"{printable(self.one)} and {printable(self.other)} ({how})"


def find_contamination(splits: Splits, distance: int) -> list[Contamination]:
    """Pairs across splits: the same bytes, or perceptual hashes at most `distance` apart."""
    placed = [(split, photo) for split in PLACES for photo in splits.get(split, [])]
    near = near_pairs([photo.perceptual_hash for _, photo in placed], distance).tolist()
    leaks = {}
    for one, other in (*near, *_same_files(placed)):
        (split, photo), (other_split, twin) = placed[one], placed[other]
        if (split, other_split) in _PAIRS:
            place = (_PAIRS.index((split, other_split)), other, one)
            apart = None if photo.sha256 == twin.sha256 else _apart(photo, twin)
            names = f"{split}/{photo.name}", f"{other_split}/{twin.name}"
            leaks[place] = Contamination(*names, apart)
    return [leak for _, leak in sorted(leaks.items())]


def _same_files(placed: Sequence[tuple[Split, CheckedPhoto]]) -> Iterator[tuple[int, int]]:
    known: dict[str, list[int]] = {}
    for position, (_, photo) in enumerate(placed):
        known.setdefault(photo.sha256, []).append(position)
    for positions in known.values():
        yield from itertools.combinations(positions, 2)


def _apart(one: CheckedPhoto, other: CheckedPhoto) -> int:
    assert one.perceptual_hash is not None and other.perceptual_hash is not None
    return (one.perceptual_hash ^ other.perceptual_hash).bit_count()


def refuse_contamination(splits: Splits, distance: int) -> None:
    """Raise `UserError` that names the first pairs; the log has the others."""
    leaks = find_contamination(splits, distance)
    if not leaks:
        return
    for leak in leaks[_NAMED:_LISTED]:
        _log.info("same picture in two splits: %s", leak)
    more = f", and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    raise UserError(
        f"the same picture is in two splits: {'; '.join(map(str, leaks[:_NAMED]))}{more}: remove "
        "one of each pair, put both into the same folder (train, val or test), or, if they "
        f"are different pictures, lower data.duplicate_distance ({distance})"
    )


class Known(Protocol):
    """A photo with the SHA-256 of its file and its perceptual hash."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""

    @property
    def perceptual_hash(self) -> int | None:
        """That of `pipeline.data.check`."""


@dataclass(frozen=True)
class NearDuplicate:
    """The photo `name` is also `of`, such as train/a.png; `how` it was found, in a few words."""

    name: str
    of: str
    how: str


def find_near_duplicates(
    photos: Sequence[Known], manifest: pd.DataFrame, raw: Path, distance: int
) -> Iterator[NearDuplicate]:
    """The `photos` that are in train, val or unlabelled, or near duplicates of one; each once.

    `distance` is the most bits (of 64) by which the perceptual hashes of near duplicates differ.
    What is a test photo was compared with the others by `acquire`, at the same distance; only for
    photos from elsewhere all of `raw` is read, after the same files are yielded.
    """
    trained = manifest[manifest["split"].isin(_TRAINED)]
    where = dict(zip(trained["sha256"], trained["split"] + "/" + trained["name"], strict=True))
    for photo in photos:
        if photo.sha256 in where:
            yield NearDuplicate(photo.name, where[photo.sha256], "the same file")
    known = {*where, *manifest.loc[manifest["split"] == "test", "sha256"]}
    doubtful = [
        (photo.name, photo.perceptual_hash)
        for photo in photos
        if photo.sha256 not in known and photo.perceptual_hash is not None
    ]
    if not doubtful:
        return
    known_photos = hashed_photos(trained, raw)
    read = [(p, p.perceptual_hash) for p in known_photos if p.perceptual_hash is not None]
    bits = np.array([found for _, found in read], np.uint64)
    for name, bits_of in doubtful:
        found = distances(bits_of, bits)
        if len(found) and found.min() <= distance:
            near, _ = read[int(found.argmin())]
            yield NearDuplicate(name, f"{near.split}/{near.name}", f"distance {found.min()}")


def hashed_photos(named: pd.DataFrame, raw: Path = RAW) -> list[CheckedPhoto]:
    """The photos of these rows of the manifest, read below `raw` for their perceptual hashes.

    Reading uses all cores. Raises `UserError` for one that cannot be read.
    """
    rows = zip(named["name"], named["split"], strict=True)
    files = [Candidate(name, raw / split / name, split, "") for name, split in rows]
    photos, unreadable = check(files, min_side=1)
    if unreadable:
        first = unreadable[0]
        raise UserError(f"{raw}: {printable(first.name)} {first.reason}: dvc repro acquire")
    return photos
