"""Which photos a version was trained on, in a form that tells whether it has seen another one.

A version keeps this beside its files, because a gate set may be cut, or photos be added to it,
long after the training, and of other photos than today's manifest names.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.check import distances
from pipeline.data.contamination import Known, NearDuplicate, hashed_photos
from pipeline.data.source import UNLABELLED
from pipeline.manifest import read_manifest
from pipeline.paths import MANIFEST, RAW

__all__ = ["PHOTOS", "Fingerprint", "find_seen", "list_fingerprints", "read_fingerprints", "write"]

PHOTOS = "photos.csv"
"""The name of the file in a version."""

_SPLITS = ("train", "val", UNLABELLED)
_COLUMNS = ("name", "sha256", "perceptual_hash")


@dataclass(frozen=True)
class Fingerprint:
    """A photo that something was learned from or chosen by: `name` is SPLIT/NAME."""

    name: str
    sha256: str
    perceptual_hash: int | None


def list_fingerprints(manifest: Path = MANIFEST, raw: Path = RAW) -> list[Fingerprint]:
    """Those of train, val and unlabelled in `manifest`, whose files are in `raw`.

    Reads every photo, with all cores. Raises `UserError` for one that cannot be read, and for a
    manifest that is none.
    """
    table = read_manifest(manifest)
    photos = hashed_photos(table[table["split"].isin(_SPLITS)], raw)
    found = [Fingerprint(f"{p.split}/{p.name}", p.sha256, p.perceptual_hash) for p in photos]
    return sorted(found, key=lambda photo: photo.name)


def write(photos: Sequence[Fingerprint]) -> str:
    """The file's text; hashes are hexadecimal, and empty where a photo has none."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_COLUMNS)
    for photo in photos:
        bits = "" if photo.perceptual_hash is None else f"{photo.perceptual_hash:016x}"
        lines.writerow([photo.name, photo.sha256, bits])
    return text.getvalue()


def read_fingerprints(folder: Path) -> list[Fingerprint] | None:
    """Those of the version whose files are in `folder`; None if it has none."""
    path = folder / PHOTOS
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as opened:
        return [
            Fingerprint(row["name"], row["sha256"], _bits(row["perceptual_hash"]))
            for row in csv.DictReader(opened)
        ]


def find_seen(
    photos: Sequence[Known], seen: Sequence[Fingerprint], distance: int
) -> Iterator[NearDuplicate]:
    """Which of `photos` are among `seen`, or near duplicates; each once.

    `distance` is the most bits (of 64) by which the perceptual hashes of near duplicates differ.
    """
    same = {one.sha256: one for one in seen}
    known = [one for one in seen if one.perceptual_hash is not None]
    bits = [one.perceptual_hash for one in known if one.perceptual_hash is not None]
    for photo in photos:
        if photo.sha256 in same:
            yield NearDuplicate(photo.name, same[photo.sha256].name, "the same file")
        elif photo.perceptual_hash is not None and bits:
            apart = distances(photo.perceptual_hash, bits)
            nearest = int(apart.argmin())
            if apart[nearest] <= distance:
                how = f"distance {apart[nearest]}"
                yield NearDuplicate(photo.name, known[nearest].name, how)


def _bits(text: str) -> int | None:
    return int(text, 16) if text else None
