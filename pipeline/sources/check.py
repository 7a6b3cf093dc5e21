"""Look inside every candidate: which are usable photos, and why the others are not."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kdsharp.errors import UserError, describe
from kdsharp.files import sha256_file
from kdsharp.images import read_rgb
from pipeline.names import printable
from pipeline.progress import progress
from pipeline.sources.fingerprint import fingerprint
from pipeline.sources.source import Candidate, Photo

__all__ = ["Skipped", "check", "report_skipped", "without_copies"]

_log = logging.getLogger(__name__)
_NAMED = 10
_WORKERS = 8  # decoding releases the GIL; more workers hold more decoded photos in memory


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, and the reason in a few words."""

    name: str
    reason: str


def check(candidates: Sequence[Candidate], min_side: int) -> tuple[list[Photo], list[Skipped]]:
    """The usable photos and the rest, each sorted by name. `min_side` is in pixels."""
    ordered = sorted(candidates, key=lambda candidate: (candidate.name, candidate.split or ""))
    results: list[Photo | Skipped] = []
    with (
        ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool,
        progress("checking photos", len(ordered), "photos") as show,
    ):
        for result in pool.map(partial(_check, min_side=min_side), ordered):
            results.append(result)
            show(len(results))
    photos = [result for result in results if isinstance(result, Photo)]
    return photos, [result for result in results if isinstance(result, Skipped)]


def without_copies(photos: Sequence[Photo]) -> list[Photo]:
    """Every content once a split: the first by name. Copies across splits are left in."""
    first: dict[tuple[str | None, str], Photo] = {}
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


def _check(candidate: Candidate, min_side: int) -> Photo | Skipped:
    try:
        candidate.name.encode("utf-8")
        image = read_rgb(candidate.path)
        digest = sha256_file(candidate.path)
    except UnicodeEncodeError:
        return Skipped(candidate.name, "its name is no valid UTF-8: rename it")
    except (UserError, OSError) as error:
        return Skipped(candidate.name, _reason(error, candidate.path))
    width, height = image.size
    if min(width, height) < min_side:
        reason = f"is {width}x{height} pixels, data.min_side is {min_side}"
        return Skipped(candidate.name, reason)
    return Photo(
        **vars(candidate), sha256=digest, width=width, height=height, fingerprint=fingerprint(image)
    )


def _reason(error: Exception, path: Path) -> str:
    """The error's line without the path at its start: the log has the name in front already."""
    text = str(error) if isinstance(error, UserError) else describe(error)
    return printable(" ".join(text.removeprefix(f"{path}: ").split()))
