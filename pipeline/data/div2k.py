"""The source `div2k`: DIV2K's own archives, downloaded or from a folder.

Source: E. Agustsson, R. Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset
and Study", CVPRW 2017. DIV2K's test images were never published: its 100 validation images become
val and test, half each.
"""

from collections.abc import Sequence
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.data.archive import Archive, Archives, photos_of, unpack, verify
from pipeline.data.source import SPLITS, Candidate, CheckedPhoto, Split, Splits
from pipeline.data.space import require_space
from pipeline.params import Div2kParams
from pipeline.paths import DOWNLOADS

__all__ = ["Div2k"]

_OWN = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
"""DIV2K's own address of the archives."""

_LICENCE = "academic research only, see DIV2K"


class Div2k:
    """The first images by name of each part; `archives` says what the two zip files must be."""

    name = "div2k"

    def __init__(
        self, params: Div2kParams, archives: Archives, downloads: Path = DOWNLOADS
    ) -> None:
        self._params = params
        self._archives = archives
        self._downloads = downloads

    def candidates(self, workspace: Path) -> list[Candidate]:
        """Download what is missing, check it, and unpack the images that are asked for."""
        archives = (self._archives.train, self._archives.valid)
        train, valid = self._local(archives) or self._downloaded(archives, workspace)
        first, second = _halves(photos_of(valid))
        return [
            *self._unpacked(train, photos_of(train), "train", workspace),
            *self._unpacked(valid, first, "val", workspace),
            *self._unpacked(valid, second, "test", workspace),
        ]

    def assign(self, photos: Sequence[CheckedPhoto]) -> Splits:
        """As unpacked; every image that was asked for must be usable."""
        splits: Splits = {s: [p for p in photos if p.split == s] for s in SPLITS}
        for split, members in splits.items():
            asked = self._asked(split)
            if len(members) < asked:
                raise UserError(
                    f"{len(members)} usable {split} images, data.div2k.{split} is {asked}: lower "
                    "it, or lower data.min_side"
                )
        return splits

    def _local(self, archives: Sequence[Archive]) -> list[Path] | None:
        if self._params.zips is None:
            return None
        paths = [Path(self._params.zips) / archive.name for archive in archives]
        for path, archive in zip(paths, archives, strict=True):
            verify(path, archive)
        return paths

    def _downloaded(self, archives: Sequence[Archive], workspace: Path) -> list[Path]:
        # Here, because only this source needs an HTTP client, which takes 0.3 s to import.
        from pipeline.data.download import fetch, remaining

        # Photos hardly shrink when zipped, so unpacked they take about as much again.
        unpacked = sum(archive.size for archive in archives)
        missing = sum(remaining(archive, self._downloads) for archive in archives)
        require_space([(self._downloads, missing), (workspace, unpacked)])
        mirror = self._params.mirror or _OWN
        return [fetch(mirror, archive, self._downloads) for archive in archives]

    def _unpacked(
        self, archive: Path, names: Sequence[str], split: Split, workspace: Path
    ) -> list[Candidate]:
        asked = self._asked(split)
        if len(names) < asked:
            raise UserError(
                f"{archive}: has {len(names)} images for {split}, data.div2k.{split} is {asked}"
            )
        folder = workspace / split
        unpack(archive, names[:asked], folder)
        return [Candidate(name, folder / name, split, _LICENCE) for name in names[:asked]]

    def _asked(self, split: Split) -> int:
        return {"train": self._params.train, "val": self._params.val, "test": self._params.test}[
            split
        ]


def _halves(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    middle = len(names) // 2
    return names[:middle], names[middle:]
