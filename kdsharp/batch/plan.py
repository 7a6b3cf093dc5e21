"""From the names given to pairs of files: trees kept, collisions refused, nothing run yet."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsharp.batch.bucket import in_bucket, photos_in
from kdsharp.errors import UserError, describe
from kdsharp.imageio.photo import READ_ONLY, SUFFIXES, USUAL

__all__ = ["Job", "plan"]

_WILD = frozenset("*?[")


@dataclass(frozen=True)
class Job:
    """One photo and the file that its sharpened version goes to.

    `problem` says why there is nothing to read: `source` then is a folder that cannot be opened.
    """

    source: Path
    target: Path
    problem: str = ""


def plan(
    inputs: Sequence[Path],
    out: str | None,
    *,
    form: str | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> list[Job]:
    """Every photo in `inputs` (files, folder trees, patterns, buckets) with its place in `out`.

    `out` is a file for one photo, unless it ends with a separator or is a folder; else a folder, in
    which trees and what a pattern's `*` stood for keep their form. None leaves every photo in its
    place, and of several names for one file the first. `form` is the suffix of the outputs without
    its dot, if not that of the photos. `suffixes` is what is looked for in folders and written;
    GIFs are found too where the output is elsewhere, and become PNGs, `a.gif.png`.

    Raises `UserError` when a folder or a pattern has no photos, when two photos would become one
    file, and when an output is one of the photos.
    """
    if out is None:
        found = [one for given in inputs for one in _found(given, None, suffixes)]
        own: dict[Path, Job] = {}
        for path, _, problem in found:
            own.setdefault(_real(path), Job(path, _real(path), problem))
        jobs = list(own.values())
        _refuse_unwritable(jobs, form, suffixes)
        return jobs
    folder = out.endswith(("/", os.sep)) or Path(out).is_dir()
    if len(inputs) == 1 and not folder and not _is_several(inputs[0], suffixes):
        jobs = [Job(inputs[0], Path(out))]
    elif Path(out).exists() and not Path(out).is_dir():
        raise UserError(f"{out}: is a file, but several photos need a folder")
    else:
        jobs = [
            Job(path, Path(out) / _named(below, form), problem)
            for given in inputs
            for path, below, problem in _found(given, Path(out), {*suffixes, *READ_ONLY})
        ]
    _refuse(jobs, form, suffixes)
    return jobs


Found = tuple[Path, Path, str]  # a photo, its place in the output, why it cannot be read


def _found(given: Path, out: Path | None, suffixes: Collection[str]) -> Iterator[Found]:
    """The photos that `given` means, but not those in `out` where that lies inside it."""
    if in_bucket(given):
        yield from ((path, below, "") for path, below in _in_bucket(given, suffixes))
        return
    if given.is_dir():
        root, photos = given, _walk(given, suffixes)
    elif _is_pattern(given):
        root, photos = _matches(given, suffixes)
    else:
        yield given, Path(given.name), ""
        return
    if out and _real(root) not in _real(out).parents:
        out = None
    kept = sorted((path, why) for path, why in photos if not (out and _inside(path, out)))
    if not kept:
        raise UserError(f"{given}: has no photos or videos")
    for path, why in kept:
        yield path, path.relative_to(root), why


def _in_bucket(given: Path, suffixes: Collection[str]) -> list[tuple[Path, Path]]:
    if given.suffix.lower() in suffixes:
        return [(given, Path(given.name))]
    found = photos_in(given, SUFFIXES.intersection(suffixes))
    if not found:
        raise UserError(f"{given}: has no photos")
    return found


def _walk(root: Path, suffixes: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Photos below `root`, not the hidden ones and not through linked folders; closed folders."""
    closed: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = [name for name in folders if name[0] != "."]
        for name in names:
            if name[0] != "." and Path(name).suffix.lower() in suffixes:
                yield Path(folder, name), ""
    for error in closed:
        if error.filename == str(root):
            raise error
        yield Path(error.filename), describe(error)


def _is_several(given: Path, suffixes: Collection[str]) -> bool:
    if in_bucket(given):
        return given.suffix.lower() not in {*suffixes, *READ_ONLY}
    return given.is_dir() or _is_pattern(given)


def _is_pattern(given: Path) -> bool:
    return bool(_WILD & set(str(given))) and not os.path.lexists(given)


def _matches(pattern: Path, suffixes: Collection[str]) -> tuple[Path, Iterator[tuple[Path, str]]]:
    """The folder where a pattern begins, and the photos that it means, hidden ones if it says so.

    `**` is any number of folders; it does not follow links.
    """
    plain = next(i for i, part in enumerate(pattern.parts) if _WILD & set(part))
    root, rest = Path(*pattern.parts[:plain]), pattern.parts[plain:]
    if rest[-1] == "**":
        rest = (*rest, "*")
    hidden = any(part[0] == "." for part in rest)

    def photos() -> Iterator[tuple[Path, str]]:
        for path in set(root.glob("/".join(rest))):
            below = path.relative_to(root).parts
            shown = hidden or not any(part[0] == "." for part in below)
            if shown and path.suffix.lower() in suffixes and not path.is_dir():
                yield path, ""

    return root, photos()


def _inside(path: Path, folder: Path) -> bool:
    return _real(path.parent).is_relative_to(_real(folder))


def _named(below: Path, form: str | None) -> Path:
    if form:
        return below.with_suffix(f".{form}")
    # `a.gif` may lie beside an `a.png`.
    return below.with_name(below.name + READ_ONLY.get(below.suffix.lower(), ""))


def _real(path: Path) -> Path:
    """`Path.resolve`, which raises where links go in a circle; the reader reports that."""
    return Path(os.path.realpath(path))


def _refuse(jobs: Sequence[Job], form: str | None, suffixes: Collection[str]) -> None:
    _refuse_unwritable(jobs, form, suffixes)
    sources = {_real(job.source) for job in jobs}
    seen: dict[Path, Path] = {}
    for job in jobs:
        target = _real(job.target)
        if target in sources:
            raise UserError(
                f"{job.target}: is one of the photos: name another output, or say --in-place"
            )
        if target in seen:
            raise UserError(f"{seen[target]} and {job.source} would both become {job.target}")
        seen[target] = job.source


def _refuse_unwritable(jobs: Sequence[Job], form: str | None, suffixes: Collection[str]) -> None:
    for job in jobs:
        suffix = job.target.suffix.lower()
        if suffix not in suffixes and not job.problem:
            why = f"{suffix} is not a known suffix" if suffix else "it has no suffix"
            if suffix in READ_ONLY:
                why = f"{suffix[1:].upper()} has too few colours"
            raise UserError(
                f"{job.target}: cannot be written: {why}: a photo ends with {USUAL}, a video with "
                ".mp4 or .mkv, a folder with /"
            )
        if form and suffix != f".{form}" and not job.problem:
            raise UserError(f"{job.target}: ends with {suffix}, but the chosen format is {form}")
