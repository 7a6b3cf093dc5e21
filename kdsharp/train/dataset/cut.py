"""Cut paired patches from whole photos and their degraded versions.

Both versions are cut at the same place (`kdsharp.degrade.crops`). Places are multiples of the
scale, as every picture begins on the grid of its degradation: a student that has seen it at one
phase only is better there. Places, and what a recipe draws for each patch, follow from the seed,
the photo's name and the patch's number in the photo: any number of workers writes the same bytes.

Flat crops teach nothing. Of at most `tries` random places the first is taken whose detail (mean
absolute step between neighbouring luma pixels, 0..255) reaches `min_detail`, else the one with the
most. Each photo gives patches in proportion to the square root of its area, so that one large
picture does not crowd out the small ones.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.cluster.spread import in_shards, spread
from kdsharp.color import luma
from kdsharp.degrade import crop_to_multiple
from kdsharp.degrade.crops import degraded_crops
from kdsharp.degrade.recipes import Recipe
from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.train.config import PatchesConfig
from kdsharp.train.dataset.drawings import draw
from kdsharp.train.dataset.patches import INFO, Pixels
from kdsharp.train.dataset.rows import write_rows

__all__ = ["cut_patches", "patches_per_photo"]

# On average. At ten patches of 128 pixels a photo that is 16 MB for each quality.
_PHOTOS_A_SHARD = 32
# Of very many photos: at a million a shard has half a GB, as object stores like it.
_MOST_SHARDS = 1024
_RIM = 32  # pixels around a patch of a drawing, which blurs and codecs see
_DRAWINGS_A_SHARD = 320
_DRAWINGS = 1  # tells their seeds from those of photos


def cut_patches(
    photos: Sequence[Path],
    count: int,
    folder: Path,
    split: str,
    config: PatchesConfig,
    recipe: Recipe,
    scale: int,
    done: Callable[[int], None] = lambda _: None,
    *,
    labelled: bool = True,
) -> None:
    """Write `count` pairs cut from `photos` to `folder` as `{split}_lr.npy` and `{split}_hr.npy`.

    Those of many photos are spread over shards, `{split}-{digits}_lr.npy` and so on, each with the
    photos that follow each other up to one whose name says so: a photo that is added or removed
    changes its own shard, and those of the few photos that give a patch more or less for it. The
    files of high quality are left out if they are not `labelled`. `recipe` makes the others, at
    `scale`. The last patches, by the share `config.drawings`, show drawings instead; beside several
    shards they have their own, `{split}-drawings`.
    `done(n)` is called when n more pairs are written. A shard is a task where `$KDSHARP_CLUSTER`
    names a cluster. Raises `UserError` for a photo that is smaller than a patch, and as
    `kdsharp.cluster.spread.spread`.
    """
    drawn = round(count * config.drawings)
    shares = patches_per_photo(photos, count - drawn)
    shards = _shards(photos, shares, split)
    if drawn and len(shards) > 1:
        shards[f"{split}-drawings"] = []
    *_, last = shards
    lengths = {name: sum(shares[index] for index in members) for name, members in shards.items()}
    lengths[last] += drawn
    qualities = ("lr", "hr") if labelled else ("lr",)
    jobs: list[Sequence[_Job]] = []
    for name, members in shards.items():
        shape = (lengths[name], config.size, config.size, 3)
        for quality in qualities:
            np.lib.format.open_memmap(folder / f"{name}_{quality}.npy", "w+", np.uint8, shape)
        firsts = accumulate((shares[index] for index in members), initial=0)
        jobs.append(
            [_Job(photos[i], shares[i], name, at) for i, at in zip(members, firsts, strict=False)]
        )
    first = lengths[last] - drawn
    drawings = [_Job(number, 1, last, first + number) for number in range(drawn)]
    cutter = _Cutter(folder, qualities, config, recipe, scale, len(photos))
    shared_out = [*filter(None, jobs), *in_shards(drawings, _DRAWINGS_A_SHARD)]
    for made in spread(cutter, shared_out, threads=config.workers or None, shared=folder):
        done(made)
    _describe(folder, {"size": config.size, "degradation": recipe.name, "scale": scale}, shards)


@dataclass(frozen=True)
class _Job:
    """The patches of one photo, or the drawing of this number; where they are to stand."""

    source: Path | int
    count: int
    shard: str
    first: int


@dataclass(frozen=True)
class _Cutter:
    """Does one job; another machine may, and twice: the same bytes go to the same place."""

    folder: Path
    qualities: Sequence[str]
    config: PatchesConfig
    recipe: Recipe
    scale: int
    photos: int

    def __call__(self, job: _Job) -> int:
        """How many pairs were written."""
        config, scale = self.config, self.scale
        if isinstance(job.source, int):
            seed = [config.seed, _DRAWINGS, job.source]
            random = np.random.default_rng([*seed, self.photos])
            rim = _RIM // scale * scale
            image = draw(random, -(-(config.size + 2 * rim) // scale) * scale)
            corners = [(rim, rim)]
        else:
            image, seed = _photo(job.source, scale, config.size), _seed(config, job.source)
            random = np.random.default_rng(seed)
            corners = _choose_places(np.asarray(image), job.count, random, config, scale)
        pairs = degraded_crops(
            image, corners, config.size, self.recipe, scale, seed, config.shifted
        )
        for quality, crops in zip(self.qualities, pairs, strict=False):
            # Open for this photo only: a process may have few files open at once.
            write_rows(self.folder / f"{job.shard}_{quality}.npy", job.first, crops)
        return job.count


def _shards(photos: Sequence[Path], shares: Sequence[int], split: str) -> dict[str, list[int]]:
    """By each shard's name, in order, the positions of its photos; one shard is called `split`.

    Borders stay where they are until there are twice as many photos as `_MOST_SHARDS` can hold:
    then every other one goes.
    """
    size = max(_PHOTOS_A_SHARD, 1 << ((len(photos) - 1) // _MOST_SHARDS).bit_length())
    top = os.path.commonpath([photo.parent for photo in photos])
    shards: dict[str, list[int]] = {}
    members: list[int] = []
    for index, photo in enumerate(photos):
        if shares[index]:
            digest = hashlib.sha256(photo.relative_to(top).as_posix().encode()).digest()
            if not shards or int.from_bytes(digest[1:5]) < 2**32 // size:
                members = shards[f"{split}-{digest.hex()[:12]}"] = []
            members.append(index)
    return shards if len(shards) > 1 else {split: members}


def _describe(folder: Path, made: dict[str, Any], shards: dict[str, list[int]]) -> None:
    """Write what the patches were made with, and add the shards to those of other splits."""
    path = folder / INFO
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    info = made | {key: value for key, value in known.items() if key == "shards"}
    if len(shards) > 1:
        split = next(iter(shards)).rpartition("-")[0]
        info["shards"] = {**info.get("shards", {}), split: list(shards)}
    path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def patches_per_photo(photos: Sequence[Path], count: int) -> list[int]:
    """How many of `count` patches each photo gives; those of one photo stand together, in order."""
    return _shares([_size(photo) for photo in photos], count)


def _size(photo: Path) -> tuple[int, int]:
    with Image.open(photo) as opened:
        return opened.size


def _shares(sizes: Sequence[tuple[int, int]], count: int) -> list[int]:
    """`count` split in proportion to the square roots of the areas, by largest remainder."""
    weights = np.sqrt([width * height for width, height in sizes])
    exact = count * weights / weights.sum()
    shares = np.floor(exact).astype(int)
    # A stable sort: equal remainders go to the earlier photo, on every platform.
    for index in np.argsort(shares - exact, kind="stable")[: count - shares.sum()]:
        shares[index] += 1
    return [int(share) for share in shares]


def _seed(config: PatchesConfig, photo: Path) -> list[int]:
    """For random numbers that belong to this photo, whatever the others are and who cuts it."""
    key = hashlib.sha256(photo.name.encode()).digest()
    return [config.seed, *(int(word) for word in np.frombuffer(key, np.uint32))]


def _photo(path: Path, scale: int, size: int) -> Image.Image:
    image = crop_to_multiple(read_rgb(path), scale)
    if min(image.size) < size:
        width, height = image.size
        raise UserError(
            f"{path} is {width}x{height}, smaller than a patch of {size}: raise data.min_side"
        )
    return image


def _choose_places(
    hr_HWC: Pixels, count: int, random: np.random.Generator, config: PatchesConfig, scale: int
) -> list[tuple[int, int]]:
    """The upper left corners (y, x) of `count` crops, multiples of `scale`."""
    score = _detail_sums(hr_HWC)
    rows, columns = ((side - config.size) // scale + 1 for side in hr_HWC.shape[:2])
    places = []
    for _ in range(count):
        best, place = -math.inf, (0, 0)
        for _ in range(config.tries):
            y, x = int(random.integers(rows)) * scale, int(random.integers(columns)) * scale
            detail = _crop_mean(score, y, x, config.size)
            if detail > best:
                best, place = detail, (y, x)
            if best >= config.min_detail:
                break
        places.append(place)
    return places


def _detail_sums(hr_HWC: Pixels) -> npt.NDArray[np.float64]:
    """Summed-area table of the local step, so that a crop's detail costs four look-ups."""
    y = luma(hr_HWC)
    step = np.zeros(y.shape)
    step[1:] += np.abs(np.diff(y, axis=0)) / 2
    step[:, 1:] += np.abs(np.diff(y, axis=1)) / 2
    table = np.zeros((y.shape[0] + 1, y.shape[1] + 1))
    table[1:, 1:] = step.cumsum(0).cumsum(1)
    return table


def _crop_mean(table: npt.NDArray[np.float64], y: int, x: int, size: int) -> float:
    total = table[y + size, x + size] - table[y, x + size] - table[y + size, x] + table[y, x]
    return float(total) / size**2
