"""The photos that quality is measured on, by set, made low as the field does it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.front_parts.method import Sample
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.images import SUFFIXES, read_rgb
from pipeline.sources import sets

__all__ = ["VARIABLE", "Sets", "find_peers", "find_sets", "photos_in", "samples"]

VARIABLE = "KDSHARP_SHARED_DATA"
"""The environment variable that names a folder in which `benchmarks/` holds the sets."""

Sets = Mapping[str, Sequence[Path]]
"""The photos of each set by its title, in the order of the tables."""

_OWN = Path("data/raw/test")


def find_sets(folder: Path | None) -> tuple[Sets, str]:
    """The sets in `folder`, else in the shared data, else our own test photos; and a line on that.

    A set is what `pipeline.sources.sets` says. One of the field of which some photos are missing is
    titled so, because what others published on the whole does not compare with it.
    """
    if folder is None and (shared := os.environ.get(VARIABLE)):
        folder = Path(shared) / "benchmarks"
    if folder is not None:
        found = {_title(name, len(paths)): paths for name, paths in sets.find_sets(folder).items()}
        if not found:
            raise UserError(f"{folder}: holds no folders of photos: Set5, Set14, B100 ...")
        return found, "Quality is measured on the sets that the field uses."
    if own := photos_in(_OWN):
        title = f"test split ({len(own)})"
        return {title: own}, (
            "Quality is measured on the test photos of the sample data, because no folder of "
            f"Set5, Set14 and B100 was named (`--photos` or `${VARIABLE}`): these numbers do not "
            "compare with published ones."
        )
    return {}, (
        f"No photos: quality is left empty. Name a folder of sets with `--photos` or `${VARIABLE}`"
    )


def find_peers(folder: Path | None) -> Path | None:
    """The folder with the files of peers: `folder`, else the one beside the shared data."""
    shared = os.environ.get(VARIABLE)
    beside = Path(shared).parent / "peers" if shared else None
    return beside if folder is None and beside and beside.is_dir() else folder


def photos_in(folder: Path) -> list[Path]:
    """Every file in `folder` and below that is named as a photo, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def samples(paths: Sequence[Path], scale: int) -> Iterator[Sample]:
    """Every photo, cropped to a multiple of `scale`, with both low-quality forms of it."""
    for path in paths:
        truth = crop_to_multiple(read_rgb(path), scale)
        width, height = (side // scale for side in truth.size)
        small = truth.resize((width, height), Image.Resampling.BICUBIC)
        low = degrade(truth, "bicubic", scale)
        yield Sample(path.stem, np.asarray(truth), np.asarray(low), np.asarray(small))


def _title(name: str, count: int) -> str:
    shown = sets.how_many(name, count)
    return name if shown == str(count) else f"{name} ({shown})"
