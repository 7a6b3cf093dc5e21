"""Look inside every candidate: which are usable photos, their hashes, why others are not."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kdsharp.cluster.spread import cluster_address, in_shards, spread
from kdsharp.errors import UserError, describe
from kdsharp.files import sha256_file
from kdsharp.imageio.decode import read_rgb
from kdsharp.progress import Progress
from pipeline.data.source import Candidate, CheckedPhoto
from pipeline.paths import CHECKPOINTS, printable

__all__ = ["Skipped", "check", "distances", "perceptual_hash", "report_skipped", "without_copies"]

_SIDE = 32
_KEPT = 8
# Below this deviation (in levels of 0..255) the low frequencies of a picture are rounding noise.
# The plainest of the 445 photos has 2.0.
_PLAIN = 1.0

_log = logging.getLogger(__name__)
_NAMED = 10
_WORKERS = 8  # decoding releases the GIL; more workers hold more decoded photos in memory
_A_SHARD = 64  # photos: some seconds of a worker


def _dct(kept: int, side: int) -> NDArray[np.float64]:
    """The first `kept` rows of the orthonormal DCT-II of length `side`."""
    angles = np.pi / side * np.outer(np.arange(kept), np.arange(side) + 0.5)
    rows: NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / side)
    rows[0] /= np.sqrt(2)
    return rows


_ROWS = _dct(_KEPT, _SIDE)


def perceptual_hash(image: Image.Image) -> int | None:
    """64 bits: which of the 8x8 lowest frequencies of the luma are above their median.

    None for a plain picture (one colour, or noise alone): it has no structure to go by, and the
    hashes of all plain pictures would be alike.
    """
    # Floating point keeps what 8 bits would round away: smooth pictures would collide.
    small = image.convert("L").convert("F").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    frequencies = _ROWS @ np.asarray(small, dtype=np.float64) @ _ROWS.T
    energy = float((frequencies**2).sum() - frequencies[0, 0] ** 2)
    if energy < (_PLAIN * _SIDE) ** 2:
        return None
    bits = (frequencies > np.median(frequencies)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distances(one: int, others: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.uint8]:
    """In how many of the 64 bits each of `others` differs from `one`."""
    different = np.asarray(others, dtype=np.uint64) ^ np.uint64(one)
    count: NDArray[np.uint8] = np.bitwise_count(different)
    return count


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, and the reason in a few words."""

    name: str
    reason: str


def check(
    candidates: Sequence[Candidate], min_side: int
) -> tuple[list[CheckedPhoto], list[Skipped]]:
    """The usable photos and the rest, each sorted by name. `min_side` is in pixels."""
    ordered = sorted(candidates, key=lambda candidate: (candidate.name, candidate.split or ""))
    results: list[CheckedPhoto | Skipped] = []
    found = spread(
        partial(_check, min_side=min_side),
        in_shards(ordered, _A_SHARD),
        threads=min(_WORKERS, os.cpu_count() or 1),
        shared=CHECKPOINTS,
    )
    with Progress(len(ordered), "checking photos", "photos", lines=True) as progress:
        for candidate, result in zip(ordered, found, strict=True):
            if isinstance(result, Skipped):
                _must_be_here_as_well(candidate, result, min_side)
            results.append(result)
            progress.step()
    photos = [result for result in results if isinstance(result, CheckedPhoto)]
    return photos, [result for result in results if isinstance(result, Skipped)]


def _must_be_here_as_well(candidate: Candidate, skipped: Skipped, min_side: int) -> None:
    """A worker of a cluster that sees other files must not take photos away."""
    if cluster_address() and _check(candidate, min_side) != skipped:
        raise UserError(
            f"{printable(str(candidate.path))}: can be read here, but not by a worker of the "
            f"cluster ({skipped.reason}): every worker needs the same folders at the same paths"
        )


def without_copies(photos: Sequence[CheckedPhoto]) -> list[CheckedPhoto]:
    """Every content once per split: the first by name. Copies across splits are left in."""
    first: dict[tuple[str | None, str], CheckedPhoto] = {}
    for photo in photos:
        first.setdefault((photo.split, photo.sha256), photo)
    return list(first.values())


def report_skipped(skipped: Sequence[Skipped]) -> None:
    """Log how many files were skipped, and the first ten by name."""
    if not skipped:
        return
    _log.info("skipped %d unusable file%s:", len(skipped), "s" * (len(skipped) > 1))
    for item in skipped[:_NAMED]:
        _log.info("  %s: %s", printable(item.name), item.reason)
    if len(skipped) > _NAMED:
        _log.info("  and %d more", len(skipped) - _NAMED)


def _check(candidate: Candidate, min_side: int) -> CheckedPhoto | Skipped:
    try:
        candidate.name.encode("utf-8")
        image = read_rgb(candidate.path)
        digest = sha256_file(candidate.path)
    except UnicodeEncodeError:
        return Skipped(candidate.name, "its name is not valid UTF-8: rename it")
    except (UserError, OSError) as error:
        return Skipped(candidate.name, _reason(error, candidate.path))
    width, height = image.size
    if min(width, height) < min_side:
        reason = f"is {width}x{height} pixels, data.min_side is {min_side}"
        return Skipped(candidate.name, reason)
    return CheckedPhoto(
        **vars(candidate),
        sha256=digest,
        width=width,
        height=height,
        perceptual_hash=perceptual_hash(image),
    )


def _reason(error: Exception, path: Path) -> str:
    """The error's line without the path at its start: the log has the name in front already."""
    text = str(error) if isinstance(error, UserError) else describe(error)
    return printable(" ".join(text.removeprefix(f"{path}: ").split()))
