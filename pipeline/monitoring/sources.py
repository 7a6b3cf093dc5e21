"""What there is to judge: a log of observations, or a folder of pictures that are looked at now."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.observe.expect import Expects
from kdsharp.observe.log import has_observations, read_log
from kdsharp.observe.record import Observation, observe
from kdsharp.progress import Progress
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["DAY", "Seen", "by_weeks", "read"]

DAY = 86_400.0
"""Seconds."""

_WEEK = 7 * DAY


@dataclass(frozen=True)
class Seen:
    """Observations of `folder`, by time; `unreadable` lines or files were passed over."""

    folder: Path
    observations: Sequence[Observation]
    unreadable: int = 0


def read(folder: Path, sharpener: Sharpener, expects: Expects | None, *, quiet: bool) -> Seen:
    """The log in `folder`, else what its pictures show. Raises `UserError` for neither."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder")
    if has_observations(folder):
        lines = list(read_log(folder))
        found = sorted((line for line in lines if line), key=lambda one: one.time)
        return Seen(folder, found, len(lines) - len(found))
    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise UserError(
            f"{folder}: has neither observations (kdsharp serve --observe {folder}) nor pictures"
        )
    with (
        Progress(len(photos), "Looking", "pictures", lines=True, quiet=quiet) as progress,
        ThreadPoolExecutor(cores()) as pool,
    ):

        def one(path: Path) -> Observation | None:
            try:
                seen = observe(path, sharpener.router, "folder", expects)
            except UserError:
                return None
            finally:
                progress.step()
            return replace(seen, picture=path.relative_to(folder).as_posix())

        looked = list(pool.map(one, photos))
    return Seen(folder, [seen for seen in looked if seen], looked.count(None))


def by_weeks(seen: Seen, until: float | None = None) -> tuple[Seen, Seen]:
    """The seven days before `until`, or now, and the seven before those."""
    end = time.time() if until is None else until
    parts = [
        [
            one
            for one in seen.observations
            if end - (week + 1) * _WEEK <= one.time < end - week * _WEEK
        ]
        for week in (0, 1)
    ]
    return Seen(seen.folder, parts[0], seen.unreadable), Seen(seen.folder, parts[1])
