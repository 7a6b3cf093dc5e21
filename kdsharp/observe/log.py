"""Observations in a folder, a file for each day: written by several processes, read by the monitor.

    DIR/observations-2026-01-31.jsonl    a line a picture, in UTC
    DIR/pictures/2026-01-31/...          pictures, only where they were asked for

A line goes out in one write to a file that is opened for appending, so that lines of several
processes never mix on a local file system. A line that a killed process began is passed over.
"""

import os
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.observe.record import Observation, parse

__all__ = ["Log", "day_of", "has_observations", "kept_on", "read_log"]

_NAME, _PICTURES = "observations-", "pictures"
_SUFFIXES = frozenset(("jpg", "png", "webp", "tif", "bmp", "gif", "pgm", "ppm", "avif", "heic"))
_ALIKE = {"jpeg": "jpg", "tiff": "tif", "mpo": "jpg", "heif": "heic"}


class Log:
    """A folder to write to; any threads and processes may do so at once."""

    def __init__(self, folder: Path, pictures: float = 0.0) -> None:
        """Makes the folder. `pictures` 0..1 of the pictures are kept as well; 0: none.

        Raises `UserError` for another share, and where the folder cannot be made or written to.
        """
        if not 0 <= pictures <= 1:
            raise UserError(f"the share of pictures must be from 0 to 1, not {pictures}")
        self.folder, self._share = folder, pictures
        self._random = random.Random()  # noqa: S311 - which pictures are kept is no secret
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror or error}") from error
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder}: cannot be written to")

    def write(self, seen: Observation, picture: Path | bytes | None = None) -> Observation:
        """Append `seen`, and keep its `picture` if it is that one's turn; returns what was written.

        Raises `OSError` for a full disk and the like.
        """
        day = day_of(seen.time)
        if picture is not None and self._random.random() < self._share:
            seen = replace(seen, picture=self._keep(day, seen.format, picture))
        data, path = seen.line().encode(), self.folder / f"{_NAME}{day}.jsonl"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, data)
        finally:
            os.close(handle)
        return seen

    def _keep(self, day: str, form: str, picture: Path | bytes) -> str:
        """The picture's own bytes, readable by the owner alone; its name there says nothing."""
        plain = _ALIKE.get(form.lower(), form.lower())
        end = plain if plain in _SUFFIXES else "png"
        target = self.folder / _PICTURES / day / f"{uuid.uuid4().hex}.{end}"
        target.parent.mkdir(parents=True, exist_ok=True)
        data = picture.read_bytes() if isinstance(picture, Path) else picture
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return target.relative_to(self.folder).as_posix()


def day_of(time: float) -> str:
    """The day in UTC that `time`, in seconds since 1970, lies in: one has a file and a folder."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def kept_on(folder: Path, day: str) -> list[Path]:
    """The pictures that were kept on `day`, sorted; links are no pictures of ours."""
    home = folder / _PICTURES / day
    if not home.is_dir() or not _inside(folder, f"{_PICTURES}/{day}"):
        return []
    return sorted(path for path in home.iterdir() if path.is_file() and not path.is_symlink())


def has_observations(folder: Path) -> bool:
    """Whether a log was written there; else it is a folder of pictures, or nothing."""
    return any(folder.glob(f"{_NAME}*.jsonl"))


def read_log(folder: Path) -> Iterator[Observation | None]:
    """Every line of the folder, day by day; None for one that is no observation.

    Of a picture only a name inside the folder is believed.
    """
    for path in sorted(folder.glob(f"{_NAME}*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                seen = parse(line)
                if seen and seen.picture and not _inside(folder, seen.picture):
                    seen = replace(seen, picture=None)
                yield seen


def _inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())
