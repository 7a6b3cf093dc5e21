"""From what a person names to pairs of files: trees kept, collisions refused, nothing run yet."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.photos.photo import SUFFIXES

__all__ = ["Job", "plan"]


@dataclass(frozen=True)
class Job:
    """One photo and the file that its sharpened version goes to."""

    source: Path
    target: Path


def plan(inputs: Sequence[Path], out: str) -> list[Job]:
    """Every photo in `inputs` (files and folder trees) with its place in `out`.

    `out` is a file for one photo, unless it ends with a separator or is a folder; else a folder,
    in which trees keep their form. Raises `UserError` when a folder has no photos, when two photos
    would become one file, and when an output is one of the photos.
    """
    folder = out.endswith(("/", os.sep)) or Path(out).is_dir()
    if len(inputs) == 1 and not inputs[0].is_dir() and not folder:
        jobs = [Job(inputs[0], Path(out))]
    elif Path(out).exists() and not Path(out).is_dir():
        raise UserError(f"{out}: is a file; several photos need a folder")
    else:
        jobs = [job for given in inputs for job in _jobs(given, Path(out))]
    _refuse(jobs)
    return jobs


def _jobs(given: Path, out: Path) -> Iterator[Job]:
    if not given.is_dir():
        yield Job(given, out / given.name)
        return
    photos = sorted(_walk(given, out.resolve()))
    if not photos:
        raise UserError(f"{given}: has no photos ({', '.join(sorted(SUFFIXES))})")
    for photo in photos:
        yield Job(photo, out / photo.relative_to(given))


def _walk(root: Path, out: Path) -> Iterator[Path]:
    """Photos below `root`: not the hidden ones, not through linked folders, not those in `out`."""
    for folder, folders, names in os.walk(root, onerror=_raise):
        here = Path(folder)
        folders[:] = [n for n in folders if n[0] != "." and (here / n).resolve() != out]
        for name in names:
            if name[0] != "." and Path(name).suffix.lower() in SUFFIXES:
                yield here / name


def _raise(error: OSError) -> None:
    raise error


def _refuse(jobs: Sequence[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs}
    seen: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if job.target.suffix.lower() not in SUFFIXES:
            known = ", ".join(sorted(SUFFIXES))
            raise UserError(
                f"{job.target}: cannot be written: a file ends with {known}, a folder with /"
            )
        if target in sources:
            raise UserError(f"{job.target}: is one of the photos: name another output")
        if target in seen:
            raise UserError(f"{seen[target]} and {job.source} would both become {job.target}")
        seen[target] = job.source
