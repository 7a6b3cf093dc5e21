"""Make everything that follows the history agree with it: aliases, models/production."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kdsharp.errors import KdsharpError
from kdsharp.files import atomic_dir, sha256_file
from kdsharp.sharpen import Sharpener
from pipeline.registry.connect import Registry
from pipeline.registry.history import Entry, History
from pipeline.registry.names import kind_of, production_folder
from pipeline.registry.versions import (
    PREVIOUS,
    PRODUCTION,
    STAGE_ENTRY,
    Version,
    fetch_files,
    list_versions,
)

__all__ = ["heal", "is_in_place", "put_in_place", "serve", "served_files"]

Say = Callable[[str], None]


def heal(registry: Registry, history: History, say: Say) -> None:
    """Finish what an interrupted promotion or rollback has left half done."""
    target = production_folder(history.name)
    for left in target.parent.glob(f".part-{target.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not is_in_place(registry, history):
        version = history.last.version
        what = f"{history.name} version {version}" if version else f"no version of {history.name}"
        say(f"finishing an interrupted change: {what} in production")
        put_in_place(registry, history)


def is_in_place(registry: Registry, history: History) -> bool:
    """Whether aliases and models/production are what the history says."""
    versions = _by_number(registry, history.name)
    aliases = registry.client.get_registered_model(history.name).aliases
    for alias, version in _wanted(history.last, versions).items():
        if str(aliases.get(alias, "")) != (str(version.number) if version else ""):
            return False
    served = versions.get(history.last.version or 0)
    return served is None or _is_served(served)


def put_in_place(registry: Registry, history: History) -> None:
    """Let the aliases and models/production follow the history's last entry.

    Any number of processes may do this at once, and any of them may be killed: each goes on until
    what it put in place is what the history says, so the last of them leaves the truth. A version
    that somebody has deleted from the registry has no alias, and its folder stays as it is.
    """
    while True:
        entry = history.last
        versions = _by_number(registry, history.name)
        for alias, version in _wanted(entry, versions).items():
            _set_alias(registry, history.name, alias, version)
        served = versions.get(entry.version or 0)
        if entry.version is None and kind_of(history.name) == "student":
            shutil.rmtree(production_folder(history.name), ignore_errors=True)
        elif served and not _is_served(served):
            with tempfile.TemporaryDirectory() as folder:
                fetch_files(registry, served, Path(folder))
                serve(served, Path(folder))
        if history.read().number == entry.number:
            return


def _by_number(registry: Registry, name: str) -> dict[int, Version]:
    return {version.number: version for version in list_versions(registry, name)}


def _wanted(entry: Entry, versions: Mapping[int, Version]) -> dict[str, Version | None]:
    """The version of each alias; None where there is none."""
    numbers = {PRODUCTION: entry.version, PREVIOUS: entry.previous}
    return {alias: versions.get(number or 0) for alias, number in numbers.items()}


def served_files(version: Version) -> list[str]:
    """Those of a student's files that make up a model folder."""
    kept_back = {"student.safetensors", "student.csv", STAGE_ENTRY}
    return [name for name in version.files if name not in kept_back]


def serve(version: Version, files: Path) -> None:
    """Replace the production folder by the model in `files`, and try it out.

    Raises `KdsharpError` when the model in its place does not do what it does in `files`.
    """
    target = production_folder(version.name)
    with atomic_dir(target) as folder:
        for name in served_files(version):
            (folder / name).write_bytes((files / name).read_bytes())
    try:
        expected, found = _sharpened(files), _sharpened(target)
    except Exception as error:
        raise KdsharpError(f"{version} does not work in {target}: {error}") from error
    if not np.array_equal(expected, found):
        raise KdsharpError(f"{version} gives another picture in {target} than in the registry")


def _is_served(version: Version) -> bool:
    """Whether the production folder holds this version, whole; of a teacher there is none."""
    if version.kind == "teacher":
        return True
    folder = production_folder(version.name)
    files = served_files(version)
    return all(
        (folder / name).is_file() and sha256_file(folder / name) == version.files[name]
        for name in files
    )


def _set_alias(registry: Registry, name: str, alias: str, version: Version | None) -> None:
    if version is not None:
        registry.client.set_registered_model_alias(name, alias, str(version.number))
    elif alias in registry.client.get_registered_model(name).aliases:
        registry.client.delete_registered_model_alias(name, alias)


def _sharpened(folder: Path) -> np.ndarray:
    """A small picture with edges and ramps, sharpened by the model in `folder`."""
    rows, columns = np.mgrid[0:47, 0:61]
    waves = [127 + 100 * np.sin(rows / (2 + c)) * np.cos(columns / (3 + c)) for c in range(3)]
    return Sharpener(folder).array(np.stack(waves, axis=2).astype(np.uint8))
