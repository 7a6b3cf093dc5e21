"""Score methods on whole photos: how close each brings the degraded photo to the original."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Condition

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import METRICS, compare
from pipeline.data.pick import pick, sample_name
from pipeline.evaluation.kept import KeptScores, Scores
from pipeline.manifest import read_manifest
from pipeline.params import DegradationParams, EvaluateParams
from pipeline.paths import MANIFEST, RAW

__all__ = [
    "SPLITS",
    "EvalPhoto",
    "Far",
    "Method",
    "Pixels",
    "Results",
    "averages",
    "list_photos",
    "load_pair",
    "measure",
    "sampled",
    "score",
    "smallest_side",
]

_log = logging.getLogger(__name__)

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
# A network uses all cores by itself; what lies between its layers and photos does not.
_PHOTOS_AT_ONCE = 4


Far = Callable[[Sequence["EvalPhoto"]], Iterator[dict[str, Scores]]]
"""Photos -> the metrics of each method on each, in their order: computed by other machines."""


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
    table, photos = read_manifest(manifest), []
    for split in SPLITS:
        names = sorted(table["name"][table["split"] == split])
        if not names:
            raise UserError(f"{manifest} lists no {split} photos: nothing to evaluate on")
        photos += [EvalPhoto(split, name) for name in names]
    return photos


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


def sampled(photos: Sequence[EvalPhoto], params: EvaluateParams) -> list[EvalPhoto]:
    """At most `params.photos` of each split, in their order; the log names a part of more."""
    chosen = []
    for split in dict.fromkeys(photo.split for photo in photos):
        members = [photo for photo in photos if photo.split == split]
        part = pick(
            members, params.photos, params.seed, lambda photo: f"{photo.split}/{photo.name}"
        )
        chosen += part
        if len(part) < len(members):
            _log.info(
                "%s: %d of %d photos are scored (evaluate.photos), sample %s",
                split,
                len(part),
                len(members),
                sample_name(photo.name for photo in part),
            )
    return chosen


def score(
    photos: Sequence[EvalPhoto],
    methods: Mapping[str, Method],
    degradation: DegradationParams,
    done: Callable[[int], None] = lambda _: None,
    kept: KeptScores | None = None,
    far: "Far | None" = None,
) -> pd.DataFrame:
    """One row a photo and method: split, name, method, the four metrics, and `gain_y` in dB.

    `gain_y` is the Y-PSNR above that of the method `input`. Rows are sorted by split and name;
    methods keep their order. `done(n)` is called when n photos are scored. A few photos are scored
    at a time, as their sizes allow. What `kept` knows is not computed again. `far` does all of it
    elsewhere.
    """
    rows = []
    ordered = sorted(photos, key=lambda photo: (photo.split, photo.name))
    room = _Room(_PIXELS_AT_ONCE)
    with ThreadPoolExecutor(min(_PHOTOS_AT_ONCE, os.cpu_count() or 1)) as pool:
        one = partial(_score, methods=methods, degradation=degradation, kept=kept, room=room)
        all_found = far(ordered) if far else pool.map(one, ordered)
        for number, (photo, found) in enumerate(zip(ordered, all_found, strict=True), start=1):
            rows += [{"split": photo.split, "name": photo.name, **row} for row in _rows(found)]
            done(number)
    return pd.DataFrame(rows)


def _score(
    photo: EvalPhoto,
    methods: Mapping[str, Method],
    degradation: DegradationParams,
    kept: KeptScores | None,
    room: "_Room",
) -> dict[str, Scores]:
    """Those of `measure`, or what is known of them."""
    known = kept.find(photo) if kept else {}
    if missing := [name for name in methods if name not in known]:
        with room.of(_pixels(photo)):
            found = measure(photo, {name: methods[name] for name in missing}, degradation)
        if kept:
            kept.put(photo, found)
        known |= found
    return {name: known[name] for name in methods}


def measure(
    photo: EvalPhoto, methods: Mapping[str, Method], degradation: DegradationParams
) -> dict[str, Scores]:
    """The metrics of each method on `photo`, rounded to 6 digits."""
    low, truth = load_pair(photo, degradation)
    return {
        name: {
            key: round(value, _DIGITS)
            for key, value in compare(method(low), truth, degradation.scale).items()
        }
        for name, method in methods.items()
    }


def _pixels(photo: EvalPhoto) -> int:
    """As the file's header says; a file without one is refused when it is read."""
    try:
        with Image.open(photo.path) as opened:
            return opened.width * opened.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0


class _Room:
    """Lets threads in as long as what they hold, together, is within a limit; one always."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._changed = Condition()

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size <= self._limit)
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


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


def _rows(found: Mapping[str, Scores]) -> list[dict[str, str | float]]:
    """The rows of one photo."""
    least = found["input"]["psnr_y"]
    return [
        {"method": method, **metrics, "gain_y": round(metrics["psnr_y"] - least, _DIGITS)}
        for method, metrics in found.items()
    ]
