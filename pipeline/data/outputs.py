"""The stage's outputs: built aside, then put in place together."""

import contextlib
import dataclasses
import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.progress import Progress
from pipeline.data.source import PLACES, UNLABELLED, CheckedPhoto, Splits
from pipeline.data.space import writing
from pipeline.lock import waiting
from pipeline.paths import MANIFEST, printable

__all__ = ["COLUMNS", "KEEP", "place", "publish", "workspace", "write_manifest"]

COLUMNS = ["name", "split", "sha256", "width", "height", "source", "licence"]

KEEP = ".keep"
"""What the folder of unlabelled photos holds without any: DVC warns of an empty one, each time."""


@contextlib.contextmanager
def workspace(raw: Path) -> Iterator[Path]:
    """Yield an empty folder on the disk of `raw`, for one process at a time; it is removed.

    What a killed run left there is removed first.
    """
    home = raw.parent / ".acquire"
    with waiting(home / "lock", str(raw)):
        folder = home / "work"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place(splits: Splits, new: Path, unpacked: Path) -> Splits:
    """Copy every photo's bytes to `new`/SPLIT/NAME; the photos with the names they got.

    Photos below `unpacked` are moved. Raises `UserError` for a file that changed since the check.
    """
    for split in PLACES:
        (new / split).mkdir(parents=True)
    if not splits.get(UNLABELLED):
        (new / UNLABELLED / KEEP).touch()
    placed: Splits = {split: [] for split in splits}
    total = sum(map(len, splits.values()))
    with Progress(total, "copying photos", "photos", lines=True) as progress:
        for split in splits:
            for photo in _distinct(splits[split]):
                _place(photo, new / split / photo.name, unpacked)
                placed[split].append(photo)
                progress.step()
    return placed


def write_manifest(splits: Splits, source: str, path: Path) -> None:
    """One row a photo, sorted by split and name; the same photos give the same bytes."""
    rows = [
        (p.name, split, p.sha256, p.width, p.height, source, p.licence)
        for split, photos in splits.items()
        for p in photos
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values(["split", "name"])
    with writing(path):
        table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def publish(new: Path, raw: Path) -> None:
    """Move the splits and the manifest from `new` into `raw`, all of them or none.

    `raw` itself stays: DVC keeps its .gitignore there. The manifest goes first and comes last, so
    that a crash in between leaves no manifest that is wrong.
    """
    old = new.with_name("old")
    for folder in (raw, old):
        folder.mkdir(parents=True, exist_ok=True)
    moved: list[tuple[Path, Path]] = []
    try:
        for name in (MANIFEST.name, *PLACES):
            _move(raw / name, old / name, moved)
        for name in (*PLACES, MANIFEST.name):
            _move(new / name, raw / name, moved)
    except BaseException:
        for source, target in reversed(moved):
            os.replace(target, source)
        raise


def _move(source: Path, target: Path, moved: list[tuple[Path, Path]]) -> None:
    if source.exists():
        os.replace(source, target)
        moved.append((source, target))


def _place(photo: CheckedPhoto, target: Path, unpacked: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if photo.path.is_relative_to(unpacked):
        os.replace(photo.path, target)
        return
    with writing(target):
        shutil.copyfile(photo.path, target)
    if sha256_file(target) != photo.sha256:
        raise UserError(f"{printable(str(photo.path))}: changed while it was copied: run again")


def _distinct(photos: Sequence[CheckedPhoto]) -> list[CheckedPhoto]:
    """No two names that differ only in case or in how accents are written: macOS keeps one of them.

    The later one gets the first digits of its SHA-256 behind its stem.
    """
    taken: set[str] = set()
    named = []
    for photo in sorted(photos, key=lambda photo: photo.name):
        name = photo.name
        if _key(name) in taken:
            path = PurePosixPath(name)
            name = str(path.with_name(f"{path.stem}-{photo.sha256[:8]}{path.suffix}"))
        taken.add(_key(name))
        named.append(dataclasses.replace(photo, name=name))
    return named


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
