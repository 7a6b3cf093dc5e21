"""The source `sample`: the photos inside the installed scikit-image."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.data.source import SPLITS, Candidate, CheckedPhoto, Split, Splits

__all__ = ["Sample"]

# Licences as scikit-image's own documentation of `skimage.data` gives them.
_CC0 = "CC0"
_PUBLIC = "public domain"
_FREE = "no known copyright restrictions"
_UNSURE = "see scikit-image"


@dataclass(frozen=True)
class _Entry:
    name: str
    split: Split
    licence: str


_PHOTOS = (
    _Entry("chelsea.png", "test", _CC0),
    _Entry("rocket.jpg", "test", _PUBLIC),
    _Entry("coins.png", "test", _FREE),
    _Entry("coffee.png", "val", _CC0),
    _Entry("gravel.png", "val", _CC0),
    _Entry("astronaut.png", "train", _PUBLIC),
    _Entry("motorcycle_left.png", "train", _UNSURE),
    _Entry("hubble_deep_field.jpg", "train", _PUBLIC),
    _Entry("retina.jpg", "train", _CC0),
    _Entry("ihc.png", "train", _FREE),
    _Entry("brick.png", "train", _CC0),
    _Entry("grass.png", "train", _CC0),
    _Entry("camera.png", "train", _CC0),
    _Entry("moon.png", "train", _UNSURE),
    _Entry("cell.png", "train", _CC0),
)


class Sample:
    """Fifteen photos that are on every machine with scikit-image; nothing is downloaded."""

    name = "sample"

    def candidates(self, workspace: Path) -> list[Candidate]:  # noqa: ARG002 - nothing to unpack
        """The photos, read straight from the package's data folder."""
        folder = _data_folder()
        for entry in _PHOTOS:
            if not (folder / entry.name).is_file():
                raise UserError(
                    f"scikit-image's {entry.name} is missing in {folder}: reinstall scikit-image"
                )
        return [Candidate(e.name, folder / e.name, e.split, e.licence) for e in _PHOTOS]

    def assign(self, photos: Sequence[CheckedPhoto]) -> Splits:
        """The splits are fixed."""
        splits: Splits = {s: [p for p in photos if p.split == s] for s in SPLITS}
        for split, members in splits.items():
            if not members:
                raise UserError(
                    f"none of the sample's {split} photos is usable: lower data.min_side"
                )
        return splits


def _data_folder() -> Path:
    # Found, not imported: skimage.data looks for a cache folder in the user's home.
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise UserError("data.source is sample, which needs scikit-image: pip install scikit-image")
    return Path(found.origin).parent / "data"
