"""No photo that a candidate is judged on may be one that it was trained or chosen with."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError
from pipeline.gate.crops import Source
from pipeline.names import printable
from pipeline.sources.check import check
from pipeline.sources.fingerprint import distances
from pipeline.sources.source import UNLABELLED, Candidate, Photo

__all__ = ["check_apart"]

_TRAINED = ("train", "val", UNLABELLED)


def check_apart(
    sources: Sequence[Source], manifest: pd.DataFrame, raw: Path, distance: int
) -> None:
    """Raise `UserError` if a photo of the gate is in train or val, or a near duplicate of one.

    `distance` is the most bits (of 64) by which the fingerprints of near duplicates differ. What is
    a test photo was compared with train and val by `acquire`, at the same distance; only for
    others, such as photos of `gate.folder`, all of `raw` is read.
    """
    trained = manifest[manifest["split"].isin(_TRAINED)]
    where = dict(zip(trained["sha256"], trained["split"] + "/" + trained["name"], strict=True))
    for source in sources:
        if source.sha256 in where:
            _refuse(source, where[source.sha256], "the same file")
    tested = set(manifest.loc[manifest["split"] == "test", "sha256"])
    doubtful = [s for s in sources if s.fingerprint is not None and s.sha256 not in tested]
    if not doubtful:
        return
    known = [photo for photo in _photos(trained, raw) if photo.fingerprint is not None]
    bits = [photo.fingerprint for photo in known if photo.fingerprint is not None]
    for source in doubtful:
        assert source.fingerprint is not None
        found = distances(source.fingerprint, bits)
        if len(found) and found.min() <= distance:
            near = known[int(found.argmin())]
            _refuse(source, f"{near.split}/{near.name}", f"distance {found.min()}")


def _photos(trained: pd.DataFrame, raw: Path) -> list[Photo]:
    """The photos of train and val with their fingerprints; reading them uses all cores."""
    rows = zip(trained["name"], trained["split"], strict=True)
    files = [Candidate(name, raw / split / name, split, "") for name, split in rows]
    photos, unreadable = check(files, min_side=1)
    if unreadable:
        first = unreadable[0]
        raise UserError(f"{raw}: {printable(first.name)} {first.reason}: dvc repro acquire")
    return photos


def _refuse(source: Source, where: str, how: str) -> None:
    raise UserError(
        f"the gate's photo {printable(source.name)} is also {printable(where)} ({how}), so nothing "
        "can be judged on it: take it out of the training photos, or raise gate.edition for a "
        "gate without it"
    )
