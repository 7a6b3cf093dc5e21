"""The source `folder`: any tree of photos."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdsharp.errors import UserError, describe
from kdsharp.images import SUFFIXES
from pipeline.names import printable
from pipeline.params import FolderParams
from pipeline.paths import RAW
from pipeline.sources.content import by_content
from pipeline.sources.licences import LICENCES, read_licences
from pipeline.sources.shrink import shrink_jpegs
from pipeline.sources.source import PLACES, SPLITS, UNLABELLED, Candidate, Photo, Split, Splits

__all__ = ["Folder"]

_log = logging.getLogger(__name__)
_FORMATS = "JPEG, PNG, TIFF, WebP or BMP"


class Folder:
    """Photos of a folder, split by its subfolders train, val and test or else by content.

    A subfolder `unlabelled` stands beside either.
    """

    name = "folder"

    def __init__(self, params: FolderParams) -> None:
        self._params = params
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

    def assign(self, photos: Sequence[Photo]) -> Splits:
        """As the subfolders say, or by content."""
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
            return by_content(photos, self._params.val, self._params.test) | others
        splits: Splits = {s: [p for p in photos if p.split == s] for s in SPLITS}
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
                "%s: of train, val and test only %s: the split follows from the content",
                self._root,
                " and ".join(present),
            )
        return {UNLABELLED: UNLABELLED}


def _require_folder(root: Path) -> None:
    if not root.exists():
        raise UserError(f"{root}: no such folder: set data.folder.path to a folder of photos")
    if not root.is_dir():
        raise UserError(f"{root}: is no folder: set data.folder.path to a folder of photos")
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
    _log.warning("left out a folder: %s", printable(describe(error)))
