"""The frozen set of crops that candidates are judged on: cut once, kept as it is, checked by hash.

Places are multiples of the scale, and crops are degraded as patches are (`kdsharp.degrade.crops`).
Each photo gives the same number of crops, so that none outweighs the others.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kdsharp.color import luma
from kdsharp.degrade import crop_to_multiple
from kdsharp.degrade.crops import degraded_crops
from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, write_json
from kdsharp.imageio.decode import read_rgb
from pipeline.data.contamination import find_near_duplicates
from pipeline.data.source import CheckedPhoto
from pipeline.params import DegradationParams, GateParams, Params
from pipeline.paths import GATE, printable

__all__ = [
    "FILES",
    "CropSource",
    "GateSet",
    "Pixels",
    "check_contamination",
    "cut_gate_set",
    "load_gate_set",
    "made_with",
    "source_of",
]

Pixels = npt.NDArray[np.uint8]
_Place = tuple[int, int]
_WORKERS = 8  # each holds a decoded photo in memory

_INDEX = "index.json"
FILES = ("low.npy", "high.npy", _INDEX)
"""All that the folder of a set holds."""

# Places drawn for a crop; the best is taken. More than 64 spread no better on photos of 0.1 MP.
_TRIES = 64
# As patches.min_detail: the mean step between neighbouring pixels of a crop that is not flat.
_DETAIL = 3.0


@dataclass(frozen=True)
class CropSource:
    """A photo of the set: its name, the SHA-256 of its file, and its perceptual hash."""

    name: str
    sha256: str
    perceptual_hash: int | None


@dataclass(frozen=True)
class GateSet:
    """N crops: `low_NHWC` (degraded) and `high_NHWC` (original), 8-bit RGB (N, size, size, 3).

    `photo` (N,) is the index of a crop's photo in `sources` and `names`. `made` is what the set was
    cut with; `sha256` is over all of it.
    """

    low_NHWC: Pixels
    high_NHWC: Pixels
    photo: npt.NDArray[np.int64]
    sources: tuple[CropSource, ...]
    made: dict[str, Any]
    sha256: str
    source: str = ""
    """Where the photos are from, see `source_of`; empty for sets that do not say."""

    @property
    def names(self) -> list[str]:
        """The names of the photos."""
        return [source.name for source in self.sources]

    @property
    def degradation(self) -> str:
        """The name of the recipe that made `low_NHWC`."""
        return str(self.made["degradation"])

    @property
    def scale(self) -> int:
        """That recipe's scale."""
        return int(self.made["scale"])


def made_with(params: GateParams, degradation: DegradationParams) -> dict[str, Any]:
    """All parameters that a set depends on; if one of them changes, it is cut again."""
    recipe = {"degradation": degradation.name, "scale": degradation.scale}
    own = {"recipes": degradation.recipes} if degradation.recipes else {}
    # `version` was called `edition` when the first sets were cut, and `photos` came later: those
    # sets stay what they are.
    chosen = {"edition" if key == "version" else key: v for key, v in params.model_dump().items()}
    if params.photos == GateParams.model_fields["photos"].default:
        del chosen["photos"]
    return {**chosen, **recipe, **own}


def source_of(params: Params) -> str:
    """Where today's photos for a set come from, in words."""
    if params.gate.folder is not None:
        return f"the folder {params.gate.folder}"
    if params.data.source == "folder":
        return f"the test photos of the folder {params.data.folder.path}"
    return f"the test photos of {params.data.source}"


def cut_gate_set(
    photos: Sequence[CheckedPhoto],
    folder: Path,
    params: GateParams,
    degradation: DegradationParams,
    source: str = "",
) -> None:
    """Cut at least `params.crops` crops, as many from each photo, and write them to `folder`.

    `source` says where the photos are from. The same photos and parameters give the same bytes.
    Photos must not be smaller than a crop. The folder appears when it is whole.
    """
    each, recipe = -(-params.crops // len(photos)), degradation.recipe

    def cut(photo: CheckedPhoto) -> tuple[Pixels, Pixels, list[_Place]]:
        image = crop_to_multiple(read_rgb(photo.path), degradation.scale)
        seed = _seed(params.seed, photo.sha256)
        random, pixels = np.random.default_rng(seed), np.asarray(image)
        places = _choose_places(pixels, each, params.size, degradation.scale, random)
        pair = degraded_crops(image, places, params.size, recipe, degradation.scale, seed)
        return *pair, places

    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        lows, highs, found = zip(*pool.map(cut, photos), strict=True)
    arrays = np.concatenate(lows), np.concatenate(highs)
    index = {
        **({"source": source} if source else {}),
        "made": made_with(params, degradation),
        "photos": [[p.name, p.sha256, p.perceptual_hash] for p in photos],
        "places": [place for places in found for place in places],
    }
    with atomic_dir(folder) as new:
        for name, array in zip(("low", "high"), arrays, strict=True):
            np.save(new / f"{name}.npy", array)
        write_json(new / _INDEX, {**index, "sha256": _digest(index, *arrays)})


def load_gate_set(folder: Path = GATE) -> GateSet:
    """The set in `folder`, whole and unchanged; `UserError` when it is missing or damaged."""
    repair = "dvc checkout, or dvc repro gate, restores it"
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        low, high = (np.load(folder / f"{name}.npy") for name in ("low", "high"))
        sha256 = index.pop("sha256")
        if _digest(index, low, high) != sha256:
            raise UserError(f"{folder}: is damaged, its SHA-256 differs: remove it; {repair}")
        sources = tuple(CropSource(*photo) for photo in index["photos"])
        photo = np.repeat(np.arange(len(sources)), len(low) // len(sources))
    except FileNotFoundError:
        raise UserError(f"{folder}: is missing or incomplete: {repair}") from None
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
        ZeroDivisionError,
    ) as error:
        raise UserError(f"{folder}: is damaged ({error}): remove it; {repair}") from None
    return GateSet(low, high, photo, sources, index["made"], sha256, index.get("source", ""))


def _digest(index: dict[str, Any], low: Pixels, high: Pixels) -> str:
    digest = hashlib.sha256(json.dumps(index, sort_keys=True).encode())
    for array in (low, high):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _seed(seed: int, sha256: str) -> list[int]:
    """For random numbers that belong to this photo's content, whatever the others are."""
    words = np.frombuffer(bytes.fromhex(sha256), "<u4")
    return [abs(seed), int(seed < 0), *(int(word) for word in words)]


def _choose_places(
    picture: Pixels, count: int, size: int, scale: int, random: np.random.Generator
) -> list[_Place]:
    """The upper left corners (y, x) of `count` crops that overlap little and are rarely flat."""
    step = _steps(picture)
    room = (np.array(picture.shape[:2]) - size) // scale + 1
    chosen: list[_Place] = []
    for _ in range(count):
        tries = random.integers(room, size=(_TRIES, 2)) * scale
        cost = _overlaps(tries, np.array(chosen, np.int64).reshape(-1, 2), size)
        # A flat crop shows little and is scored beyond 50 dB, where nobody sees a difference; but
        # a few of them are better than the same place for the fourth time.
        flat = [step[y : y + size, x : x + size].mean() < _DETAIL for y, x in tries]
        y, x = tries[int(np.argmin(cost + 3 * np.array(flat)))]
        chosen.append((int(y), int(x)))
    return chosen


def _steps(picture: Pixels) -> npt.NDArray[np.float32]:
    """(H, W): the mean absolute step to the pixel above and to the left, in levels of 0..255."""
    y = luma(picture)
    step = np.zeros_like(y)
    step[1:] += np.abs(np.diff(y, axis=0)) / 2
    step[:, 1:] += np.abs(np.diff(y, axis=1)) / 2
    return step


def _overlaps(
    places: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.float64]:
    """How much of a crop at each of `places` (T, 2) the crops at `chosen` (C, 2) cover, summed."""
    apart = np.abs(places[:, None] - chosen[None])
    shared: npt.NDArray[np.float64] = np.clip(1 - apart / size, 0, 1).prod(axis=2).sum(axis=1)
    return shared


def check_contamination(
    sources: Sequence[CropSource], manifest: pd.DataFrame, raw: Path, distance: int
) -> None:
    """Raise `UserError` if a photo of the gate is a training photo, or a near duplicate of one.

    `distance` is the most bits (of 64) by which the perceptual hashes of near duplicates differ.
    """
    for twin in find_near_duplicates(sources, manifest, raw, distance):
        raise UserError(
            f"the gate's photo {printable(twin.name)} is also {printable(twin.of)} ({twin.how}), "
            "so nothing can be judged on it: take it out of the training photos, or raise "
            "gate.version for a gate without it"
        )
