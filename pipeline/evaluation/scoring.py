"""Score methods on whole photos: how close each brings the degraded photo to the original."""

import csv
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import METRICS, compare
from pipeline.params import DegradationParams
from pipeline.paths import MANIFEST, RAW

__all__ = [
    "SPLITS",
    "EvalPhoto",
    "Method",
    "Pixels",
    "Results",
    "averages",
    "list_photos",
    "load_pair",
    "read_manifest",
    "score",
    "smallest_side",
]

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3), 8-bit RGB."""

Method = Callable[[Pixels], Pixels]
"""The degraded photo -> what the method makes of it, of the same shape."""

Results = dict[str, dict[str, dict[str, float]]]
"""Split -> method -> metric, as in reports/metrics.json."""

SPLITS = ("val", "test")
"""What is measured, in this order."""

_DIGITS = 6
_WINDOW = 11  # SSIM's, which has to fit between the borders
# The metrics hold some 140 bytes a pixel; this many pixels at once stay below 3 GB.
_PIXELS_AT_ONCE = 20_000_000


@dataclass(frozen=True)
class EvalPhoto:
    """A photo of `split`; `name` is its path below data/raw/SPLIT, with forward slashes.

    `file` is where it lies if not there.
    """

    split: str
    name: str
    file: Path | None = field(default=None, compare=False)

    @property
    def path(self) -> Path:
        """Where its file lies."""
        return self.file or RAW / self.split / self.name


def list_photos(manifest: Path = MANIFEST) -> list[EvalPhoto]:
    """The photos of `SPLITS`, sorted by name; `UserError` if a split has none."""
    rows, photos = read_manifest(manifest), []
    for split in SPLITS:
        names = sorted(row["name"] for row in rows if row["split"] == split)
        if not names:
            raise UserError(f"{manifest} lists no {split} photos: nothing to evaluate on")
        # Every third or fourth, twelve in all: the teacher takes ten seconds a photo.
        photos += [EvalPhoto(split, name) for name in names[:: max(1, len(names) // 12)][:12]]
    return photos


def read_manifest(manifest: Path = MANIFEST) -> list[dict[str, str]]:
    """The rows of the manifest; `UserError` if it is missing."""
    try:
        with manifest.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    except FileNotFoundError:
        raise UserError(f"{manifest} is missing: dvc repro acquire writes it") from None


def smallest_side(scale: int) -> int:
    """Pixels that a photo has to have on its shorter side to be scored."""
    return -(-(_WINDOW + 2 * scale) // scale) * scale  # what is a multiple of the scale is left


def load_pair(photo: EvalPhoto, degradation: DegradationParams) -> tuple[Pixels, Pixels]:
    """The degraded photo and the original, both cropped to a multiple of the scale.

    What a recipe draws follows from the photo's split and name.
    """
    scale = degradation.scale
    truth = crop_to_multiple(read_rgb(photo.path), scale)
    if min(truth.size) < _WINDOW + 2 * scale:
        width, height = truth.size
        raise UserError(
            f"{photo.path}: {width}x{height} is too small for SSIM: raise data.min_side"
        )
    seed = int.from_bytes(hashlib.sha256(f"{photo.split}/{photo.name}".encode()).digest()[:8])
    return np.asarray(degrade(truth, degradation.recipe, scale, seed)), np.asarray(truth)


def score(
    photos: Sequence[EvalPhoto],
    methods: Mapping[str, Method],
    degradation: DegradationParams,
    done: Callable[[int], None] = lambda _: None,
) -> pd.DataFrame:
    """One row a photo and method: split, name, method, the four metrics, and `gain_y` in dB.

    `gain_y` is the Y-PSNR above that of the method `input`. Rows are sorted by split and name;
    methods keep their order. `done(n)` is called when n photos are scored. At any time only one
    photo is in memory, and the methods' metrics are computed beside each other.
    """
    rows = []
    ordered = sorted(photos, key=lambda photo: (photo.split, photo.name))
    with ThreadPoolExecutor(min(len(methods), os.cpu_count() or 1)) as pool:
        for number, photo in enumerate(ordered, start=1):
            low, truth = load_pair(photo, degradation)
            small = low.size // 3 * len(methods) <= _PIXELS_AT_ONCE
            measure = partial(compare, truth=truth, border=degradation.scale)
            outputs = (method(low) for method in methods.values())
            found = _found(methods, (pool.map if small else map)(measure, outputs))
            rows += [{"split": photo.split, "name": photo.name, **row} for row in found]
            done(number)
    return pd.DataFrame(rows)


def averages(table: pd.DataFrame) -> Results:
    """The means over the photos of each split, rounded to 4 decimals; `SPLITS` come first."""
    means = table.groupby(["split", "method"])[list(METRICS)].mean().round(4)
    return {
        split: {
            method: {metric: float(means.loc[(split, method), metric]) for metric in METRICS}
            for method in table["method"].unique()
        }
        for split in sorted(table["split"].unique(), key=_place)
    }


def _place(split: str) -> tuple[int, str]:
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def _found(
    methods: Iterable[str], measured: Iterable[Mapping[str, float]]
) -> list[dict[str, str | float]]:
    """The rows of one photo."""
    rounded = [{k: round(v, _DIGITS) for k, v in metrics.items()} for metrics in measured]
    named = dict(zip(methods, rounded, strict=True))
    return [
        {
            "method": method,
            **metrics,
            "gain_y": round(metrics["psnr_y"] - named["input"]["psnr_y"], _DIGITS),
        }
        for method, metrics in named.items()
    ]
