"""Sets of photos to measure on: every folder in a folder is one."""

import re
from collections.abc import Iterable
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES

__all__ = ["FIELD", "find_datasets", "how_many", "in_order"]

FIELD = {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100}
"""The sets that the field reports on, in its order, and how many photos each has when whole."""

_LONGEST = 100  # MLflow's names of numbers, of which a set's is a part, have at most 250
_HIGH = "hr"  # of a set that also holds low-quality copies of its photos


def find_datasets(folder: Path) -> dict[str, list[Path]]:
    """The photos of each set in `folder`, sorted; the sets of the field first, others by name.

    Every folder in `folder` that holds photos is a set of that name, and photos beside those
    folders are one by the name of `folder`. Where a set has photos in a folder `HR`, or some whose
    names end with `HR`, the others are low-quality copies and left out. Hidden files are left out.
    In names of sets everything but letters, digits, `_`, `.`, `-` and blanks becomes a dash,
    because MLflow would refuse it. Raises `UserError` if there is no such folder.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}: name a folder of photos, or of folders of photos")
    inside = sorted(child for child in folder.iterdir() if child.is_dir() and _shown(child))
    if any(child.name.casefold() == _HIGH for child in inside):
        return {_name(folder): _high(folder, _images(folder.rglob("*")))}
    found = {_name(folder): _images(folder.iterdir())}
    for child in inside:
        found.setdefault(_name(child), []).extend(_high(child, _images(child.rglob("*"))))
    return {name: found[name] for name in in_order(found) if found[name]}


def in_order(names: Iterable[str]) -> list[str]:
    """Names of sets, those of the field first and in its order, the others sorted."""
    order = list(FIELD)
    return sorted(names, key=lambda n: (order.index(n) if n in FIELD else len(order), n))


def how_many(name: str, count: int) -> str:
    """How many photos of a set were measured; of how many, where a set of the field is not whole.

    Results published on the whole set cannot be compared with those on a part of it.
    """
    whole = FIELD.get(name, count)
    return f"{count}" if count == whole else f"{count} of {whole}"


def _images(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() in SUFFIXES and _shown(p) and p.is_file())


def _high(folder: Path, photos: list[Path]) -> list[Path]:
    """Those of `photos` below `folder` that are not low-quality copies."""
    apart = [p for p in photos if _HIGH in (s.casefold() for s in p.relative_to(folder).parts[:-1])]
    marked = [p for p in photos if re.search(r"[_-]hr$", p.stem, re.IGNORECASE)]
    return apart or marked or photos


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _name(folder: Path) -> str:
    return re.sub(r"[^\w.\- ]", "-", folder.absolute().name)[:_LONGEST] or "photos"
