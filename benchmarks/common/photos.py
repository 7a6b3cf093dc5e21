"""The photos that quality is measured on, made low as the field does it, and their scores."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common.method import Enhance, Pixels, Sample
from kdsharp.color import luma_studio
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES, read_rgb
from kdsharp.metrics import psnr, ssim
from pipeline.data import datasets as sets

__all__ = [
    "VARIABLE",
    "Quality",
    "Sets",
    "find_datasets",
    "find_peers",
    "photos_in",
    "samples",
    "score_set",
]

VARIABLE = "KDSHARP_SHARED_DATA"
"""The environment variable that names a folder in which `benchmarks/` holds the sets."""

Sets = Mapping[str, Sequence[Path]]
"""The photos of each set by its title, in the order of the tables."""

_OWN = Path("data/raw/test")


def find_datasets(folder: Path | None) -> tuple[Sets, str]:
    """The sets in `folder`, else in the shared data, else our own test photos; and a line on that.

    A set is what `pipeline.data.datasets` says. One of the field that lacks some photos is
    titled so, because results published on the whole set cannot be compared with it.
    """
    if folder is None and (shared := os.environ.get(VARIABLE)):
        folder = Path(shared) / "benchmarks"
    if folder is not None:
        found = {
            _title(name, len(paths)): paths for name, paths in sets.find_datasets(folder).items()
        }
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


@dataclass(frozen=True)
class Quality:
    """Means over the photos of a set: PSNR in dB and SSIM, both on studio-range Y."""

    psnr: float
    ssim: float


def score_set(photos: Iterable[Sample], enhance: Enhance, scale: int) -> Quality:
    """The quality of `enhance`, averaged over `photos`.

    `scale` pixels at each border are left out, as the field does; `kdsharp.metrics.compare` gives
    the same two numbers, and takes five times as long because of those on RGB.
    """
    pairs = [(_inner(enhance(photo), scale), _inner(photo.truth, scale)) for photo in photos]
    scores = [(psnr(*pair), ssim(*pair)) for pair in pairs]
    return Quality(*map(float, np.mean(scores, axis=0)))


def _inner(picture: Pixels, border: int) -> npt.NDArray[np.float64]:
    return luma_studio(picture)[border:-border, border:-border]
