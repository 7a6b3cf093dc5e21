"""Photos to judge a model on must be none of those that it was trained or chosen with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from kdsharp.errors import UserError
from pipeline.names import printable
from pipeline.sources.check import check
from pipeline.sources.fingerprint import distances
from pipeline.sources.source import UNLABELLED, Candidate, Photo

__all__ = ["Known", "Twin", "find_twins"]

_TRAINED = ("train", "val", UNLABELLED)


class Known(Protocol):
    """A photo with the SHA-256 of its file and its perceptual fingerprint."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""

    @property
    def fingerprint(self) -> int | None:
        """That of `pipeline.sources.fingerprint`."""


@dataclass(frozen=True)
class Twin:
    """The photo `name` is also `of`, such as train/a.png; `how` it was found, in a few words."""

    name: str
    of: str
    how: str


def find_twins(
    photos: Sequence[Known], manifest: pd.DataFrame, raw: Path, distance: int
) -> Iterator[Twin]:
    """The `photos` that are in train, val or unlabelled, or near duplicates of one; each once.

    `distance` is the most bits (of 64) by which the fingerprints of near duplicates differ. What is
    a test photo was compared with the others by `acquire`, at the same distance; only for photos
    from elsewhere all of `raw` is read, after the same files are yielded.
    """
    trained = manifest[manifest["split"].isin(_TRAINED)]
    where = dict(zip(trained["sha256"], trained["split"] + "/" + trained["name"], strict=True))
    for photo in photos:
        if photo.sha256 in where:
            yield Twin(photo.name, where[photo.sha256], "the same file")
    known = {*where, *manifest.loc[manifest["split"] == "test", "sha256"]}
    doubtful = [
        (photo.name, photo.fingerprint)
        for photo in photos
        if photo.sha256 not in known and photo.fingerprint is not None
    ]
    if not doubtful:
        return
    read = [(p, p.fingerprint) for p in _photos(trained, raw) if p.fingerprint is not None]
    bits = [fingerprint for _, fingerprint in read]
    for name, fingerprint in doubtful:
        found = distances(fingerprint, bits)
        if len(found) and found.min() <= distance:
            near, _ = read[int(found.argmin())]
            yield Twin(name, f"{near.split}/{near.name}", f"distance {found.min()}")


def _photos(trained: pd.DataFrame, raw: Path) -> list[Photo]:
    """The photos of train, val and unlabelled with their fingerprints; reading uses all cores."""
    rows = zip(trained["name"], trained["split"], strict=True)
    files = [Candidate(name, raw / split / name, split, "") for name, split in rows]
    photos, unreadable = check(files, min_side=1)
    if unreadable:
        first = unreadable[0]
        raise UserError(f"{raw}: {printable(first.name)} {first.reason}: dvc repro acquire")
    return photos
