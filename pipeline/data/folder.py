"""The source `folder`: any tree of photos, with their authors and licences."""

import csv
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdsharp.errors import UserError, describe
from kdsharp.imageio.decode import SUFFIXES
from pipeline.data.contamination import find_contamination
from pipeline.data.shrink import shrink_jpegs
from pipeline.data.source import (
    PLACES,
    SPLITS,
    UNLABELLED,
    Candidate,
    CheckedPhoto,
    Split,
    Splits,
    by_content,
)
from pipeline.params import FolderParams
from pipeline.paths import RAW, printable

__all__ = ["LICENCES", "Folder", "read_licences"]

LICENCES = "LICENCES.csv"
"""The file at the top of a folder of photos: columns name, licence, author."""

_COLUMNS = ["name", "licence", "author"]

_log = logging.getLogger(__name__)
_FORMATS = "JPEG, PNG, TIFF, WebP or BMP"


def read_licences(folder: Path) -> dict[str, str]:
    """By each photo's name below `folder`, with forward slashes: its "licence, author".

    Empty where the folder has no such file; an author may be left empty. Raises `UserError` if the
    file is not such a table.
    """
    path = folder / LICENCES
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened, strict=True)
            if table.fieldnames is None or not set(_COLUMNS) <= set(table.fieldnames):
                raise UserError(f"{path}: needs the columns {','.join(_COLUMNS)}")
            return {row["name"]: _words(path, table.line_num, row) for row in table}
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8: {error}") from None


def _words(path: Path, line: int, row: dict[str, str | None]) -> str:
    licence, author = (" ".join((row[key] or "").split()) for key in _COLUMNS[1:])
    if not licence:
        raise UserError(f"{path}: line {line} has no licence")
    return f"{licence}, {author}" if author else licence


class Folder:
    """Photos of a folder, split by its subfolders train, val and test or else by content.

    A subfolder `unlabelled` stands beside either.
    """

    name = "folder"

    def __init__(self, params: FolderParams, duplicate_distance: int) -> None:
        self._params = params
        self._distance = duplicate_distance
        self._root = Path(params.path)

    def candidates(self, workspace: Path) -> Sequence[Candidate]:
        """Every file with an image suffix, JPEGs shrunk; hidden ones are left alone."""
        _require_folder(self._root)
        files = list(_files(self._root))
        images = [path.relative_to(self._root) for path in files if _is_image(path)]
        found = list(self._found(images))
        _log.info(
            "%s: %d image files, %d other files", self._root, len(images), len(files) - len(images)
        )
        if len(found) < len(images):
            outside = len(images) - len(found)
            _log.warning("%s: %d photos outside train, val and test", self._root, outside)
        if not found:
            raise UserError(
                f"{self._root}: holds no {_FORMATS}: put photos there, or set data.folder.path"
            )
        return shrink_jpegs(found, self._params.jpeg_shrink, workspace)

    def _found(self, images: Sequence[Path]) -> Iterator[Candidate]:
        """`images`, relative to the root, each with its split and its licence."""
        licences = read_licences(self._root)
        folders = self._split_folders()
        for image in images:
            path = self._root / image
            licence = licences.pop(image.as_posix(), self._params.licence)
            if split := folders.get(image.parts[0]):
                yield Candidate(image.relative_to(split).as_posix(), path, split, licence)
            elif SPLITS[0] not in folders:
                yield Candidate(image.as_posix(), path, None, licence)
        if licences:
            first = printable(min(licences))
            _log.warning("%s: %d rows name no photo, such as %s", LICENCES, len(licences), first)

    def assign(self, photos: Sequence[CheckedPhoto]) -> Splits:
        """As the subfolders say, or by content.

        By content, unlabelled photos that are like one of val or test are left out.
        """
        others: Splits = {}
        if unlabelled := [photo for photo in photos if photo.split == UNLABELLED]:
            others[UNLABELLED] = unlabelled
            photos = [photo for photo in photos if photo.split != UNLABELLED]
        least = self._params.at_least
        if len(photos) < least:
            raise UserError(
                f"{self._root}: {len(photos)} usable photos, data.folder.at_least is {least}: "
                "add photos, or lower it"
            )
        if any(photo.split is None for photo in photos):
            splits = by_content(photos, self._params.val, self._params.test, self._distance)
            return splits | _clean(others, splits, self._distance)
        splits = {s: [p for p in photos if p.split == s] for s in SPLITS}
        for split, members in splits.items():
            if not members:
                raise UserError(f"{self._root / split}: holds no usable photo: add one")
        return splits | others

    def _split_folders(self) -> dict[str, Split]:
        """The folders at the top that say their photos' split: of the three all or none."""
        present = [split for split in SPLITS if (self._root / split).is_dir()]
        if len(present) == len(SPLITS):
            return {split: split for split in PLACES}
        if present:
            _log.warning(
                "%s: has only %s of train, val and test: the split follows from the content",
                self._root,
                " and ".join(present),
            )
        return {UNLABELLED: UNLABELLED}


def _clean(others: Splits, splits: Splits, distance: int) -> Splits:
    """The unlabelled photos, without those that are like one that models are judged on."""
    leaks = find_contamination(
        {**others, "val": splits["val"], "test": splits["test"], "train": []}, distance
    )
    alike = {leak.other for leak in leaks if leak.other.startswith(f"{UNLABELLED}/")}
    if alike:
        _log.info(
            "unlabelled photos left out, as they are like some of val or test: %d, such as %s",
            len(alike),
            printable(min(alike)),
        )
    return {
        split: [p for p in members if f"{split}/{p.name}" not in alike]
        for split, members in others.items()
    }


def _require_folder(root: Path) -> None:
    if not root.exists():
        raise UserError(f"{root}: no such folder: set data.folder.path to a folder of photos")
    if not root.is_dir():
        raise UserError(f"{root}: not a folder: set data.folder.path to a folder of photos")
    ours, theirs = RAW.resolve(), root.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise UserError(f"{root}: is where {RAW} is written: set data.folder.path elsewhere")


def _is_image(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


def _files(root: Path) -> Iterator[Path]:
    """Every file below `root` in the order of names, links followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(root, followlinks=True, onerror=_unreadable):
        status = Path(here).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:  # a link that leads back, or to where we have been
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(files))


def _unreadable(error: OSError) -> None:
    _log.warning("skipped a folder: %s", printable(describe(error)))
