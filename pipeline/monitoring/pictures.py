"""The pictures that the observer was allowed to keep: most to learn from, some to be judged on.

What a model is judged on it must not have seen. So each picture's content decides once and for all
where it goes, near duplicates together, and what resembles a photo that models are judged on is
left out.
"""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.observe.log import kept_on
from kdsharp.progress import Progress
from pipeline.data.check import check, distances, without_copies
from pipeline.data.contamination import hashed_photos
from pipeline.data.near import near_groups
from pipeline.data.source import Candidate, CheckedPhoto, position
from pipeline.manifest import read_manifest
from pipeline.monitoring.proposal import Kept
from pipeline.monitoring.pseudo import Pair, pair_of
from pipeline.params import Params
from pipeline.paths import MANIFEST
from pipeline.release.gate.crops import load_gate_set
from pipeline.release.promotion.pseudo_truth import PseudoTruth

__all__ = ["cut_slice", "find_kept", "place_unlabelled", "slice_of", "split_kept"]

_JUDGED = 0.25  # of the contents
_MOST = 200  # pictures to learn from, and a quarter of that to be judged on
_CROP = 96  # the smallest side of a pseudo-truth
_HOME = "production"  # below the folder `unlabelled`


def find_kept(kept: Kept, params: Params) -> list[CheckedPhoto]:
    """The kept pictures, without copies and what resembles a photo that models are judged on."""
    if not kept.folder.is_dir():
        raise UserError(f"{kept.folder}: the proposal's pictures.folder is not a folder")
    paths = [path for day in kept.days for path in kept_on(kept.folder, day)]
    named = [p for p in paths if p.suffix.lower() in SUFFIXES]
    wanted = [Candidate(p.name, p, "unlabelled", "not recorded") for p in named]
    photos, _ = check(wanted, params.data.min_side)
    judged = _judged_on()
    near = params.data.duplicate_distance
    return [p for p in without_copies(photos) if not _resembles(p.perceptual_hash, judged, near)]


def split_kept(
    photos: Sequence[CheckedPhoto], distance: int
) -> tuple[list[CheckedPhoto], list[CheckedPhoto]]:
    """Those to learn from, and those to be judged on; each picture goes the same way every time."""
    learn: list[CheckedPhoto] = []
    judged: list[CheckedPhoto] = []
    for group in near_groups([photo.perceptual_hash for photo in photos], distance):
        members = [photos[index] for index in group]
        first = min(member.sha256 for member in members)
        (judged if position(first) < _JUDGED else learn).extend(members)
    return learn[:_MOST], judged[: _MOST // 4]


def place_unlabelled(photos: Sequence[CheckedPhoto], folder: Path) -> Path:
    """Copy `photos` to `folder`/unlabelled/production, beside what lies there; returns that."""
    home = folder / "unlabelled" / _HOME
    home.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        target = home / f"{photo.sha256[:24]}{photo.path.suffix.lower()}"
        if not target.exists():
            part = target.with_name(f".part-{target.name}")
            shutil.copyfile(photo.path, part)
            part.chmod(0o600)
            part.replace(target)
    return home


def cut_slice(photos: Sequence[Path], days: Sequence[str]) -> PseudoTruth | None:
    """Pseudo-truth of `photos`, four crops each; None where none can be made sharp by shrinking."""
    pairs: list[Pair] = []
    with Progress(len(photos), "Making pseudo-truth", "pictures", lines=True) as progress:
        for number, path in enumerate(photos):
            if pair := pair_of(path, 0, number):
                pairs.append(pair)
            progress.step()
    return slice_of(pairs, days)


def slice_of(pairs: Sequence[Pair], days: Sequence[str]) -> PseudoTruth | None:
    """Four crops of each of the pairs, at its corners; None for no pairs."""
    if not pairs:
        return None
    low, high = (
        np.concatenate([_corners(picture) for picture in side])
        for side in zip(*((pair.low, pair.truth) for pair in pairs), strict=True)
    )
    recipes = [pair.degradation for pair in pairs]
    counts = {name: recipes.count(name) for name in sorted(set(recipes))}
    about = {"days": list(days), "pictures": len(pairs), "degradations": counts}
    return PseudoTruth(low, high, np.repeat(np.arange(len(pairs)), 4), about)


def _corners(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """(4, 96, 96, 3); those of a small picture overlap."""
    pixels = np.asarray(picture)
    height, width = (side - _CROP for side in pixels.shape[:2])
    places = [(top, left) for top in (0, height) for left in (0, width)]
    return np.stack([pixels[t : t + _CROP, x : x + _CROP] for t, x in places])


def _judged_on() -> list[int]:
    """The perceptual hashes of val's, test's and the gate set's photos, as far as they are here."""
    hashes: list[int | None] = []
    if MANIFEST.exists():
        rows = read_manifest()
        hashes += [
            p.perceptual_hash for p in hashed_photos(rows[rows["split"].isin(["val", "test"])])
        ]
    with contextlib.suppress(UserError):  # none yet
        hashes += [one.perceptual_hash for one in load_gate_set().sources]
    return [bits for bits in hashes if bits is not None]


def _resembles(bits: int | None, others: Sequence[int], distance: int) -> bool:
    return bits is not None and bool(others) and bool((distances(bits, others) <= distance).any())
